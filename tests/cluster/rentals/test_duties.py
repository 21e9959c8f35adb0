from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fakes.renting import rules
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.rentals.duties import Destroy, Duty, End, See, Stop, View, duties
from tercet.leases import Lease, hourly, span_state
from tercet.rental_rules import RentalRules
from tercet.renting import Instance

NOW = 1_000_000.0
RULES = rules()
PRICES = {"requested": 0, "running": 220, "loading": 20, "stopped": 20, "failed": 20}


def lease(lease_id: str = "a", age_s: float = 5_000.0, state: str = "running", **changes: Any):
    fields: dict[str, Any] = {
        "lease_id": lease_id,
        "provider": "vast",
        "instance_id": None if state == "requested" else f"i-{lease_id}",
        "gpu": "RTX 3090",
        "state": state,
        "since": NOW - age_s,
        "rate_nano_usd": PRICES[state],
        "hourly_nano_usd": 220,
        "stopped_hourly_nano_usd": 20,
        "interruptible": True,
        "runs": 1,
        "opened_at": NOW - age_s,
        "ended_at": None,
        "end": None,
        "spent_nano_usd": 0,
        "held_nano_usd": 0,
    }
    return Lease(**(fields | changes))


def instance(lease_id: str = "a", state: str = "running", **changes: Any) -> Instance:
    fields: dict[str, Any] = {
        "provider": "vast",
        "instance_id": f"i-{lease_id}",
        "label": lease_id,
        "state": state,
        "gpu": "RTX 3090",
        "hourly_nano_usd": 220,
        "stopped_hourly_nano_usd": 20,
        "interruptible": True,
    }
    return Instance(**(fields | changes))


def due(
    leases: Sequence[Lease],
    instances: Sequence[Instance],
    *wanted: str,
    rules: RentalRules = RULES,
    **changes: Any,
) -> Sequence[Duty]:
    fields: dict[str, Any] = {
        "leases": leases,
        "instances": instances,
        "wanted": set(wanted),
        "silent_s": dict.fromkeys(wanted, 1.0),
        "refused": {},
        "now": NOW,
    }
    return duties(View(**(fields | changes)), rules)


def kinds(found: Sequence[Duty]) -> list[type]:
    return [type(duty) for duty in found]


def test_a_wanted_machine_that_runs_and_is_heard_is_left_alone() -> None:
    assert due([lease()], [instance()], "a") == []


def test_one_that_is_kept_stopped_for_the_next_time_is_left_alone() -> None:
    assert due([lease(state="stopped")], [instance(state="stopped")]) == []


def test_one_that_is_not_wanted_is_stopped() -> None:
    [duty] = due([lease()], [instance()])
    assert duty == Stop(lease_id="a", instance=instance(), why="it is not wanted")


def test_one_that_loads_and_is_not_wanted_is_stopped_too() -> None:
    assert kinds(due([lease(state="loading")], [instance(state="loading")])) == [Stop]


def test_a_create_that_failed_and_made_it_all_the_same_is_seen_and_destroyed() -> None:
    [see, destroy] = due([lease(state="requested", age_s=5)], [instance(state="loading")])
    assert isinstance(see, See)
    assert isinstance(destroy, Destroy)
    assert not destroy.is_orphan


def test_a_create_under_way_is_waited_for_and_then_ended() -> None:
    assert due([lease(state="requested", age_s=299)], [], "a") == []
    [end] = due([lease(state="requested", age_s=301)], [], "a")
    assert end == End(lease_id="a", end="never_created", why="it never showed up")


def test_one_that_came_up_is_written_down_once() -> None:
    [see] = due([lease(state="loading", age_s=20)], [instance()], "a")
    assert isinstance(see, See)
    assert due([lease(age_s=20)], [instance()], "a") == []


def test_a_bid_that_was_raised_is_written_down() -> None:
    assert kinds(due([lease()], [instance(hourly_nano_usd=300)], "a")) == [See]


