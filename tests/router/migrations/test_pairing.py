from math import inf, log

import pytest
from fakes.migrating import audit, sample
from fakes.rows import AT

from router.migrations.pairing import of_kind, pairs_of
from router.statistics.paired import paired_mean
from tercet.migration import JudgeAudit, Sample


def compared(count: int, difference: float = 0.0, **changes) -> list[Sample]:
    return [
        sample(f"t{n}", base_quality=0.5, tested_quality=0.5 + difference, at=AT + n, **changes)
        for n in range(count)
    ]


def audits(count: int, error: float) -> list[JudgeAudit]:
    return [audit(f"gold-{n}", judged=error, truth=0.0) for n in range(count)]


def test_a_conversation_counts_once_with_the_mean_of_its_pairs() -> None:
    found = pairs_of(
        [
            sample("a", conversation="one", base_quality=0.5, tested_quality=1.0, at=AT),
            sample("b", conversation="two", base_quality=0.5, tested_quality=0.25, at=AT + 1),
            sample("c", conversation="one", base_quality=1.0, tested_quality=0.5, at=AT + 2),
        ],
        (),
    )
    assert found.differences.tolist() == [0.0, -0.25]
    assert found.begun.tolist() == [AT, AT + 1]
    assert (found.fresh(AT), found.fresh(AT + 1), found.fresh(AT + 2)) == (2, 1, 0)


def test_what_was_not_compared_is_counted_by_its_reason() -> None:
    asked = {"by": None, "base_quality": None, "tested_quality": None}
    found = pairs_of(
        [
            sample("a"),
            sample("b", by="check"),
            sample("c", state="chosen", **asked),
            sample("d", state="left", reason="budget", **asked),
            sample("e", state="left", reason="tested_failed", **asked),
            sample("f", state="left", reason="budget", **asked),
        ],
        (),
    )
    assert len(found.differences) == 2
    assert found.by == {"judge": 1, "check": 1}
    assert found.left == {"budget": 2, "tested_failed": 1}


def test_without_a_pair_nothing_is_known() -> None:
    found = pairs_of((), ())
    quality = found.quality(0.05)
    assert (quality.low, quality.high, quality.groups) == (-inf, inf, 0)
    assert (found.alarm(0.05), found.spread, found.bias) == (0.0, 0.0, 0.0)


def test_what_judges_say_too_much_is_taken_off_by_their_audits() -> None:
    found = pairs_of(compared(200, -0.1), audits(200, -0.1))
    assert found.is_corrected
    quality = found.quality(0.05)
    assert quality.value == pytest.approx(0.0)
    plain = paired_mean(found.differences, 900)
    assert quality.high - quality.low > plain.high - plain.low
    # A judge that is hard on the local model raises no alarm by it.
    assert found.alarm(0.05) < 1
    assert pairs_of(compared(200, -0.1), ()).alarm(0.05) > log(2)


def test_only_opinions_are_corrected() -> None:
    half = compared(100, by="check", judge=None) + [
        sample(f"o{n}", base_quality=0.5, tested_quality=0.5, at=AT + 200 + n) for n in range(100)
    ]
    assert pairs_of(half, audits(50, 0.2)).quality(0.05).value == pytest.approx(-0.1)
    checked = pairs_of(compared(100, by="check", judge=None), audits(50, 0.2))
    assert not checked.is_corrected
    assert checked.quality(0.05).value == 0


@pytest.mark.parametrize(
    "heard",
    [
        audits(19, 0.2),
        [audit(f"gold-{n}", judge="another", judged=0.2, truth=0.0) for n in range(50)],
        [audit("gold-1", judged=0.2, truth=0.0, at=AT + n) for n in range(50)],
    ],
    ids=["too few", "of another judge", "of one item"],
)
def test_audits_that_say_too_little_correct_nothing(heard: list[JudgeAudit]) -> None:
    found = pairs_of(compared(100), heard)
    assert not found.is_corrected
    assert found.quality(0.05).value == 0


def test_of_an_item_asked_of_twice_the_last_answer_counts() -> None:
    again = [audit(f"gold-{n}", judged=0.4, truth=0.0, at=AT + 1) for n in range(30)]
    assert pairs_of(compared(50), [*audits(30, -0.4), *again]).bias == pytest.approx(0.4)


def test_a_loss_that_begins_late_is_found_though_the_mean_is_good() -> None:
    found = pairs_of(compared(500, 0.1) + [
        sample(f"late{n}", base_quality=1.0, tested_quality=0.5, at=AT + 600 + n)
        for n in range(30)
    ], ())  # fmt: skip
    assert found.quality(0.05).value > 0
    assert found.alarm(0.05) > log(200)


def test_only_a_migrations_pairs_of_the_kind_and_the_run_count() -> None:
    rows = [
        sample("a", at=AT - 1),
        sample("b", at=AT),
        sample("c", kind="chat"),
        sample("d", purpose="composition"),
    ]
    assert [row.task_id for row in of_kind(rows, "lookup", AT)] == ["b"]


def test_pairs_of_a_local_model_before_the_present_one_say_nothing() -> None:
    rows = [sample("a", tested_arm="local(old)"), sample("b"), sample("c", tested_arm="local(old)")]
    assert [row.task_id for row in of_kind(rows[:2], "lookup", AT)] == ["b"]
    assert [row.task_id for row in of_kind(rows, "lookup", AT)] == ["a", "c"]
    assert of_kind((), "lookup", AT) == []
