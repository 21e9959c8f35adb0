"""`gpu_watch.sh`: a round of the safety net as metrics."""

import subprocess

from observing.watched import FOLDER

FAKE = "#!/bin/sh\n[ \"$*\" = 'gpu watch --once' ] || exit 64\n"
WARNING = "2026-11-29 08:00:00,000 WARNING ALERT"


def watched(folder, script: str) -> subprocess.CompletedProcess[str]:
    tercet = folder / "tercet"
    tercet.write_text(FAKE + script)
    tercet.chmod(0o700)
    command = [FOLDER / "gpu_watch.sh", folder, tercet]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_alerts_are_counted_by_kind(tmp_path, promtool) -> None:
    told = "".join(f"echo '{WARNING} orphan: instance {number}' >&2\n" for number in (1, 2))

    done = watched(tmp_path, f"{told}echo '{WARNING} cap: reached' >&2\nexit 1\n")

    text = (tmp_path / "tercet_gpu.prom").read_text()
    assert done.returncode == 0
    assert "instance 2" in done.stderr
    for line in ('{kind="orphan"} 2', '{kind="cap"} 1', '{kind="unserved"} 0'):
        assert f"tercet_gpu_watch_alerts{line}\n" in text
    assert promtool("check", "metrics", within=tmp_path, said=text).returncode == 0


def test_a_round_that_broke_tells_nothing(tmp_path) -> None:
    assert watched(tmp_path, "exit 0").returncode == 0
    before = (tmp_path / "tercet_gpu.prom").read_text()

    away = watched(tmp_path, "echo 'tercet: the ledger is away' >&2; exit 2")
    broken = watched(tmp_path, "echo 'Traceback: IndexError' >&2; exit 1")

    assert (away.returncode, broken.returncode) == (2, 2)
    assert "the ledger is away" in away.stderr
    assert (tmp_path / "tercet_gpu.prom").read_text() == before
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["tercet_gpu.prom"]
