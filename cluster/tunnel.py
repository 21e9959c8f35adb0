"""One Ray cluster over one outbound SSH connection: addresses, ports and what `ssh` is told.

Both nodes have addresses of their own within 127/8. All of it is local on Linux, so each reaches
itself directly, and the other through the tunnel; Ray rewrites 127.0.0.1 and leaves these alone.
Nothing has to be opened on the rented machine, and no device made.
"""

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

HEAD = "127.77.0.1"
NODE = "127.77.0.2"
HTTP_PORT = 7600
"""Of vLLM's own server on the node, where the node is outside the cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Every port a Ray node listens on, pinned: the tunnel carries these and no others."""

    first: int
    """Of the named ones; the names are those of `ray start`'s options."""
    workers: int
    first_worker: int

    def named(self) -> Mapping[str, int]:
        """Return the ports of a node's own processes, by the options of `ray start`."""
        names = (
            "node-manager-port",
            "object-manager-port",
            "dashboard-agent-grpc-port",
            "dashboard-agent-listen-port",
            "runtime-env-agent-port",
            "metrics-export-port",
        )
        return {name: self.first + place for place, name in enumerate(names, start=1)}

    def options(self) -> Sequence[str]:
        """Return the options of `ray start` that pin them."""
        named = [f"--{name}={port}" for name, port in self.named().items()]
        last = self.first_worker + self.workers - 1
        return [
            *named,
            f"--min-worker-port={self.first_worker}",
            f"--max-worker-port={last}",
        ]

    def all(self) -> Sequence[int]:
        """Return all of them but the head's GCS."""
        workers = range(self.first_worker, self.first_worker + self.workers)
        return [*self.named().values(), *workers]


GCS_PORT = 7401
REPLICA_PORTS = range(7511, 7515)
"""Of the servers of Serve's replicas on the node; two, while one takes the other's place."""
# Every process of Ray's on the head that the node calls back listens on a worker port, and there
# are two dozen of them: the controller, the proxy, the replicas, the drivers.
HEAD_PORTS = Ports(first=GCS_PORT, first_worker=7420, workers=60)
NODE_PORTS = Ports(first=7501, first_worker=7520, workers=20)


def head_options() -> Sequence[str]:
    """Return the options of `ray start` that make the head one that machines can join."""
    return ["--head", f"--node-ip-address={HEAD}", f"--port={GCS_PORT}", *HEAD_PORTS.options()]


def node_options() -> Sequence[str]:
    """Return the options of `ray start` that join it."""
    return [f"--address={HEAD}:{GCS_PORT}", f"--node-ip-address={NODE}", *NODE_PORTS.options()]


def ray_forwards() -> Sequence[str]:
    """Return the options of `ssh` on the node that join both nodes' ports."""
    there = [
        option
        for port in (GCS_PORT, *HEAD_PORTS.all())
        for option in ("-L", f"{HEAD}:{port}:{HEAD}:{port}")
    ]
    back = [
        option
        for port in (*NODE_PORTS.all(), *REPLICA_PORTS)
        for option in ("-R", f"{NODE}:{port}:{NODE}:{port}")
    ]
    return [*there, *back]


def free_replica_port() -> int:
    """Return one of the node's replica ports that nobody listens on.

    gRPC would share a port that is taken with whoever has it.

    Raises:
        OSError: there is none.
    """
    for port in REPLICA_PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((NODE, port))
            return port
    raise OSError(f"all of {NODE}'s ports {REPLICA_PORTS} for replicas are taken")


def http_forwards() -> Sequence[str]:
    """Return the options that let the head reach the node's HTTP server, and the node nothing."""
    return ["-R", f"{NODE}:{HTTP_PORT}:{NODE}:{HTTP_PORT}"]


def authorized_key(public_key: str, command: Sequence[str], *, joins_ray: bool) -> str:
    """Return the line of `authorized_keys` for a lease: its tunnel, and one command.

    Args:
        public_key: as `ssh-keygen` writes it.
        command: what is run whatever the node asks for; it sees that as SSH_ORIGINAL_COMMAND.
        joins_ray: whether the node may reach Ray on the head.
    """
    quoted = " ".join(_shell_word(word) for word in command).replace('"', '\\"')
    # `permitopen="none"` would be for all; a port nobody has says the same to every version.
    opens = f"{HEAD}:*" if joins_ray else "127.255.255.254:1"
    return (
        f'restrict,port-forwarding,permitopen="{opens}",permitlisten="{NODE}:*",'
        f'command="{quoted}" {public_key.strip()}\n'
    )


def _shell_word(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def sshd_config(*, port: int, host_key: str, authorized_keys: str, address: str) -> str:
    """Return the configuration of an sshd that is there for tunnels alone.

    A tunnel that broke keeps the node's addresses until it is noticed, after 15 s at most; until
    then the node cannot come back.
    """
    return f"""\
Port {port}
ListenAddress {address}
HostKey {host_key}
AuthorizedKeysFile {authorized_keys}
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
GatewayPorts clientspecified
AllowTcpForwarding yes
X11Forwarding no
AllowAgentForwarding no
PermitTunnel no
ClientAliveInterval 5
ClientAliveCountMax 3
MaxSessions 20
PrintMotd no
"""
