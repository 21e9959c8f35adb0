import shutil
import subprocess
import sys
from contextlib import closing

import pytest

from deployments.ledger.spool import Spool, SpoolError, abandoned

KILLED = """
import os, signal, sys
from pathlib import Path
from deployments.ledger.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.keep({"op": "settle", "attempt_id": "a", "settled_nano_usd": 5})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_is_kept_is_there_until_it_is_cleared(tmp_path):
    path = tmp_path / "w1"
    with closing(Spool(path)) as spool:
        spool.keep({"n": 1})
        spool.keep({"n": 2})
    with closing(Spool(path)) as spool:
        assert spool.entries == ({"n": 1}, {"n": 2})
        spool.clear()
        assert spool.entries == ()
    with closing(Spool(path)) as spool:
        assert spool.entries == ()
    assert path.stat().st_size == 262_144


def test_the_spool_of_a_living_process_is_not_abandoned(tmp_path):
    with closing(Spool(tmp_path / "w1")) as spool:
        spool.keep({"n": 1})
        assert list(abandoned(tmp_path)) == []


def test_the_spool_of_a_killed_process_is_picked_up_and_deleted(tmp_path):
    path = tmp_path / "w1"
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == -9
    for spool in abandoned(tmp_path):
        assert spool.entries == ({"op": "settle", "attempt_id": "a", "settled_nano_usd": 5},)
        assert list(abandoned(tmp_path)) == []
        spool.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_was_not_finished_does_not_count(tmp_path):
    path = tmp_path / "w1"
    with closing(Spool(path)) as spool:
        spool.keep({"n": 1})
        spool.keep({"n": 2})
    data = path.read_bytes()
    path.write_bytes(data.replace(b"2}\n", b"\0\0\0"))
    with closing(Spool(path)) as spool:
        assert spool.entries == ({"n": 1},)
        spool.keep({"n": 3})
    with closing(Spool(path)) as spool:
        assert spool.entries == ({"n": 1}, {"n": 3})


def test_a_spool_that_is_full_says_so(tmp_path):
    with closing(Spool(tmp_path / "w1", room_bytes=40)) as spool:
        spool.keep({"n": 1})
        with pytest.raises(SpoolError, match="w1 is full; make room for the ledger to write"):
            spool.keep({"n": "a long settlement"})
        assert spool.entries == ({"n": 1},)


def test_a_full_disk_takes_what_the_spool_keeps_and_no_new_spool(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting a small disk is not permitted here")
    try:
        with closing(Spool(disk / "spool" / "w1")) as spool:
            (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free))
            for n in range(100):
                spool.keep({"n": n})
            with pytest.raises(SpoolError, match=r"w2: (No space left|no room)"):
                Spool(disk / "spool" / "w2")
            assert [path.name for path in (disk / "spool").iterdir()] == ["w1"]
        with closing(Spool(disk / "spool" / "w1")) as spool:
            assert [entry["n"] for entry in spool.entries] == list(range(100))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
