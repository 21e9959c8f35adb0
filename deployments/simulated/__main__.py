"""`python -m deployments.simulated`: the simulated upstreams as a process."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from deployments.simulated.app import build
from deployments.simulated.scenarios import SCENARIOS
from deployments.simulated.server import Server

_ABOUT = """\
Claude and Gemini, simulated on loopback: the real wire formats, no real models, no keys.
Point ANTHROPIC_BASE_URL and GOOGLE_GEMINI_BASE_URL at it."""
_MARKERS = """\
A prompt steers its own answer with markers:
  sim:NAME, sim:NAME=VALUE, sim:NAME@TARGET
                    a scenario, for everyone or for a family (claude, gemini) or model id
  sim:agree, sim:disagree, sim:disagree-once, sim:disagree-twice
                    whether the two families say the same, and from which round on
  sim:wrong         answer something else than what was asked, as a model does that is not able to
  sim:words=N, sim:ttft=MS, sim:delay=MS, sim:piece=N
                    the answer's length, the wait before it and between its pieces
  sim:think, sim:think=redacted
                    think before speaking
  sim:tool=NAME {"argument": 1}, sim:tool-loop=N
                    use an offered tool, N turns long; required arguments are filled in, several
                    markers are parallel uses; then the answer quotes the results
POST /sim/scenario with {"name", "value", "target", "times"} orders one for the whole process."""


def main() -> None:
    """Serve until a signal comes or the parent is gone."""
    parser = _parser()
    told = parser.parse_args()

    def announce(port: int) -> None:
        # Whoever started this may have closed the pipe: that is no reason to stop.
        with suppress(OSError):
            line = f"simulated upstreams on http://{told.host}:{port}, billing log {told.bill}\n"
            if sys.stdout is not None:
                sys.stdout.write(line)
                sys.stdout.flush()

    try:
        app = build(told.bill)
    except OSError as refused:
        parser.error(f"--bill: {refused}")
    server = Server(
        app,
        host=told.host,
        port=told.port,
        parent=told.parent,
        on_listening=announce,
    )
    # Ctrl+C is an ordinary way to end it; the server has already shut down by then.
    with suppress(KeyboardInterrupt):
        server.run()


def _parser() -> argparse.ArgumentParser:
    scenarios = "\n".join(f"  {name:<18}{meaning}" for name, meaning in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python -m deployments.simulated",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_ABOUT,
        epilog=f"{_MARKERS}\n\nscenarios:\n{scenarios}",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port to bind (default 0: any free)")
    parser.add_argument(
        "--bill",
        type=Path,
        required=True,
        help="billing log to append to: one JSON line for each billable POST",
    )
    parser.add_argument(
        "--parent", type=int, metavar="PID", help="end by itself when this process has ended"
    )
    return parser


if __name__ == "__main__":
    main()
