import json
from types import SimpleNamespace

from fakes.lessons_given import FLASH, HAIKU, KINDS, PAIR, task
from fakes.rows import AT

from router.learning.drift import Remedy
from router.refit.alarming import alarms_of
from router.refit.tasks import came
from tercet.migration import Assignment

REMEDY = Remedy(version="v0")
ROUTE = {
    "name": "tier3", "composition": "consensus", "seats": [{"model": HAIKU}, {"model": FLASH}],
}  # fmt: skip


def row(profile: object, routed: object, **changes: object) -> SimpleNamespace:
    fields = {
        "task_id": "t", "profile": json.dumps(profile), "route": json.dumps(routed),
        "outcome": "answered", "answer": '{"agreed_in_round": 1}', "opened_at_ns": round(AT * 1e9),
        "closed_at_ns": round(AT * 1e9) + 1_500_000_000,
        "nano_usd": 7,
    }  # fmt: skip
    return SimpleNamespace(**(fields | changes))


def test_a_tasks_row_tells_its_arm_and_whether_its_members_agreed_at_once() -> None:
    profile = {"kind": "maths", "size_tokens": 12}
    (found,) = came([row(profile, ROUTE)])
    assert (found.arm, found.kind, found.kinds) == (PAIR, "maths", {"maths": 1.0})
    assert (found.agrees, found.members, found.draw) == (True, (HAIKU, FLASH), None)
    (later,) = came([row(profile, ROUTE, answer='{"agreed_in_round": 2}')])
    assert later.agrees is False
    (failed,) = came([row(profile, ROUTE, outcome="failed")])
    assert failed.agrees is None


def test_the_arm_that_was_drawn_is_the_draws() -> None:
    draw = {
        "arm": FLASH, "propensities": {FLASH: 1.0}, "is_forced": False, "seed": 1,
        "extra_nano_usd": 0, "reason": "drawn",
    }  # fmt: skip
    route = {"name": "tier3", "composition": "single", "seats": [{"model": HAIKU}], "draw": draw}
    (found,) = came([row({"kind": "chat", "size_tokens": 1}, route)])
    assert found.arm == FLASH
    assert found.draw is not None
    assert found.draw.propensities == {FLASH: 1.0}


def test_a_tasks_row_tells_its_side_its_conversation_and_how_long_it_took() -> None:
    assignment = {
        "kind": "lookup", "state": "canary", "side": "treated", "propensity": 0.225,
        "conversation": "c1",
    }  # fmt: skip
    instead = {"name": FLASH, "composition": "single", "seats": [{"model": FLASH}]}
    route = {
        "name": "local", "composition": "single", "seats": [{"model": "qwen"}],
        "instead": instead, "assignment": assignment,
    }  # fmt: skip
    profile = {"kind": "lookup", "size_tokens": 12, "conversation": "c1"}
    said = '{"settled_by": "one seat", "changed_outcome": null}'
    (found,) = came([row(profile, route, answer=said)])
    assert found.assignment == Assignment(**assignment)
    assert (found.conversation, found.seconds) == ("c1", 1.5)
    assert (found.route, found.composition, found.models) == ("local", "single", ("qwen",))
    assert (found.settled_by, found.changed_outcome) == ("one seat", None)


def test_a_row_of_the_release_before_is_of_no_side_and_no_known_conversation() -> None:
    (found,) = came([row({"kind": "maths", "size_tokens": 12}, ROUTE, closed_at_ns=None)])
    assert (found.conversation, found.assignment, found.seconds) == (None, None, None)
    assert (found.route, found.composition, found.models) == ("tier3", "consensus", (HAIKU, FLASH))


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    (found,) = came([row({"kind": "maths", "size_tokens": 12}, ROUTE, closed_at_ns=7)])
    assert found.seconds == 0.0


def test_rows_of_another_release_are_left_out() -> None:
    assert list(came([row({}, {}), row("x", []), row({}, {}, route="not JSON")])) == []


def test_a_kind_whose_members_stop_agreeing_is_an_alarm() -> None:
    before = [task(f"a{n}", agrees=n % 5 > 0, at=AT - 9_000 + n) for n in range(200)]
    calm = [task(f"b{n}", agrees=n % 5 > 0, at=AT + n) for n in range(100)]
    wild = [task(f"c{n}", agrees=n % 5 == 0, at=AT + 200 + n) for n in range(100)]
    assert alarms_of([*before, *calm], KINDS, AT, REMEDY) == ()
    found = alarms_of([*before, *calm, *wild], KINDS, AT, REMEDY)
    assert [(alarm.what, alarm.kind) for alarm in found] == [("agreement", "summary")]
    assert "freeze the policy to version v0" in found[0].advice


def test_another_mix_of_kinds_is_an_alarm() -> None:
    before = [task(f"a{n}", ("chat", "maths")[n % 2], at=AT - 9_000 + n) for n in range(200)]
    after = [task(f"b{n}", "chat", at=AT + 1 + n) for n in range(100)]
    kinds = {alarm.kind for alarm in alarms_of([*before, *after], KINDS, AT, REMEDY)}
    assert kinds == {"chat", "maths"}


def test_without_tasks_nothing_drifts() -> None:
    assert alarms_of([], KINDS, AT, REMEDY) == ()
