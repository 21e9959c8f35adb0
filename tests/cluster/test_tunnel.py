import shlex

from cluster import tunnel
from cluster.tunnel import GCS_PORT, HEAD, HEAD_PORTS, HTTP_PORT, NODE, NODE_PORTS


def ports_of(options: list[str]) -> list[int]:
    return [int(option.rpartition(":")[2]) for option in options if ":" in option]


def test_no_port_is_anybody_elses_too() -> None:
    for ports in ([GCS_PORT, *HEAD_PORTS.all()], [*NODE_PORTS.all(), HTTP_PORT]):
        assert len(set(ports)) == len(ports)
        assert min(ports) > 1024
    assert not {GCS_PORT, *HEAD_PORTS.all()} & {*NODE_PORTS.all(), HTTP_PORT}


def test_the_kernel_gives_none_of_them_to_somebody_else() -> None:
    first = 32_768  # of the ports that Linux gives away by itself
    assert max(*HEAD_PORTS.all(), *NODE_PORTS.all(), HTTP_PORT) < first


def test_every_port_that_ray_is_pinned_to_is_carried() -> None:
    forwards = list(tunnel.ray_forwards())
    there = [to for kind, to in zip(forwards[::2], forwards[1::2], strict=True) if kind == "-L"]
    back = [to for kind, to in zip(forwards[::2], forwards[1::2], strict=True) if kind == "-R"]
    assert set(ports_of(there)) == {GCS_PORT, *HEAD_PORTS.all()}
    assert set(ports_of(back)) >= set(NODE_PORTS.all())
    assert there == [f"{HEAD}:{port}:{HEAD}:{port}" for port in ports_of(there)]
    assert back == [f"{NODE}:{port}:{NODE}:{port}" for port in ports_of(back)]


def test_ray_is_pinned_to_ports_within_what_is_carried() -> None:
    for options, ports in (
        (tunnel.head_options(), HEAD_PORTS),
        (tunnel.node_options(), NODE_PORTS),
    ):
        told = dict(option[2:].split("=", 1) for option in options if "=" in option)
        pinned = {int(told[name]) for name in told if name.endswith("-port")} - {GCS_PORT}
        if "port" in told:
            assert int(told["port"]) == GCS_PORT
        assert pinned <= set(ports.all())
        assert int(told["max-worker-port"]) - int(told["min-worker-port"]) + 1 == ports.workers


def test_a_node_outside_the_cluster_carries_its_server_alone() -> None:
    assert tunnel.http_forwards() == ["-R", f"{NODE}:{HTTP_PORT}:{NODE}:{HTTP_PORT}"]


def test_a_command_of_odd_words_stays_one_command() -> None:
    words = ["/a b/python", "it's", 'say "no"', "$HOME;`id`"]
    line = tunnel.authorized_key("ssh-ed25519 AAAA a\n", words, joins_ray=True)
    quoted = line.partition('command="')[2].rpartition('" ssh-ed25519')[0]
    # sshd takes \" for a quote; a shell reads the rest.
    assert shlex.split(quoted.replace('\\"', '"')) == words
    assert line.count("\n") == 1
