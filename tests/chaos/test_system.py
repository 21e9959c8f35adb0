"""The whole system, killed again and again, pays for everything exactly once."""

from pathlib import Path

import pytest
from chaos.system import plan, raid

SEED = 20261123


@pytest.mark.serve
@pytest.mark.timeout(600)
def test_killed_replicas_lose_double_and_misbook_nothing(tmp_path: Path) -> None:
    run, fought = raid(tmp_path, requests=150, kills=6, seed=SEED)

    assert run.verdict.is_clean, str(run.verdict)
    assert run.kills == 6
    assert run.answered >= 150
    assert run.verdict.posts > 150
    assert len(fought.killed) >= 5


def test_fifty_kills_hit_every_replica_and_every_point() -> None:
    kills = plan(50, SEED)

    assert len(kills) == 50
    assert len({name for _, name in kills}) == 14
    assert kills == plan(50, SEED)
