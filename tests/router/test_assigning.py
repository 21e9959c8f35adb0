"""Which side of its kind's migration a task is on."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from fakes.migrations import EARLY, HELD_OUT, LATE, MIDDLE, RULES, migrations
from fakes.taught import CONFIG, NOW, choices, profile, task
from hypothesis import given
from hypothesis import strategies as st

from router.assigning import assigned, place_of, side_of, unassigned
from router.lessons import conversation_of
from router.waking import Held
from tercet.config import PROJECT
from tercet.content import Controls, Media, Text, Tool, Verbatim
from tercet.migration import Assignment
from tercet.task import Message, turn

LOOKUP = profile("lookup", is_routine=True)
CANARY = migrations("canary", 0.1)
READY = choices(local="ready", migrations=CANARY)


def side(text: str, seen=CANARY) -> tuple[str, float]:
    found = assigned(task(text), LOOKUP, replace(READY, migrations=seen))
    assert found is not None
    return found.side, found.propensity


def test_an_assignment_says_what_was_decided_by_chance_and_how_probable_it_was() -> None:
    assert assigned(task(EARLY), LOOKUP, READY) == Assignment(
        kind="lookup",
        state="canary",
        side="treated",
        propensity=pytest.approx(0.09),
        conversation=conversation_of(task(EARLY)),
    )


@pytest.mark.parametrize(
    ("seen", "sides", "propensity"),
    [
        (migrations("baseline"), ("held_out", "waiting", "waiting", "waiting"), 0.0),
        (migrations("shadow"), ("held_out", "waiting", "waiting", "waiting"), 0.0),
        (migrations("canary", 0.1), ("held_out", "treated", "waiting", "waiting"), 0.09),
        (migrations("canary", 0.25), ("held_out", "treated", "treated", "waiting"), 0.225),
        (migrations("promoted"), ("held_out", "treated", "treated", "treated"), 0.9),
        (migrations("rolled_back"), ("held_out", "waiting", "waiting", "waiting"), 0.0),
        (migrations("promoted", phase="baseline"), ("held_out", *["waiting"] * 3), 0.0),
        (migrations("promoted", hold_out=0.2), ("held_out", "held_out", "treated", "treated"), 0.8),
    ],
)
def test_the_state_of_the_kind_says_who_is_treated(seen, sides, propensity) -> None:
    found = [side(text, seen) for text in (HELD_OUT, EARLY, MIDDLE, LATE)]
    assert [one for one, _ in found] == list(sides)
    assert [one for _, one in found] == pytest.approx([propensity] * 4)


def test_a_kind_that_has_never_moved_is_in_baseline() -> None:
    found = assigned(task(EARLY), profile("routine_code", is_routine=True), READY)
    assert found is not None
    assert (found.state, found.side, found.propensity) == ("baseline", "waiting", 0.0)


def test_without_a_local_model_the_baseline_is_assigned_and_nobody_is_treated() -> None:
    for state in ("baseline", "promoted"):
        found = assigned(task(EARLY), LOOKUP, choices(migrations=migrations(state)))
        assert found is not None
        assert (found.state, found.side, found.propensity) == (state, "waiting", 0.0)
    found = assigned(task(HELD_OUT), LOOKUP, choices(migrations=migrations("baseline")))
    assert found is not None
    assert found.side == "held_out"


@pytest.mark.parametrize("readiness", ["ready", "warming", "asleep", "away"])
def test_how_ready_and_how_loaded_it_is_and_the_deadline_change_nothing(readiness) -> None:
    seen = choices(local=readiness, migrations=CANARY)
    assert seen.local is not None
    loaded = replace(seen, local=replace(seen.local, queue=Held(count=9, most=9)))
    hurried = task(EARLY, said={"deadline_s": 1.0, "batch": True}, deadline_at=NOW + 1)
    assert assigned(hurried, LOOKUP, loaded) == assigned(task(EARLY), LOOKUP, READY)


def test_a_conversation_stays_on_its_side_as_it_goes_on() -> None:
    later = task(messages=(turn("user", EARLY), turn("assistant", "It is"), turn("user", "Sure?")))
    assert assigned(later, LOOKUP, READY) == assigned(task(EARLY), LOOKUP, READY)


IMAGE = Message(speaker="user", parts=(Text(EARLY), Media(kind="image", mime="image/png")))
TOOLS = Controls(tools=(Tool(name="ls"),))
NEEDED = Verbatim(provider="anthropic", body=b"{}", headers={}, stream=False, is_needed=True)


@pytest.mark.parametrize(
    ("asked", "seen", "why"),
    [
        (task(EARLY, model="local"), LOOKUP, "the caller asked for local"),
        (task(EARLY, said={"tier": "tier1"}), LOOKUP, "the caller asked for tier1"),
        (task(EARLY, said={"strict": True}), LOOKUP, "the caller asked for every voice"),
        (
            task(EARLY, said={"requires_implementation": True}),
            LOOKUP,
            "the caller said that it is more than routine",
        ),
        (
            task(EARLY, said={"is_routine": False}),
            profile("lookup"),
            "the caller said that it is more than routine",
        ),
        (task(EARLY), profile("summary"), "summary is not among the kinds that may move"),
        (
            task(EARLY),
            replace(LOOKUP, is_critical=True),
            "design and critical work are never left to estimates",
        ),
        (
            task(EARLY),
            replace(LOOKUP, size_tokens=4_000),
            "about 4000 tokens are too many for tiny-llama's window of 4096",
        ),
        (task(EARLY, controls=TOOLS), LOOKUP, "tiny-llama calls no tools"),
        (task(messages=(IMAGE,)), LOOKUP, "tiny-llama reads text alone"),
    ],
)
def test_what_may_not_move_is_on_no_side_and_it_is_said_why(asked, seen, why) -> None:
    assert assigned(asked, seen, READY) is None
    assert unassigned(asked, seen, READY) == why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tiers": {"tier3"}}, "the key team may not use local"),
        ({"models": {"claude-haiku-5-5"}}, "the key team may not use local"),
        ({"tiers": {"local"}}, "the key team may use local alone"),
        ({"step": 4}, "step 4 of the budget"),
        (
            {"migrations": migrations("promoted", phase="ungated")},
            "the phase is `ungated`: nothing is assigned",
        ),
        ({"migrations": None}, "the phase is `ungated`: nothing is assigned"),
    ],
)
def test_what_key_budget_and_phase_do_not_allow_is_on_no_side(changes, why) -> None:
    seen = choices(local="ready", **({"migrations": CANARY} | changes))
    assert assigned(task(EARLY), LOOKUP, seen) is None
    assert unassigned(task(EARLY), LOOKUP, seen) == why


def test_a_key_that_may_use_local_and_another_is_on_a_side() -> None:
    seen = choices(local="ready", migrations=CANARY, tiers={"tier3", "local"})
    assert assigned(task(EARLY), LOOKUP, seen) is not None


@pytest.mark.parametrize(
    ("changes", "is_on_one"),
    [({}, True), ({"tiers": {"tier3"}}, False), ({"tiers": {"tier3", "local"}}, True)],
)
def test_the_baseline_has_those_alone_whose_key_will_allow_the_local_model(
    changes, is_on_one
) -> None:
    seen = choices(migrations=migrations("baseline"), **changes)
    assert (assigned(task(EARLY), LOOKUP, seen) is not None) == is_on_one


def test_the_baseline_has_text_of_any_length_and_neither_tools_nor_images() -> None:
    seen = choices(migrations=migrations("baseline"))
    assert assigned(task(EARLY), replace(LOOKUP, size_tokens=400_000), seen) is not None
    for asked in (
        task(EARLY, controls=TOOLS),
        task(messages=(IMAGE,)),
        task(EARLY, verbatim=NEEDED),
    ):
        assert assigned(asked, LOOKUP, seen) is None


def test_a_loop_of_tools_is_on_a_side_where_the_local_model_takes_tools() -> None:
    tiny = CONFIG.catalog.models | dict(READY.catalog.models)
    able = replace(tiny["tiny-llama"], takes=frozenset({"tools"}))
    catalog = replace(READY.catalog, models=tiny | {"tiny-llama": able})
    found = assigned(task(EARLY, controls=TOOLS), LOOKUP, replace(READY, catalog=catalog))
    assert found is not None
    assert found.side == "treated"


CONVERSATIONS = [f"conversation {n}" for n in range(100_000)]
SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)


def sides_at(share: float, salt: str = "tercet") -> list[str]:
    rules = replace(RULES, salt=salt)
    return [side_of(conversation, share, rules) for conversation in CONVERSATIONS]


def test_places_are_spread_evenly() -> None:
    tenths = Counter(int(place_of(one, "tercet") * 10) for one in CONVERSATIONS)
    # 10,000 each, with a standard deviation of 95.
    assert sorted(tenths) == list(range(10))
    assert all(abs(count - 10_000) < 400 for count in tenths.values())


def test_as_the_share_grows_sides_only_move_from_waiting_to_treated() -> None:
    before = sides_at(0.0)
    assert abs(before.count("held_out") - 10_000) < 400
    assert "treated" not in before
    for share in SHARES[1:]:
        after = sides_at(share)
        moves = {(was, now) for was, now in zip(before, after, strict=True) if was != now}
        assert moves == {("waiting", "treated")}
        assert abs(after.count("treated") - 90_000 * share) < 600
        before = after
    assert "waiting" not in before


def test_another_salt_assigns_anew() -> None:
    pairs = Counter(zip(sides_at(0.0), sides_at(0.0, "another"), strict=True))
    assert abs(pairs["held_out", "held_out"] - 1_000) < 130


@pytest.mark.parametrize("share", SHARES)
def test_who_is_held_out_is_the_same_for_every_kind_and_share(share) -> None:
    asked = [task(f"Which year is it? {n}") for n in range(1_000)]
    later = replace(READY, migrations=migrations("canary", share))
    first = [assigned(one, profile("routine_code", is_routine=True), READY) for one in asked]
    then = [assigned(one, LOOKUP, later) for one in asked]
    held_out = [bool(one and one.side == "held_out") for one in first]
    assert held_out == [bool(one and one.side == "held_out") for one in then]
    assert 70 < sum(held_out) < 130
    assert {one.propensity for one in then if one} == {0.9 * share}


@given(
    conversation=st.text(),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    hold_out=st.floats(0.01, 0.5),
)
def test_whoever_is_treated_stays_treated_at_a_larger_share(conversation, shares, hold_out) -> None:
    rules = replace(RULES, hold_out=hold_out)
    sides = tuple(side_of(conversation, share, rules) for share in shares)
    assert sides in {
        ("held_out", "held_out"), ("treated", "treated"), ("waiting", "waiting"),
        ("waiting", "treated"),
    }  # fmt: skip


def test_another_process_has_the_same_places() -> None:
    code = "from router.assigning import place_of; print(place_of('c', 'tercet'))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{place_of('c', 'tercet')}\n"}
