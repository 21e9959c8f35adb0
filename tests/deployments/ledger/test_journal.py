import subprocess
import sys
from pathlib import Path

import pytest

from deployments.ledger.journal import Journal, JournalDamagedError, entries, sizes

KILLED = """
import os, signal, sys
from pathlib import Path
from deployments.ledger.journal import Journal
journal = Journal(Path(sys.argv[1]), lambda: "2026-11")
with journal.locked():
    journal.append([{"op": "reserve", "attempt_id": "a"}])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def journal_in(folder: Path, month: str = "2026-11") -> Journal:
    return Journal(folder, lambda: month)


def test_a_line_is_a_checksum_and_what_is_known(tmp_path):
    assert journal_in(tmp_path).append([{"op": "reserve", "n": 1, "flag": None}]) == ("2026-11", 32)
    assert (tmp_path / "2026-11.jsonl").read_bytes() == b'163e3006 {"op":"reserve","n":1}\n'


def test_what_was_appended_is_read_in_order_over_the_months(tmp_path):
    journal_in(tmp_path, "2026-11").append([{"n": 1}, {"n": 2}])
    journal_in(tmp_path, "2026-12").append([{"n": 3}])
    assert list(entries(tmp_path)) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_clock_that_is_set_back_does_not_reorder_lines(tmp_path):
    journal_in(tmp_path, "2026-12").append([{"n": 1}])
    journal_in(tmp_path, "2026-11").append([{"n": 2}])
    assert list(sizes(tmp_path)) == ["2026-12"]
    assert list(entries(tmp_path)) == [{"n": 1}, {"n": 2}]


def test_a_torn_tail_is_not_read_and_is_cut_off_by_the_next_line(tmp_path):
    journal = journal_in(tmp_path)
    journal.append([{"n": 1}, {"n": 2}])
    file = tmp_path / "2026-11.jsonl"
    file.write_bytes(file.read_bytes()[:-3])
    assert list(entries(tmp_path)) == [{"n": 1}]
    journal.append([{"n": 3}])
    assert list(entries(tmp_path)) == [{"n": 1}, {"n": 3}]


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_damaged_line_is_named(tmp_path, line):
    journal_in(tmp_path).append([{"n": 11}, {"n": 12}, {"n": 13}])
    file = tmp_path / "2026-11.jsonl"
    file.write_bytes(file.read_bytes().replace(b":1%d" % line, b":2%d" % line))
    with pytest.raises(JournalDamagedError, match=rf"2026-11\.jsonl, line {line} is damaged"):
        list(entries(tmp_path))


def test_a_group_whose_commit_failed_is_taken_back(tmp_path):
    journal = journal_in(tmp_path)
    journal.append([{"n": 1}])
    journal.settled()
    journal.append([{"n": 2}])
    journal.undo()
    assert list(entries(tmp_path)) == [{"n": 1}]


def test_a_killed_process_loses_no_line_and_lets_go_of_the_lock(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -9
    journal = journal_in(tmp_path)
    with journal.locked():
        journal.append([{"n": 2}])
    journal.sync()
    assert list(entries(tmp_path)) == [{"op": "reserve", "attempt_id": "a"}, {"n": 2}]
