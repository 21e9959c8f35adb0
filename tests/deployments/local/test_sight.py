import pytest

from deployments.local.sight import Replica, Sight, readiness_of, start_of
from tercet.readiness import Readiness, Start

AT = 1_795_000_000.0


def replica(state: str, node: str | None = "10.0.0.1", id_: str = "r1") -> Replica:
    return Replica(id=id_, state=state, started_at=AT, node=node, actor=f"SERVE_REPLICA::{id_}")


def sight(*replicas: Replica, status: str = "HEALTHY") -> Sight:
    return Sight(status=status, message="", replicas=replicas)


@pytest.mark.parametrize(
    ("seen", "answering", "woken_at", "expected"),
    [
        (None, None, None, Readiness(kind="away", why="its application is not deployed")),
        (sight(), None, None, Readiness(kind="asleep", why="nobody has woken it")),
        (sight(), None, AT, Readiness(kind="asleep", since=AT, why="it was woken")),
        (
            sight(replica("STARTING", node=None), status="UPSCALING"),
            None,
            None,
            Readiness(
                kind="asleep", since=AT, why="it was woken, and its machine is not there yet"
            ),
        ),
        (
            sight(replica("STARTING"), status="UPSCALING"),
            None,
            None,
            Readiness(kind="warming", since=AT, why="it loads on 10.0.0.1"),
        ),
        (sight(replica("RUNNING")), "r1", None, Readiness(kind="ready", why="it runs on 10.0.0.1")),
        (
            sight(replica("RUNNING")),
            None,
            None,
            Readiness(kind="away", why="its replica does not answer"),
        ),
        (
            sight(replica("RUNNING", id_="r2")),
            "r1",
            None,
            Readiness(kind="away", why="its replica does not answer"),
        ),
        (
            sight(replica("STOPPING"), replica("STARTING", id_="r2")),
            "r1",
            None,
            Readiness(kind="warming", since=AT, why="it loads on 10.0.0.1"),
        ),
        (
            sight(replica("STOPPING")),
            "r1",
            None,
            Readiness(kind="asleep", why="nobody has woken it"),
        ),
        (
            sight(replica("STARTING"), status="UNHEALTHY"),
            None,
            None,
            Readiness(kind="away", why="it does not start; the Ray dashboard says why"),
        ),
        (
            sight(replica("RUNNING"), status="UNHEALTHY"),
            "r1",
            None,
            Readiness(kind="ready", why="it runs on 10.0.0.1"),
        ),
    ],
)
def test_what_is_seen_says_how_ready_it_is(seen, answering, woken_at, expected) -> None:
    assert readiness_of(seen, answering, woken_at) == expected


def test_what_the_replica_did_not_time_was_before_it_was_there() -> None:
    phases = {"import": 11.0, "engine": 46.0, "first token": 0.5}
    assert start_of(replica("RUNNING"), phases, AT + 62) == Start(
        at=AT,
        phases={"placed": 4.5, "import": 11.0, "engine": 46.0, "first token": 0.5},
        total_s=62.0,
        node="10.0.0.1",
    )


def test_a_clock_that_is_off_makes_no_phase_negative() -> None:
    start = start_of(replica("RUNNING"), {"import": 10.0}, AT + 4)
    assert (start.total_s, start.phases["placed"]) == (10.0, 0.0)
