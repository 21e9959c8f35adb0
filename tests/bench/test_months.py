"""A few months of `bench.months`: what comes out of them is known by what they were made of."""

import csv
from dataclasses import replace
from math import inf, isfinite

import numpy as np
import pytest

from bench.months.__main__ import month
from bench.months.course import Course
from bench.months.figures import falling, moving
from bench.months.scenario import GOOD, Scenario
from bench.months.workload import LENGTHS, SHARES, tenants
from bench.months.world import World, drawn
from bench.traffic import shipped
from tercet.config import load
from tercet.migration import Migration

RULES = load().migrations
WHOSE = tenants()
WORSE = GOOD.named("much worse", delta=-0.3)
FALLS = GOOD.named("falls", drop=0.4)
AT = 10 * 86_400.0
"""A look's moment, at which a window begins."""


def world(scenario: Scenario = GOOD, number: int = 3) -> World:
    return drawn(scenario, WHOSE[number], [1, number], RULES.salt)


def promoted(**rules: int) -> Course:
    """Return a month whose kind is promoted on the tenth day."""
    course = Course.of(world(), replace(RULES, **rules))
    course.go_on(AT, [standing("promoted", 1.0)])
    return course


def standing(state, share: float = 0.0) -> Migration:
    return Migration(kind="routine_code", state=state, share=share, since=AT, seq=1)


def test_the_same_number_is_the_same_month_again() -> None:
    one, again, other = (month(GOOD, number, RULES, WHOSE) for number in (1, 1, 2))
    assert one.money == again.money
    assert (one.promoted_day, one.rolled_back) == (again.promoted_day, again.rolled_back)
    assert one.money != other.money


def test_the_hash_of_the_product_gives_the_sides_that_the_shares_say() -> None:
    course = promoted()
    after = course.world.at >= AT
    assert not course.is_treated[~after].any()
    assert course.is_treated[after].mean() == pytest.approx(1 - RULES.hold_out, abs=0.03)
    assert set(course.propensities[after]) == {1 - RULES.hold_out}


def test_a_much_worse_model_is_never_promoted_and_goes_back_for_quality() -> None:
    notes = [month(WORSE, number, RULES, WHOSE) for number in range(4)]
    (line,) = moving([(WORSE, notes)])
    assert not any(note.is_promoted for note in notes)
    assert str(line["rolled back for quality"]).startswith("100.0%")
    assert line["median day"] == "-"


def test_of_a_good_one_the_intervals_hold_the_truth_and_the_money_its_cap() -> None:
    notes = [month(GOOD, number, RULES, WHOSE) for number in range(4)]
    for note in notes:
        (quality,) = note.qualities
        assert quality.is_bounded.any()
        assert quality.always
        assert note.money.evidence <= RULES.evidence_nano_usd / 1e9
    assert sum(isfinite(note.promoted_day) for note in notes) >= 3


def test_a_fall_is_found_soon_after_it_and_not_before() -> None:
    notes = [month(FALLS, number, RULES, WHOSE) for number in range(12)]
    found = sorted(note.found_after for note in notes if note.found_after is not None)
    assert found[0] > 0
    assert found[len(found) // 2] < 1_000
    (line,) = falling([(FALLS, notes)])
    assert line["months"] == len(found)


def test_a_suspected_kind_has_more_of_its_answers_compared_and_the_same_are_given() -> None:
    usual, close = (promoted(evidence_nano_usd=10**12) for _ in range(2))
    assert not close.go_on(AT, [standing("promoted", 1.0)], {0})
    assert np.array_equal(usual.is_local, close.is_local)
    soon = (usual.world.at >= AT) & (usual.world.at < AT + 86_400.0)
    before, after = (
        (one.is_pair & one.is_local & soon).sum() / (one.is_local & soon).sum()
        for one in (usual, close)
    )
    assert before == pytest.approx(RULES.watch_share, abs=0.02)
    assert after == pytest.approx(RULES.watch_closely_share, abs=0.1)


def test_what_only_shadows_leaves_a_third_of_the_money() -> None:
    course = Course.of(world(), replace(RULES, shadow_share=1.0, evidence_nano_usd=6 * 10**9))
    course.go_on(AT, [standing("shadow")])
    spent = course.evidence_nano_usd[course.is_pair].sum() / 1e9
    assert 3.5 < spent < 4.5
    course.go_on(AT + 15 * 86_400.0, [standing("promoted", 1.0)])
    assert 4.5 < course.evidence_nano_usd[course.is_pair].sum() / 1e9 <= 6.0


def test_the_price_of_before_is_told_by_its_level() -> None:
    assert world().price_levels is None
    dearer = world(GOOD.named("dearer", api_factor=2.0))
    levels = dearer.price_levels
    assert levels is not None
    assert set(levels) == {0.5, 1.0}
    assert levels[dearer.at < AT].max() == 0.5


def test_a_fall_that_nothing_could_find_is_infinitely_late() -> None:
    blind = replace(RULES, alarm=1e300, margin=0.5)
    note = month(FALLS, 0, blind, WHOSE)
    assert note.found_after in {None, inf}


def test_the_token_lengths_are_as_their_provenance_says() -> None:
    with LENGTHS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    clients = {row["client"] for row in rows}
    assert len(clients) == 24
    assert len(rows) == 48
    assert len(shipped()) == 32
    assert clients <= set(shipped())
    assert {row["field"] for row in rows} == {"input", "output"}
    for row in rows:
        quantiles = [int(row[f"q{share * 100:02.0f}"]) for share in SHARES]
        assert quantiles == sorted(quantiles)
        assert quantiles[0] > 0
