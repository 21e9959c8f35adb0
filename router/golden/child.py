"""What runs in the sandbox: it shuts itself in for good, then does its job and writes what came.

It is run as a script in an empty folder, `python -I -S -B child.py`, and imports nothing of ours.
`job.json` says what to do; what came is in `out.json`. `router.golden.sandbox` starts and ends it.
"""

import ctypes
import json
import os
import platform
import re
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

CPU_S = 5
MEMORY_BYTES = 512 * 1024 * 1024
FILE_BYTES = 1024 * 1024
OPEN_FILES = 64

# Numbers of system calls, by architecture: asm/unistd_64.h and asm-generic/unistd.h. Denied are
# processes (fork, vfork, execve, execveat), signals to others (kill, tkill, tgkill,
# pidfd_send_signal), the network (socket), io_uring, and the memory of others (ptrace,
# process_vm_readv, process_vm_writev).
_CALLS: Mapping[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, 56, (57, 58, 59, 322, 62, 200, 234, 424, 41, 425, 101, 310, 311)),
    "aarch64": (0xC00000B7, 220, (221, 281, 129, 130, 131, 424, 198, 425, 117, 270, 271)),
}
"""The audit's number of the architecture, `clone`, and what is denied."""
_CLONE3, _CLONE_THREAD = 435, 0x10000
_X32 = 0x40000000  # from here on x86-64 has the calls of another interface
_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x50001, 0x50026, 0x80000000
_LOAD, _EQUAL, _ABOVE, _SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # Landlock's calls, the same on every architecture
_READS, _EVERYTHING = 0b1101, 0x1FFF  # of a path: execute, read a file, list a folder; ABI 1
_SHARED = ("/usr/lib", "/lib", "/lib64", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom")
"""What the standard library reads outside its own folder."""


def main() -> None:
    """Do the job."""
    with open("job.json", encoding="utf-8") as file:  # noqa: PTH123  pathlib takes 20 ms to import
        job = json.load(file)
    _limit()
    _shut_in()
    out = json.dumps(_JOBS[job["do"]](job))
    with open("out.json", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(out)


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _shut_in() -> None:
    """Give up what the kernel lets us give up; `_probe` finds out what that came to."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    _shut_files(libc)
    _shut_calls(libc)


def _shut_files(libc: ctypes.CDLL) -> None:
    """Leave this folder and the standard library alone to be seen, by Landlock (Linux 5.13)."""
    handled = ctypes.create_string_buffer(struct.pack("=Q", _EVERYTHING), 8)
    rules = libc.syscall(_CREATE, handled, ctypes.c_size_t(8), 0)
    if rules < 0:
        return
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    for path, access in ((os.getcwd(), _EVERYTHING), *((p, _READS) for p in (library, *_SHARED))):  # noqa: PTH109
        if not os.path.exists(path):  # noqa: PTH110
            continue
        place = os.open(path, os.O_PATH)
        allowed = access if os.path.isdir(path) else access & 0b101  # noqa: PTH112
        rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, place), 12)
        libc.syscall(_ADD, rules, 1, rule, 0)
        os.close(place)
    libc.syscall(_RESTRICT, rules, 0)
    os.close(rules)


def _shut_calls(libc: ctypes.CDLL) -> None:
    """Have the kernel refuse new processes and the network, by seccomp; threads may be begun."""
    known = _CALLS.get(platform.machine())
    if known is None:
        return
    audit, clone, denied = known
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    for number in denied:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    # Its flags are out of reach here; the C library then tries `clone`.
    steps += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
    steps += [(_ABOVE, 0, 1, _X32), (_RETURN, 0, 0, _EPERM)]
    steps += [(_EQUAL, 0, 3, clone), (_LOAD, 0, 0, 16)]
    steps += [(_SET, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    libc.prctl(_SECCOMP, _FILTER, program, 0, 0)


def _run(job: Mapping[str, Any]) -> list[dict[str, object]]:
    """Run code, then say of each expression what it gives or raises."""
    names: dict[str, Any] = {"__name__": "answer"}
    exec(compile(job["code"], "answer", "exec"), names)  # noqa: S102  it is what the sandbox is for
    return [_case(run, names) for run in job["cases"]]


def _case(run: str, names: dict[str, Any]) -> dict[str, object]:
    try:
        return {"gives": json.loads(json.dumps(eval(run, names)))}  # noqa: S307
    except Exception as error:  # noqa: BLE001  whatever foreign code raises
        return {"raises": type(error).__name__}


def _match(job: Mapping[str, Any]) -> bool:
    return re.search(job["pattern"], job["text"]) is not None


def _probe(_: Mapping[str, Any]) -> dict[str, bool]:
    """Say what of the world outside can still be reached."""

    def parent() -> None:
        with open(f"/proc/{os.getppid()}/environ", "rb") as file:  # noqa: PTH123
            file.read(1)

    def child() -> None:
        if (pid := os.fork()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    return {
        "files": _can(lambda: os.listdir("/etc")) or _can(parent),  # noqa: PTH208
        "network": _can(lambda: socket.socket().close()),
        "processes": _can(child) or _can(lambda: os.kill(os.getppid(), signal.SIGCONT)),
    }


def _can(do: Callable[[], object]) -> bool:
    try:
        do()
    except OSError:
        return False
    return True


_JOBS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "run": _run,
    "match": _match,
    "probe": _probe,
}

if __name__ == "__main__":
    sys.exit(main())