def test_an_outbid_one_is_written_down_and_not_left_to_come_back_by_itself() -> None:
    [see, stop] = due([lease()], [instance(state="outbid")], "a")
    assert isinstance(see, See)
    assert isinstance(stop, Stop)


def test_an_outbid_one_that_nobody_wants_is_stopped_though_it_does_not_run() -> None:
    assert kinds(due([lease(state="stopped")], [instance(state="outbid")])) == [Stop]


def test_one_stopped_by_its_watchdog_is_not_wanted_any_more() -> None:
    [see, stop] = due([lease()], [instance(state="stopped")], "a")
    assert isinstance(see, See)
    assert "stopped by itself" in stop.why


def test_one_that_is_gone_has_vanished_but_not_right_after_something_was_done() -> None:
    # A list may be older than a create or a start of another process.
    assert due([lease(state="loading", age_s=59)], [], "a") == []
    [end] = due([lease(age_s=61)], [], "a")
    assert (end.end, end.lease_id) == ("vanished", "a")


@pytest.mark.parametrize("state", ["loading", "running"])
def test_one_that_says_no_word_in_time_is_destroyed(state: str) -> None:
    asked = {"silent_s": {}}
    late, early = lease(state=state, age_s=901), lease(state=state, age_s=899)
    assert due([early], [instance(state=state)], "a", **asked) == []
    [duty] = due([late], [instance(state=state)], "a", **asked)
    assert isinstance(duty, Destroy)
    assert "said nothing in 901 s" in duty.why


def test_one_that_was_heard_and_is_silent_is_left_to_its_own_watchdog() -> None:
    assert due([lease()], [instance()], "a", silent_s={"a": 100_000.0}) == []


def test_a_start_may_take_its_time_to_have_an_effect() -> None:
    starting, stopped = lease(state="loading", age_s=59), instance(state="stopped")
    assert due([starting], [stopped], "a") == []
    [see, stop] = due([replace(starting, since=NOW - 61)], [stopped], "a")
    assert isinstance(see, See)
    assert isinstance(stop, Stop)


def test_one_that_will_never_run_is_destroyed_wanted_or_not() -> None:
    for wanted in ((), ("a",)):
        found = due([lease()], [instance(state="failed", detail="host offline")], *wanted)
        assert kinds(found) == [See, Destroy]
        assert "host offline" in found[1].why


def test_a_disk_is_destroyed_when_it_was_kept_too_long() -> None:
    stopped = instance(state="stopped")
    assert due([lease(state="stopped", age_s=9_999)], [stopped]) == []
    assert kinds(due([lease(state="stopped", age_s=10_001)], [stopped])) == [Destroy]


def test_an_instance_that_no_open_lease_is_of_is_destroyed() -> None:
    [duty] = due([], [instance("b")])
    assert duty == Destroy(
        lease_id="b",
        instance=instance("b"),
        why="the ledger expects no such instance",
        is_orphan=True,
    )


def test_of_two_instances_with_one_label_the_known_one_stays() -> None:
    twin = instance(instance_id="i-0")
    [duty] = due([lease()], [twin, instance()], "a")
    assert (duty.instance, duty.is_orphan) == (twin, True)


def test_of_two_before_either_is_known_one_becomes_the_leases() -> None:
    twins = [instance(instance_id="i-2"), instance(instance_id="i-1")]
    see, destroy = due([lease(state="requested", age_s=5)], twins, "a")
    assert (see.instance.instance_id, destroy.instance.instance_id) == ("i-1", "i-2")


@pytest.mark.parametrize("on_release", ["stop", "destroy"])
def test_a_cap_lets_a_wanted_machine_go(on_release: Any) -> None:
    rules = replace(RULES, on_release=on_release)
    [duty] = due([lease()], [instance()], "a", rules=rules, refused={"a": "12 h today"})
    assert isinstance(duty, Stop if on_release == "stop" else Destroy)
    assert duty.why == "12 h today"


