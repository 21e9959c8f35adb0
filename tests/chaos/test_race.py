"""No schedule of concurrent requests spends past a cap; the naive design beside it does."""

import pytest
from fakes.postgres import why_not

from bench.places import postgres, sqlite
from bench.race import CheckThenCall, Reserving, raced

needs_postgres = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
SEEDS = 3


@pytest.mark.parametrize("place", [sqlite, pytest.param(postgres, marks=needs_postgres)])
def test_of_200_who_ask_at_once_the_five_are_let_in_for_whom_there_is_room(place) -> None:
    with place() as url:
        figures = raced(url, Reserving, SEEDS)

    assert figures["at_once"] == "5-5"
    assert figures["overspent_seeds"] == 0


def test_the_race_finds_out_a_design_that_checks_and_then_calls() -> None:
    with sqlite() as url:
        figures = raced(url, CheckThenCall, SEEDS)

    assert figures["overspent_seeds"] == SEEDS
