"""Foreign code and patterns, run in a process that can do nothing else: what came is a value.

The process has no environment, no input, a folder of its own that is gone afterwards, and limits of
processor time, memory, file size and wall clock. What else it can reach depends on the kernel: it
is found out once, by trying, and said with every result.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

from router.golden.child import FILE_BYTES
from tercet.content import JsonValue

WALL_S = 10.0
_CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What code in the sandbox can still reach."""

    files: bool
    """Outside its folder, as the user who runs this."""
    network: bool
    processes: bool
    """It can begin new ones, or end others."""

    @property
    def is_whole(self) -> bool:
        """Whether it can reach nothing."""
        return not (self.files or self.network or self.processes)

    def __str__(self) -> str:
        """Say it in words."""
        shut = {"files": not self.files, "network": not self.network}
        shut["processes"] = not self.processes
        kept = [name for name, is_shut in shut.items() if is_shut]
        left = [name for name, is_shut in shut.items() if not is_shut]
        return f"shut off: {', '.join(kept) or 'nothing'}; open: {', '.join(left) or 'nothing'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a job."""

    how: Literal["ended", "timed_out", "broke"]
    """`broke`: it ended without a result, by its own doing or at a limit."""
    value: JsonValue = None
    """Its result, if it ended. Foreign code may have forged it."""


def run_code(code: str, cases: tuple[str, ...], wall_s: float = WALL_S) -> Ran:
    """Run Python code, then expressions in its names.

    The value is a list: of each expression `{"gives": JSON}` or `{"raises": "ValueError"}`.
    """
    return _run({"do": "run", "code": code, "cases": list(cases)}, wall_s)


def matches(pattern: str, text: str, wall_s: float = WALL_S) -> bool | None:
    """Whether a pattern is found in a text; `None`: that took too long."""
    ran = _run({"do": "match", "pattern": pattern, "text": text}, wall_s)
    return ran.value if isinstance(ran.value, bool) else None


@cache
def isolation() -> Isolation:
    """Find out what can be reached from the sandbox on this machine."""
    ran = _run({"do": "probe"}, WALL_S)
    found = cast("Mapping[str, bool]", ran.value if isinstance(ran.value, dict) else {})
    return Isolation(
        files=found.get("files", True),
        network=found.get("network", True),
        processes=found.get("processes", True),
    )


def _run(job: Mapping[str, JsonValue], wall_s: float) -> Ran:
    # What foreign code leaves behind may resist being deleted.
    with tempfile.TemporaryDirectory(prefix="tercet-golden-", ignore_cleanup_errors=True) as home:
        (Path(home) / "job.json").write_text(json.dumps(job), encoding="utf-8")
        process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-I", "-S", "-B", str(_CHILD)],
            cwd=home,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(wall_s)
        except subprocess.TimeoutExpired:
            return Ran(how="timed_out")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return _result(Path(home) / "out.json") if process.returncode == 0 else Ran(how="broke")


def _result(file: Path) -> Ran:
    """Read what was written, which may be anything: a pipe, a link, or no JSON."""
    try:
        place = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(place, "rb") as opened:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                return Ran(how="broke")
            return Ran(how="ended", value=json.loads(opened.read(FILE_BYTES)))
    except (OSError, ValueError, RecursionError):
        return Ran(how="broke")
