"""A quarter whose figures can be worked out by hand: see `fakes.reported`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.reported import DAY, HAIKU, LOCAL_MODEL, NOVEMBER, OCTOBER, SEPTEMBER, Books, month_2

from deployments.ledger.inspection import inspected
from router.report.making import WRITERS, Wanted, read
from router.report.report import Report, report
from tercet.config import load

Reported = Callable[..., Report]
MILLI = 1_000_000
FLASH = "gemini-3.8-flash"
PAIR = f"tier3({HAIKU}+{FLASH})"


def statuses(report: Report) -> list[str]:
    return [item.status for item in report.items]


def test_month_1_is_the_baseline_and_nothing_else_is_known(reported: Reported) -> None:
    report = reported("2026-09")
    assert (report.window.since, report.window.until) == (SEPTEMBER, OCTOBER)
    assert report.baseline.window == report.window
    assert report.baseline.cost.value == 300 * MILLI
    assert statuses(report) == [
        "met", "met", "not yet known", "not yet known", "not yet known", "met",
    ]  # fmt: skip
    assert not report.has_local
    assert report.saving.pays == "not yet known"
    assert (report.saving.eligible, report.saving.treated, report.saving.held_out) == (100, 0, 0)
    assert report.saving.reduction.value is None


def test_costs_are_by_kind_tier_and_model(reported: Reported) -> None:
    costs = reported("2026-09").baseline
    assert [(k.kind, k.tasks, k.cost.value, k.each.value) for k in costs.kinds] == [
        ("bug_fix", 20, 200 * MILLI, 10 * MILLI),
        ("lookup", 100, 100 * MILLI, MILLI),
    ]
    assert [(h.kind, h.tier, h.model, h.tasks, round(h.share, 3)) for h in costs.handled] == [
        ("bug_fix", "tier2", "claude-sonnet-5-5", 20, 0.667),
        ("lookup", "tier3", "claude-haiku-5-5", 100, 0.333),
    ]
    assert [(h.kind, h.tier, h.model, h.cost.value, h.tasks) for h in costs.models] == [
        ("all", "tier2", "claude-sonnet-5-5", 200 * MILLI, 20),
        ("all", "tier3", "claude-haiku-5-5", 100 * MILLI, 100),
    ]
    assert [k.p95.value for k in costs.kinds] == [20.0, 2.0]
    assert [k.answered_by for k in costs.kinds] == [{"tier2": 20}, {"tier3": 100}]


def test_easy_patterns_are_ranked_and_name_tasks_not_texts(reported: Reported) -> None:
    (pattern,) = reported("2026-09").patterns
    # Fixing bugs is not among them: the plan has tier 2 do it.
    assert (pattern.kind, pattern.size, pattern.tasks) == ("lookup", "short", 100)
    assert pattern.each_nano_usd == MILLI
    assert pattern.local.source == "public results"
    assert pattern.local.quality.basis == "estimate"
    assert pattern.worth_nano_usd == 100 * MILLI * pattern.local.quality.value
    assert pattern.examples == ("req_00100", "req_00099", "req_00098")
    assert pattern.may_move


def test_month_2_saves_what_the_hold_out_shows_less_the_whole_machine(reported: Reported) -> None:
    saving = reported("2026-10").saving
    # 60 tasks that would have cost 1 milli-USD each; the machine ran 10 h for 1 milli-USD each.
    assert saving.displaced.value == pytest.approx(60 * MILLI)
    assert saving.bill.total == 10 * MILLI
    assert saving.bill.hours == pytest.approx(10)
    assert saving.net.value == pytest.approx(50 * MILLI)
    assert saving.net.low == pytest.approx(46.7 * MILLI, rel=0.01)
    assert saving.pays == "yes"
    # 40 were paid for and 60 were not: 50 of 100.
    assert saving.reduction.value == pytest.approx(0.50)
    assert saving.reduction.low == pytest.approx(0.483, abs=0.001)
    assert (saving.treated, saving.held_out) == (60, 40)
    assert saving.break_even.value == pytest.approx(10)
    # A tenth is held out: a ninth more would have been displaced.
    assert saving.hold_out_cost.value == pytest.approx(60 * MILLI / 9)


def test_pairs_say_how_good_the_local_model_is_beside_the_api(books: Books, made: Reported) -> None:
    # 30 answers that agree, whose level nobody has judged, and 30 judged a half worse.
    books.tasks(60, SEPTEMBER)
    books.samples(30, SEPTEMBER)
    books.samples(30, SEPTEMBER + 60, by="judge", judge="j", is_consistent=True, base_quality=0.75,
                  tested_quality=0.25)  # fmt: skip
    (pattern,) = made("2026-09").patterns
    assert pattern.local.source == "pairs: the API is 1"
    assert pattern.local.quality.value == pytest.approx(0.75)
    assert pattern.local.quality.many == 60


def test_the_plans_reduction_is_of_all_of_tier_3_not_of_what_may_move_alone(
    books: Books, made: Reported
) -> None:
    month_2(books)
    books.tasks(300, OCTOBER + 300)  # of tier 3, and not eligible
    report = made("2026-10")
    assert report.saving.reduction.value == pytest.approx(0.5)
    # 50 milli-USD of 400: the 100 that were eligible and 300 others.
    assert report.items[3].measure.value == pytest.approx(0.125)
    assert report.items[3].status == "not met"


def test_a_composition_that_does_not_pay_is_proposed_for_removal_in_lines_to_copy(
    books: Books, made: Reported
) -> None:
    for number in range(300):
        for arm, nano_usd, seconds in (
            (PAIR, 3 * MILLI, 2.0), (HAIKU, MILLI, 1.0), (FLASH, MILLI, 1.0),
            (f"{FLASH}*3", 3 * MILLI, 1.5),
        ):  # fmt: skip
            books.label(task_id=f"g{number}", group_id=f"g{number}", arm=arm, seconds=seconds,
                        quality=float(number % 2), cost_nano_usd=nano_usd)  # fmt: skip
    report = made("2026-09")
    (paying,) = report.compositions.paying
    assert (paying.composition, paying.verdict) == (PAIR, "does not pay")
    alone = next(one for one in report.compositions.compared if one.rival == HAIKU)
    assert (alone.extra_cost.value, alone.extra_seconds.value) == (2 * MILLI, 1.0)
    assert (alone.quality_per_usd, alone.quality_per_second) == (0.0, 0.0)
    lines = "  tier3:\n    composition: single\n    seats:\n"
    for form in ("markdown", "html"):
        assert lines in WRITERS[form](report)
    assert "\n      tier3:\n        composition: single\n" in WRITERS["text"](report)


def test_what_was_not_judged_of_compositions_is_counted_too(books: Books, made: Reported) -> None:
    books.samples(4, SEPTEMBER, purpose="composition", state="left", reason="unfit", by=None,
                  base_quality=None, tested_quality=None)  # fmt: skip
    report = made("2026-09")
    assert report.compositions.left == {"unfit": 4}
    said = " ".join(WRITERS["text"](report).split())
    assert "Chosen of traffic and not judged: 4 because tools, images, too long" in said


def test_prices_that_fell_are_told_to_the_saving(quarter: Path) -> None:
    with inspected(quarter) as found:
        given = read(found, load(), Wanted(ledger=quarter, month="2026-10"), NOVEMBER)
    fell = replace(given, price=lambda _model, _usage, at: 2 if at < OCTOBER + 14 * DAY else 1)
    # The rows cost as much after the prices fell as before, so they teach something else.
    assert report(given).saving.displaced.value == pytest.approx(60 * MILLI)
    assert report(fell).saving.displaced.value != pytest.approx(60 * MILLI, rel=0.05)


def test_month_2_meets_the_plans_reduction_and_has_the_local_model(reported: Reported) -> None:
    report = reported("2026-10")
    assert statuses(report) == ["met", "met", "met", "met", "not yet known", "met"]
    assert "rented at vast, 10.0 h paid" in report.items[2].says
    assert (report.baseline.window.since, report.baseline.window.until) == (SEPTEMBER, OCTOBER)


def test_month_2_shows_repricing_and_before_and_after_apart(reported: Reported) -> None:
    context = reported("2026-10").context
    (repriced,) = context.repriced
    assert (repriced.kind, repriced.attempts, repriced.model) == ("lookup", 60, "claude-haiku-5-5")
    assert repriced.cost.value == context.repriced_total.value > 0
    both = context.before_after
    assert both is not None
    # 40 of 100 cost a milli-USD each, and the machine a tenth of one a task.
    assert (both.before.value, both.after.value, both.kinds) == (MILLI, 0.5 * MILLI, 1)


def test_what_came_before_the_local_model_is_no_part_of_after(books: Books, made: Reported) -> None:
    books.tasks(28, SEPTEMBER)  # one a day, from the second on
    assert made("2026-09").context.before_after is None
    # From the fifteenth on another each day, which the local model answers.
    for day in range(14, 28):
        books.task(SEPTEMBER + day * DAY + 60, tier="local", provider="local", model=LOCAL_MODEL,
                   nano_usd=0)  # fmt: skip
    report = made("2026-09")
    both = report.context.before_after
    assert report.baseline.tasks == 13
    assert both is not None
    assert (both.before.value, both.after.value) == (MILLI, pytest.approx(15 / 29 * MILLI))


def test_a_baseline_that_is_all_of_the_period_is_told_once(books: Books, made: Reported) -> None:
    books.tasks(10, SEPTEMBER + 3 * DAY)
    said = WRITERS["text"](made("2026-09"))
    assert "Baseline: which model handled what" in said
    assert "This period" not in said


def test_month_2_has_pairs_and_what_was_left_out_of_them(reported: Reported) -> None:
    lookup = next(one for one in reported("2026-10").quality.kinds if one.kind == "lookup")
    assert (lookup.pairs, lookup.conversations, lookup.difference.value) == (100, 100, 0.0)
    assert lookup.finding == "not yet known"
    assert lookup.left == {"budget": 5}
    assert lookup.by == {"agreement": 100}
    assert (lookup.eligible, lookup.covered.value) == (100, 1.0)


def test_month_3_is_too_early_for_an_interval_and_says_so(reported: Reported) -> None:
    report = reported("2026-11")
    assert (report.window.since, report.window.until) == (NOVEMBER, NOVEMBER + 29 * 86_400)
    assert (report.saving.treated, report.saving.held_out) == (90, 10)
    assert report.saving.net.value == pytest.approx(90 * MILLI)
    assert report.saving.net.low is None
    assert report.saving.pays == "not yet known"


def test_month_3_is_tuned_and_forecast(reported: Reported) -> None:
    report = reported("2026-11")
    # The month is not over, so nothing of it can be met.
    assert statuses(report) == ["met", "met", "met", "not yet known", "met", "not yet known"]
    assert "which is under the target; models and rented machines" in report.items[5].says
    assert "v1, in force, a margin moved" in report.items[4].says
    ending = report.money.ending
    assert ending.basis == "forecast"
    assert ending.low is not None
    assert 10 * MILLI <= ending.low <= ending.value <= ending.high


def test_a_month_that_is_over_is_counted_from_models_and_machines(reported: Reported) -> None:
    money = reported("2026-10").money
    # 40 answers and 10 hours.
    assert (money.spent.value, money.ending.value) == (50 * MILLI, 50 * MILLI)
    assert money.ending.basis == "counted"
    assert money.levels[-1].nano_usd == 50 * MILLI
    assert money.target_nano_usd == 180_000_000_000


def test_the_board_has_every_state_with_its_time(reported: Reported) -> None:
    board = reported("2026-11").board
    assert [(m.kind, m.state) for m in board.kinds] == [
        ("routine_code", "baseline"), ("lookup", "promoted"),
    ]  # fmt: skip
    assert [(s.state, s.since, s.until) for s in board.stays["lookup"]] == [
        ("baseline", SEPTEMBER, OCTOBER),
        ("shadow", OCTOBER, OCTOBER + 60),
        ("canary", OCTOBER + 60, NOVEMBER + 1),
        ("promoted", NOVEMBER + 1, NOVEMBER + 29 * 86_400),
    ]
    assert board.moves[1].evidence == ("pairs: 120", "quality: 0 (-0.02 to 0.02)")


def test_a_month_knows_nothing_of_later_ones(reported: Reported) -> None:
    report = reported("2026-09")
    assert report.board.moves == ()
    assert report.honesty.attempts == 120
    assert [one.pairs for one in report.quality.kinds] == [0, 0]
    assert all(h.model != LOCAL_MODEL for h in report.costs.handled)


def test_what_the_look_was_grows_with_the_month(reported: Reported) -> None:
    looks = reported("2026-10").saving.looks
    assert len(looks) == 16  # every second day of 31, the last among them
    assert looks[-1].at == NOVEMBER
    assert looks[-1].net.value == pytest.approx(50 * MILLI)
    assert looks[0].net.low is None
