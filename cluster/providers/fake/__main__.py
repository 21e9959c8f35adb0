"""`python -m cluster.providers.fake`: the fake cloud as a process."""

import argparse
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from cluster.providers.fake.app import build, world_of

_ABOUT = """\
A cloud in a process: Vast.ai's and RunPod's REST APIs at one address, on loopback.
Its machines are what --boot starts; /control/... plays fate (control.py)."""


class _Server(uvicorn.Server):
    """Says where it listens."""

    def __init__(self, app: Starlette, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        # Whoever started this may have closed the pipe: that is no reason to stop.
        with suppress(OSError):
            sys.stdout.write(f"fake cloud http://{host}:{port}\n")
            sys.stdout.flush()


def main() -> None:
    """Serve until a signal comes. Processes that play instances stay, for the next one."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.providers.fake",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_ABOUT,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port to bind (default 0: any free)")
    parser.add_argument("--config", type=Path, help="JSON: the world, as world.py has it")
    parser.add_argument(
        "--state",
        type=Path,
        help="file that survives this process, which wins over --config; logs and disks are "
        "beside it (default: in a new temporary folder)",
    )
    parser.add_argument(
        "--boot",
        metavar="CMD",
        help="shell command started for an instance that comes to run, with its environment and "
        "FAKE_INSTANCE_ID, FAKE_COMMAND_FILE, FAKE_DISK",
    )
    told = parser.parse_args()
    state: Path = told.state or Path(tempfile.mkdtemp(prefix="fake-cloud-")) / "state.json"
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        world = world_of(state, told.config)
    except (OSError, ValueError) as refused:
        parser.error(str(refused))
    server = _Server(build(world, state.resolve(), boot=told.boot), told.host, told.port)
    # Ctrl+C is an ordinary way to end it; the server has already shut down by then.
    with suppress(KeyboardInterrupt):
        server.run()


if __name__ == "__main__":
    main()
