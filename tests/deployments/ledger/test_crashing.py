import subprocess
import sys
from pathlib import Path

import pytest
from fakes.rows import balances_kept, balances_summed, ids

# Opens the ledger, says so, sets the fault argv[2] and reserves ten attempts at once.
DOOMED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, "tests")
from fakes.rows import reservation, together
from deployments import faults
from deployments.ledger import Ledger

async def main(url, fault):
    ledger = Ledger(url)
    Path(fault).touch()
    faults.arm(Path(fault).parent)
    await together(*(ledger.reserve(reservation(f"att_{n}")) for n in range(10)))

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("fault", "least"), [("writer_before_commit", 0), ("writer_after_commit", 1)]
)
def test_a_process_that_dies_at_a_commit_leaves_all_of_its_transaction_or_nothing(
    url: str, tmp_path: Path, fault: str, least: int
) -> None:
    ended = subprocess.run([sys.executable, "-c", DOOMED, url, str(tmp_path / fault)], check=False)
    assert ended.returncode == -9
    assert len(ids(url)) >= least
    assert least > 0 or len(ids(url)) == 0
    assert balances_kept(url) == balances_summed(url)
