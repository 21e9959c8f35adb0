"""A kill at any point loses nothing, doubles nothing and books nothing wrong."""

from functools import partial
from pathlib import Path

import pytest
from chaos.herd import ATTEMPT_POINTS, WRITER_POINTS, cases_of, crash
from chaos.naive import NO_CAP, REACHED, CheckThenCall, SettleAfterCall
from chaos.replica import Proxied

pytestmark = pytest.mark.timeout(300)

SEEDS = (1, 2)


def test_a_replica_killed_anywhere_leaves_books_that_agree_with_the_bill(tmp_path: Path) -> None:
    cases = cases_of(ATTEMPT_POINTS + WRITER_POINTS, SEEDS)

    run = crash(tmp_path, Proxied, cases)

    assert run.verdict.is_clean, str(run.verdict)
    assert run.kills == len(cases)
    assert run.answered >= 4 * len(cases)
    assert run.verdict.orphans > 0


@pytest.mark.parametrize(
    "make", [SettleAfterCall, partial(CheckThenCall, NO_CAP)], ids=["settle", "check"]
)
def test_a_design_that_writes_after_the_call_loses_what_was_billed(tmp_path: Path, make) -> None:
    run = crash(tmp_path, make, cases_of(REACHED, SEEDS))

    assert not run.verdict.is_clean
    assert run.verdict.lost
    assert run.verdict.booked_nano_usd < run.verdict.billed_nano_usd


def test_a_design_that_checks_before_the_call_spends_past_its_cap(tmp_path: Path) -> None:
    """What is left covers one call; four ask at once, and all are let in."""
    cap, one_kill = 1_500_000, cases_of(REACHED, SEEDS)[:1]

    run = crash(tmp_path, partial(CheckThenCall, cap), one_kill, cap_nano_usd=cap)

    assert run.verdict.overspent_nano_usd > 0
    assert not run.verdict.is_clean
