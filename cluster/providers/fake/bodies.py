"""Processes that play instances: begun when one comes to run, all killed when it ends.

They outlive the fake cloud, as machines outlive the provider's API: the next one finds them by
what the state file says.
"""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from cluster.providers.fake.cloud import Cloud
from cluster.providers.fake.world import Body, Rented

GRACE_S = 3.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Bodies:
    """The processes of one cloud, in one folder."""

    def __init__(self, cloud: Cloud, command: str | None, folder: Path) -> None:
        """Take the shell command that boots an instance; without one there are no processes."""
        self._cloud = cloud
        self._command = command
        self._folder = folder
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def settle(self, now: float) -> None:
        """Make the processes what the instances are, or note that one ended by itself."""
        bodies = self._cloud.world.bodies
        for one in self._cloud.world.rented:
            body = bodies.get(one.instance_id)
            if body is not None and not self._settled(one, body, now):
                continue  # it has not ended yet
            if one.phase == "running" and self._command is not None:
                bodies[one.instance_id] = self._begin(one, self._command)
            if one.phase == "gone":
                shutil.rmtree(self._disk(one), ignore_errors=True)

    def _settled(self, one: Rented, body: Body, now: float) -> bool:
        """Say whether nothing is in the way of a new process any more."""
        is_alive = self._lives(body)
        if one.phase == "running" and one.boots == body.boot:
            if is_alive:
                return False
            self._cloud.die(one, "exited", now)
        members = _members(body, f"FAKE_DISK={self._disk(one)}\0".encode())
        if body.kill_at is None:
            _tell(members, signal.SIGTERM)
            body.kill_at = now + GRACE_S
        if members and now < body.kill_at:
            return False
        _tell(members, signal.SIGKILL)
        del self._cloud.world.bodies[one.instance_id]
        return True

    def _begin(self, one: Rented, command: str) -> Body:
        disk, log, script = self._disk(one), self._file(one, "log"), self._file(one, "sh")
        disk.mkdir(parents=True, exist_ok=True)
        script.write_text(one.command)
        own = {
            "PATH": _PATH,
            "FAKE_INSTANCE_ID": one.instance_id,
            "FAKE_COMMAND_FILE": str(script),
            "FAKE_DISK": str(disk),
        }
        with log.open("ab") as out:
            child = subprocess.Popen(  # noqa: S603  the operator's own command
                ["/bin/sh", "-c", command],
                env=own | one.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[child.pid] = child
        return Body(pid=child.pid, started=_started(child.pid) or 0, boot=one.boots)

    def _lives(self, body: Body) -> bool:
        child = self._children.get(body.pid)
        if child is not None and child.poll() is not None:
            del self._children[body.pid]
        return _started(body.pid) == body.started

    def _disk(self, one: Rented) -> Path:
        return self._folder / "disks" / one.instance_id

    def _file(self, one: Rented, kind: str) -> Path:
        return self._folder / f"instance-{one.instance_id}.{kind}"


def _started(pid: int) -> int | None:
    """Return when a process began, in ticks since boot; `None`: there is none, or a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _members(body: Body, marker: bytes) -> list[int]:
    """Return the live processes of an instance: its group, and whoever left the group.

    A container ends with all that is in it, sessions of their own included; those are known by
    the variable that only this instance's processes have.
    """
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            if fields[0] in "ZX":
                continue
            if int(fields[2]) == body.pid or marker in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def _tell(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, what)
