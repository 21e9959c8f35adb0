"""CPU time and memory of all processes of one system, found by a mark in their environment."""

import os
from contextlib import suppress
from pathlib import Path

MARK = "TERCET_BENCH_SYSTEM"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def pids(mark: str) -> list[int]:
    """Return the living processes that were started with this mark, and all of their sessions.

    Ray's agents write their titles over their environment, so the mark alone would miss them.
    """
    wanted = f"{MARK}={mark}".encode()
    sessions: dict[int, int] = {}
    marked: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid = int(folder.name)
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            sessions[pid] = int(fields[3])
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                marked.add(pid)
    theirs = {sessions[pid] for pid in marked} - {os.getsid(0)}
    return [pid for pid, session in sessions.items() if pid in marked or session in theirs]


def cpu_s(processes: list[int]) -> float:
    """Return the CPU seconds they have used."""
    total = 0
    for pid in processes:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total * _TICK_S


def pss_bytes(processes: list[int]) -> int:
    """Return the memory that is theirs, shared pages divided among those who share them."""
    return sum(sizes(processes).values())


def sizes(processes: list[int]) -> dict[int, int]:
    """Return each one's proportional set size in bytes."""
    found: dict[int, int] = {}
    for pid in processes:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found[pid] = int(line.split()[1]) * 1024
    return found


def name_of(pid: int) -> str:
    """Return what a process calls itself."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(word for word in words if word)[:100].decode(errors="replace")
    return "?"


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with."""
    words = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="surrogateescape").split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)
