from collections import Counter
from datetime import UTC, datetime

from fakes.taught import task

from examples.quarter.world import LOCAL_MODEL, SHARES, World, month_of_asks
from router.classify import classify
from tercet.ledger import month_end

START = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
ASKS = month_of_asks(World(seed=1, requests=400), START)


def test_a_seed_is_a_month_and_another_seed_another() -> None:
    assert month_of_asks(World(seed=1, requests=400), START) == ASKS
    assert month_of_asks(World(seed=2, requests=400), START) != ASKS


def test_it_has_the_requests_that_are_wanted_within_the_month_in_order() -> None:
    times = [ask.at for ask in ASKS]
    assert len(times) == 400
    assert times == sorted(times)
    assert times[0] >= START
    assert times[-1] < month_end(START)


def test_work_comes_in_the_shares_it_says() -> None:
    kinds = Counter(ask.kind for ask in ASKS)
    assert all(abs(kinds[kind] / 400 - share) < 0.1 for kind, share in SHARES.items())


def test_the_local_model_is_wrong_at_lookups_far_more_often() -> None:
    wrong = Counter(ask.kind for ask in ASKS if f"sim:wrong@{LOCAL_MODEL}" in ask.text)
    kinds = Counter(ask.kind for ask in ASKS)
    assert wrong["routine_code"] / kinds["routine_code"] < 0.08
    assert wrong["lookup"] / kinds["lookup"] > 0.3


def test_the_classifier_finds_the_kind_that_a_request_was_made_as() -> None:
    found = [classify(task(ask.text)).kind == ask.kind for ask in ASKS[::4]]
    assert sum(found) >= 0.9 * len(found)
