"""Named points at which a test may end the process: how `tests/chaos` proves that nothing is lost.

Off unless `TERCET_FAULTS` names a folder. A point kills the process that reaches it if the folder
holds a file of the point's name; the file is taken first, so each one kills once.
"""

import asyncio
import os
import signal
from pathlib import Path

_folder: Path | None = None


def arm(folder: Path | None) -> None:
    """Look for faults in `folder` from now on; `None` disarms every point."""
    global _folder  # noqa: PLW0603  one switch a process, read at every point
    _folder = folder


def reach(point: str) -> None:
    """End this process as `kill -9` would, if a fault is set at `point`."""
    if _folder is None:
        return
    try:
        (_folder / point).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def reach_in(point: str, seconds: float) -> None:
    """Reach the point a little later, while something else is under way."""
    if _folder is not None:
        asyncio.get_running_loop().call_later(seconds, reach, point)