def test_where_no_disk_is_kept_what_is_not_wanted_is_destroyed() -> None:
    rules = replace(RULES, on_release="destroy")
    assert kinds(due([lease()], [instance()], rules=rules)) == [Destroy]
    stopped = ([lease(state="stopped")], [instance(state="stopped")])
    assert kinds(due(*stopped, rules=rules)) == [Destroy]


IDS = st.sampled_from("abc")
AGES = st.floats(0, 20_000)
LEASES = st.lists(
    st.builds(lease, IDS, AGES, st.sampled_from(list(PRICES))), unique_by=lambda one: one.lease_id
)
INSTANCES = st.lists(
    st.builds(
        instance,
        st.sampled_from("abcd"),
        st.sampled_from(["loading", "running", "stopped", "outbid", "failed"]),
        instance_id=st.sampled_from(["i-a", "i-b", "i-c", "i-7", "i-8"]),
    ),
    unique_by=lambda one: one.instance_id,
)
KINDS = st.sampled_from(["stop", "destroy"])


@dataclass
class Cloud:
    """Does what is due, and forgets what is over."""

    leases: dict[str, Lease]
    instances: dict[str, Instance]
    now: float = NOW
    wanted: set[str] = field(default_factory=set)

    def step(self, rules: RentalRules, later_s: float) -> Sequence[Duty]:
        self.now += later_s
        found = due(list(self.leases.values()), list(self.instances.values()), *self.wanted,
                    rules=rules, now=self.now, silent_s={})  # fmt: skip
        for duty in found:
            self.do(duty)
        return found

    def do(self, duty: Duty) -> None:
        match duty:
            case See(lease_id=name, instance=one):
                self.leases[name] = replace(
                    self.leases[name], instance_id=one.instance_id, state=span_state(one),
                    since=self.now, rate_nano_usd=hourly(one),
                )  # fmt: skip
            case Stop(lease_id=name, instance=one):
                self.instances[one.instance_id] = replace(one, state="stopped")
                self.wanted.discard(name)
            case Destroy(lease_id=name, instance=one):
                del self.instances[one.instance_id]
                if not duty.is_orphan:
                    del self.leases[name]
                    self.wanted.discard(name)
            case End(lease_id=name):
                del self.leases[name]
                self.wanted.discard(name)


def bills_a_card(one: Instance) -> bool:
    return one.state not in ("stopped", "failed")


@settings(max_examples=60)
@given(LEASES, INSTANCES, st.sets(IDS), KINDS)
def test_every_instance_is_told_to_go_at_most_once_and_strangers_always_are(
    leases: list[Lease], instances: list[Instance], wanted: set[str], on_release: Any
) -> None:
    rules = replace(RULES, on_release=on_release)
    found = due(leases, instances, *wanted, rules=rules)
    gone = [duty.instance.instance_id for duty in found if isinstance(duty, Stop | Destroy)]
    assert len(gone) == len(set(gone))
    known = {one.lease_id for one in leases}
    assert {one.instance_id for one in instances if one.label not in known} <= set(gone)
    assert {one.instance_id for one in instances if bills_a_card(one)} <= {
        *gone,
        *(one.instance_id for one in instances if one.label in wanted),
    }


@settings(max_examples=60)
@given(LEASES, INSTANCES, st.sets(IDS), KINDS)
def test_whatever_there_is_nothing_that_nobody_wants_goes_on_billing(
    leases: list[Lease], instances: list[Instance], wanted: set[str], on_release: Any
) -> None:
    rules = replace(RULES, on_release=on_release)
    cloud = Cloud(
        {one.lease_id: one for one in leases},
        {one.instance_id: one for one in instances},
        wanted=wanted & {one.lease_id for one in leases},
    )
    cloud.step(rules, 0)
    for one in cloud.instances.values():
        assert not bills_a_card(one) or one.label in cloud.wanted
    # Nobody is ever heard: what is wanted goes too, and in the end the disks.
    for later_s in (10, 1_000, 10, 10, 11_000, 10):
        cloud.step(rules, later_s)
    assert cloud.instances == {}
    cloud.step(rules, 1_000)
    assert cloud.leases == {}
    assert cloud.step(rules, 1_000) == []
