import pytest

from tercet.readiness import Readiness, ReadinessKind


@pytest.mark.parametrize(
    ("kind", "since", "is_starting"),
    [
        ("warming", 1_000.0, True),
        ("warming", None, True),
        ("asleep", 1_000.0, True),
        ("asleep", None, False),
        ("ready", None, False),
        ("away", None, False),
        ("away", 1_000.0, False),
    ],
)
def test_a_replica_is_starting_while_it_loads_or_once_it_was_woken(
    kind: ReadinessKind, since: float | None, is_starting: bool
) -> None:
    assert Readiness(kind=kind, since=since, why="seen").is_starting is is_starting
