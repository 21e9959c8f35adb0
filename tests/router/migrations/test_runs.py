import pytest
from fakes.migrating import transition
from fakes.rows import AT

from router.migrations.runs import MONTH_S, Run, runs
from tercet.migration import Migration

DAY_S = 86_400.0


def test_a_kind_that_never_moved_is_in_baseline() -> None:
    found = runs(("lookup", "routine_code"), ())
    assert found["routine_code"] == Run(
        migration=Migration(kind="routine_code", state="baseline", share=0.0, since=0.0, seq=0),
        begun=None,
    )


def test_a_run_begins_with_the_shadow_and_goes_on_through_its_canaries() -> None:
    found = runs(("lookup",), [transition(1), transition(2), transition(3, share=0.25)])
    assert found["lookup"].begun == AT + 1
    assert found["lookup"].migration == Migration(
        kind="lookup", state="canary", share=0.25, since=AT + 3, seq=3
    )


def test_what_was_rolled_back_keeps_its_run_until_it_is_resumed() -> None:
    back = transition(3, to="rolled_back", share=0.0)
    resumed = transition(4, come_from="rolled_back", to="shadow", share=0.0)
    moves = [transition(1), transition(2), back, resumed]
    assert runs(("lookup",), moves[:3])["lookup"].begun == AT + 1
    assert runs(("lookup",), moves)["lookup"].begun == AT + 4


@pytest.mark.parametrize(
    ("come_from", "to", "begun"),
    [
        ("canary", "shadow", AT + 9),
        ("rolled_back", "promoted", AT + 9),
        ("canary", "promoted", AT + 1),
    ],
)
def test_an_operator_begins_a_run_by_shadow_or_after_a_rollback(
    come_from: str, to: str, begun: float
) -> None:
    moves = [transition(1), transition(9, come_from=come_from, to=to)]
    assert runs(("lookup",), moves)["lookup"].begun == begun


def test_a_promotion_without_a_shadow_begins_a_run() -> None:
    first = transition(1, to="promoted", share=1.0)
    assert runs(("lookup",), [first])["lookup"].begun == AT + 1


def test_kinds_that_have_moved_are_there_though_no_file_names_them() -> None:
    assert list(runs(("chat",), [transition(1)])) == ["chat", "lookup"]


@pytest.mark.parametrize(
    ("days", "counts_from"),
    [(0, 0), (29, 0), (30, 0), (59, 0), (60, 30), (89, 30), (90, 60), (300, 270)],
)
def test_tasks_count_from_the_runs_beginning_or_a_whole_month_back(
    days: int, counts_from: int
) -> None:
    run = runs(("lookup",), [transition(1, at=AT)])["lookup"]
    assert run.since(AT + days * DAY_S) == AT + counts_from * DAY_S


def test_without_a_run_two_months_count() -> None:
    assert runs(("lookup",), ())["lookup"].since(AT) == AT - 2 * MONTH_S
