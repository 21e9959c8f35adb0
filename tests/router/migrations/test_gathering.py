from dataclasses import replace

import pytest
from fakes.lessons_given import task
from fakes.migrating import sample, transition
from fakes.rows import AT

from router.migrations.gathering import Given, Known, Rows, known
from router.migrations.runs import runs
from router.refit.tasks import Came
from tercet.config import load
from tercet.environment import settings
from tercet.leases import Span
from tercet.migration import Assignment, Sample, Side, Transition

HOUR = 3_600.0
RULES = load(chosen=settings({})).migrations
GIVEN = Given(rules=RULES, has_local=True, price=lambda *_: 100, now=AT + HOUR)


def came(number: int, side: Side, kind: str = "lookup", **changes) -> Came:
    of = Assignment(
        kind=kind, state="canary", side=side, propensity=0.09, conversation=f"c{kind}{number}"
    )
    fields = {"at": AT + 10 + number, "nano_usd": 0 if side == "treated" else 1_000} | changes
    return replace(task(f"{kind}{number}", kind, **fields), assignment=of)


def pair(number: int, difference: float = 0.0, **changes) -> Sample:
    fields = {
        "base_quality": 0.5, "tested_quality": 0.5 + difference, "at": AT + 10 + number,
        "by": "check", "judge": None,
    }  # fmt: skip
    return sample(f"p{number}", **(fields | changes))


def found(moves: list[Transition], **rows) -> dict[str, Known]:
    fields = {
        "runs": runs(RULES.kinds, moves), "tasks": (), "samples": (), "audits": (), "spans": (),
    }  # fmt: skip
    return dict(known(Rows(**(fields | rows)), GIVEN))


SHADOW = [transition(1, at=AT)]
CANARY = [*SHADOW, transition(2, at=AT + 5)]


def test_in_shadow_the_local_models_own_runs_say_how_slow_it_is() -> None:
    shadow = [pair(n, tested_s=4.0) for n in range(200)]
    tasks = [came(n, "waiting", seconds=2.0) for n in range(200)]
    evidence = found(SHADOW, samples=shadow, tasks=tasks)["lookup"].evidence
    assert evidence.treated_p95_s == (4.0, 4.0)
    assert evidence.base_p95_s == (2.0, 2.0)
    treated = [came(500 + n, "treated", seconds=9.0) for n in range(200)]
    evidence = found(CANARY, samples=shadow, tasks=tasks + treated)["lookup"].evidence
    assert (evidence.treated_p95_s, evidence.base_p95_s) == ((9.0, 9.0), (2.0, 2.0))


def test_of_a_conversation_the_first_time_counts_and_of_a_failure_none() -> None:
    again = replace(came(300, "waiting", seconds=90.0), assignment=came(0, "waiting").assignment)
    tasks = [came(n, "waiting", seconds=2.0) for n in range(200)]
    failed = came(400, "waiting", seconds=90.0, is_answered=False)
    evidence = found(SHADOW, tasks=[*tasks, again, failed])["lookup"].evidence
    assert evidence.base_p95_s == (2.0, 2.0)


def test_few_tasks_say_little_of_a_percentile() -> None:
    evidence = found(SHADOW, tasks=[came(1, "waiting", seconds=2.0)])["lookup"].evidence
    assert evidence.base_p95_s == (0.0, float("inf"))
    assert found(SHADOW)["lookup"].evidence.base_p95_s is None


@pytest.mark.parametrize(
    ("count", "difference", "more"),
    [(60, 0.5, 40), (200, 0.5, 0), (200, -0.2, None), (200, -0.4, None)],
    ids=["few", "surely better", "no better than needed", "worse"],
)
def test_how_many_more_pairs_are_needed_is_told(
    count: int, difference: float, more: int | None
) -> None:
    # Every other pair is equal.
    samples = [pair(n, difference * (n % 2)) for n in range(count)]
    assert found(CANARY, samples=samples)["lookup"].more_pairs == more


def test_an_unsure_mean_takes_as_many_as_its_spread_and_its_room_say() -> None:
    samples = [pair(n, 0.5 * (-1) ** n) for n in range(120)]
    one = found(CANARY, samples=samples)["lookup"]
    assert one.spread == pytest.approx(0.5)
    assert one.evidence.quality.low < -0.1 < one.evidence.quality.value
    # To a tenth off with a deviation of a half, at three deviations: about 225 in all.
    assert one.more_pairs == pytest.approx(225 - 120, abs=10)


def test_a_kind_that_is_not_under_way_bears_no_bill_and_saves_nothing() -> None:
    back = [*CANARY, transition(3, to="rolled_back", share=0.0, at=AT + 400)]
    tasks = [came(n, "treated" if n % 2 else "waiting") for n in range(200)]
    one = found(back, tasks=tasks)["lookup"]
    assert (one.machine_nano_usd, one.evidence.saving) == (None, None)
    assert one.displaced is not None


def test_kinds_under_way_share_the_bill_by_the_seconds_they_would_take() -> None:
    moves = [*CANARY, *(replace(move, kind="routine_code") for move in CANARY)]
    tasks = [came(n, "treated", seconds=1.0) for n in range(100)]
    tasks += [came(n, "treated", "routine_code", seconds=6.0) for n in range(50)]
    named = [replace(task("n", at=AT + 50, seconds=100.0), route="local")]
    spent = Span(
        lease_id="a", seq=0, state="running", since_ns=round(AT * 1e9), until_ns=None,
        accrued_ns=round((AT + HOUR) * 1e9), hourly_nano_usd=500, nano_usd=500, month="2026-11",
        reason="",
    )  # fmt: skip
    there = found(moves, tasks=tasks + named, spans=[spent])
    parts = [there[kind].machine_nano_usd for kind in ("lookup", "routine_code")]
    # Of 500 seconds 100, 300 and 100, told by the day and taken for a month.
    assert parts == pytest.approx([500 * 30 / 5, 500 * 30 * 3 / 5])
