import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from fakes.script import Fails, Script, stage_of
from fakes.shadowed import (
    ARGON,
    CONFIG,
    FLASH,
    HAIKU,
    LOCAL_ARM,
    LOCAL_MODEL,
    NOW,
    OPUS,
    RULES,
    SAMPLING,
    TIER3_ARM,
    Rows,
    decision,
    held_out,
    profile,
    route,
    task,
    treated,
)

from router.choices import Choices
from router.shadowing.door import Door, Patience
from router.shadowing.runner import Means, Shadowing
from router.waking import Holding
from tercet.content import Controls, OutputFormat, Verbatim
from tercet.keys import Key
from tercet.readiness import Readiness
from tercet.route import Seat
from tercet.rules import Fleet
from tercet.task import turn

READY = Readiness(kind="ready", why="it runs")
ASLEEP = Readiness(kind="asleep", why="nobody has woken it")
A_WINS = '{"why": "x", "a": 1, "b": 0.5, "better": "A"}'
B_WINS = '{"why": "x", "a": 0.5, "b": 1, "better": "B"}'
SAME = '{"why": "x", "a": 1, "b": 1, "better": "same"}'
BOTH = Fleet(providers=frozenset({"anthropic", "google", "local"}))
LINES = {
    LOCAL_MODEL: ["Sydney is the capital."],
    HAIKU: ["The capital is Canberra."],
    FLASH: [A_WINS, B_WINS],
}
PATIENCE = Patience(wait_s=600.0, wake_at=1_000, wake_after_s=300.0)


@dataclass
class Site:
    """A replica's shadow runs, its books, and what its models were asked."""

    shadowing: Shadowing
    rows: Rows
    script: Script
    holding: Holding
    clock: list = field(default_factory=lambda: [NOW])

    def take(self, *givens) -> None:
        for given in givens:
            self.shadowing.answered(given.task, decision(given), given.answer, given.seconds)

    async def rest(self) -> None:
        """Wait until nothing is under way."""
        while jobs := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(jobs)

    @property
    def states(self) -> list:
        return [(row.state, row.reason) for row in self.rows.samples]


@asynccontextmanager
async def site(lines=None, call=None, readiness=READY, rules=RULES, spent=int, **reach):
    script = call or Script(LINES | (lines or {}))
    rows, holding, clock = Rows(), Holding(1, lambda: NOW), [NOW]
    holding.note(readiness)

    async def wake() -> None:
        holding.note(READY)

    async def sleep(_seconds: float) -> None:
        clock[0] += 1.0
        await asyncio.sleep(0)

    means = Means(
        sampling=replace(SAMPLING, rules=rules),
        stage=stage_of(script, lambda: clock[0]),
        records=rows,
        choices=Choices(
            catalog=CONFIG.catalog,
            rules=CONFIG.rules,
            budget=CONFIG.budget,
            **({"fleet": BOTH} | reach),
        ),
        taxonomy=CONFIG.taxonomy,
        run_s=300.0,
        spent=spent,
        door=Door(holding, wake, lambda: clock[0], PATIENCE, sleep),
    )
    shadowing = Shadowing(means)
    yield Site(shadowing, rows, script, holding, clock)
    await shadowing.close()


def played(*givens, **options) -> Site:
    async def main() -> Site:
        async with site(**options) as found:
            found.take(*givens)
            await found.rest()
        return found

    return asyncio.run(main())


def test_a_sample_is_chosen_then_judged_and_its_row_has_all_figures() -> None:
    found = played(held_out("It is Canberra, since 1913.", side="waiting"))
    assert found.states == [("chosen", None), ("judged", None)]
    row = found.rows.last
    assert (row.task_id, row.tested_arm, row.base_arm) == ("req_1", LOCAL_ARM, TIER3_ARM)
    assert (row.by, row.judge, row.is_consistent) == ("judge", FLASH, True)
    assert (row.base_quality, row.tested_quality) == (1.0, 0.5)
    assert (row.base_chars, row.tested_chars) == (27, 22)
    assert (row.base_nano_usd, row.tested_nano_usd, row.judge_nano_usd) == (0, 100, 200)
    assert (row.base_s, row.tested_s) == (2.0, 0.0)
    assert not any("anberra" in str(value) for value in (row, *found.rows.labels))


def test_the_local_model_is_asked_the_callers_task_on_the_evidences_account() -> None:
    verbatim = Verbatim(provider="anthropic", body=b"{}", headers={}, stream=True)
    asked = task(verbatim=verbatim, traceparent="00-1")
    found = played(held_out(asked=asked))
    call = found.script.calls[0]
    assert (call.task_id, call.key_id, call.role) == ("req_1.shadow", "evidence", "shadow")
    assert (call.tier, call.model, call.alternates) == ("local", LOCAL_MODEL, ())
    assert call.prompt.messages == (turn("user", "Which clause speaks of notice?"),)
    assert (call.prompt.verbatim, call.prompt.traceparent) == (None, None)
    assert call.deadline_at == NOW + 299.5


def test_of_a_treated_task_the_api_is_asked_and_is_the_base() -> None:
    found = played(treated("It is Sydney, I believe."))
    row = found.rows.last
    assert (row.tested_arm, row.base_arm) == (LOCAL_ARM, "tier3(claude-haiku-5-5)")
    assert (row.base_quality, row.tested_quality) == (1.0, 0.5)
    assert (row.base_chars, row.tested_chars, row.tested_s) == (24, 24, 3.0)
    assert [(c.model, c.role) for c in found.script.calls] == [
        (HAIKU, "shadow"), (FLASH, "judge"), (FLASH, "judge"),
    ]  # fmt: skip


def test_a_whole_composition_runs_off_the_path_with_its_own_prompts() -> None:
    pair = route(HAIKU, FLASH)
    given = treated("Both are wrong.")
    given = replace(given, route=replace(given.route, instead=pair))
    found = played(given, lines={FLASH: ["It is Canberra.", A_WINS, B_WINS]})
    assert [c.role for c in found.script.calls] == ["shadow", "shadow", "judge", "judge"]
    assert {c.task_id for c in found.script.calls} == {"req_1.shadow", "req_1.judge"}
    assert found.script.calls[0].prompt.system != ""
    assert found.rows.last.base_nano_usd == 200


def test_judged_qualities_become_labels_of_both_arms_in_pairs() -> None:
    found = played(held_out("It is Canberra, since 1913."))
    labels = found.rows.labels
    assert [(x.arm, x.quality, x.source, x.propensity) for x in labels] == [
        (TIER3_ARM, 1.0, "shadow", None), (LOCAL_ARM, 0.5, "shadow", None),
    ]  # fmt: skip
    assert [(x.task_id, x.kind, x.cost_nano_usd, x.seconds) for x in labels] == [
        ("req_1", "lookup", 0, 2.0), ("req_1", "lookup", 100, 0.0),
    ]  # fmt: skip


def test_agreement_is_a_difference_of_0_and_a_label_only_where_answers_are_of_closed_form() -> None:
    lines = {LOCAL_MODEL: ["391"]}
    asked = task("What is 17 * 23?")
    prose = played(held_out("It is 391.", asked=asked), lines=lines)
    maths = played(held_out("It is 391.", asked=asked, profile=profile("maths")), lines=lines)
    for found in (prose, maths):
        row = found.rows.last
        assert (row.state, row.by, row.judge, row.judge_nano_usd) == (
            "judged", "agreement", None, None,
        )  # fmt: skip
        assert (row.base_quality, row.tested_quality, row.is_consistent) == (1.0, 1.0, None)
    assert prose.rows.labels == []
    assert [x.quality for x in maths.rows.labels] == [1.0, 1.0]


def test_json_that_the_caller_asked_for_is_compared_as_json() -> None:
    asked = task(controls=Controls(output=OutputFormat()))
    found = played(
        held_out('{"a": 1, "b": 2}', asked=asked), lines={LOCAL_MODEL: ['{"b": 2.0, "a": 1}']}
    )
    assert found.rows.last.by == "agreement"
    assert len(found.rows.labels) == 2


@pytest.mark.parametrize(
    ("given", "lines", "reason"),
    [
        (held_out("x"), {LOCAL_MODEL: [Fails("unavailable")]}, "tested_failed"),
        (held_out("x"), {LOCAL_MODEL: [" "]}, "tested_failed"),
        (held_out(" "), {}, "base_failed"),
        (treated("x"), {HAIKU: [Fails("timeout")]}, "base_failed"),
        (treated("x"), {HAIKU: [Fails("over_budget")]}, "budget"),
        (held_out("x"), {FLASH: [Fails("over_budget")]}, "budget"),
        (held_out("x"), {FLASH: ["no verdict"]}, "judge_failed"),
        (held_out("x"), {FLASH: [Fails("unavailable")]}, "judge_failed"),
    ],
)
def test_what_cannot_be_compared_is_left_with_its_reason(given, lines, reason) -> None:
    found = played(given, lines=lines)
    assert found.states == [("chosen", None), ("left", reason)]
    row = found.rows.last
    assert (row.base_quality, row.tested_quality, row.by) == (None, None, None)
    assert found.rows.labels == []


def test_what_was_paid_for_a_sample_that_is_left_is_in_its_row() -> None:
    row = played(held_out("x"), lines={FLASH: ["no verdict"]}).rows.last
    assert (row.tested_nano_usd, row.judge_nano_usd, row.judge) == (100, 200, FLASH)


@pytest.mark.parametrize(
    ("given", "states"),
    [
        (held_out(), [("left", "budget")]),
        (held_out(state="canary", side="waiting"), [("left", "budget")]),
        (held_out(state="promoted"), [("chosen", None), ("judged", None)]),
        (treated(), [("chosen", None), ("judged", None)]),
    ],
    ids=["shadow", "canary", "promoted", "treated"],
)
def test_the_last_third_of_the_budget_is_kept_to_watch_what_callers_are_answered(
    given, states
) -> None:
    assert played(given, spent=lambda: 8_000_000_000).states == states
    assert played(given, spent=lambda: 7_900_000_000).states[-1] == ("judged", None)


def test_tools_are_left_at_once() -> None:
    found = played(held_out(asked=task(verbatim=Verbatim(
        provider="anthropic", body=b"{}", headers={}, stream=True, is_needed=True,
    ))))  # fmt: skip
    assert found.states == [("left", "unfit")]
    assert found.script.calls == []


def test_a_judge_without_a_key_leaves_everything_also_what_might_agree() -> None:
    found = played(
        held_out("Sydney"), treated("x"), fleet=Fleet(providers=frozenset({"anthropic", "local"}))
    )
    assert found.states == [("left", "judge_failed")] * 2
    assert found.script.calls == []


@pytest.mark.parametrize(
    ("kind", "reason", "seconds"),
    [("over_budget", "budget", 3_600), ("unavailable", "judge_failed", 300)],
)
def test_while_the_judge_cannot_be_asked_agreements_are_not_counted_either(
    kind, reason, seconds
) -> None:
    async def main() -> Site:
        async with site({FLASH: [Fails(kind), A_WINS, B_WINS]}) as found:
            found.take(held_out("x"))
            await found.rest()
            asked = len(found.script.calls)
            found.clock[0] += seconds - 1
            found.take(held_out("Sydney is the capital."))
            await found.rest()
            assert len(found.script.calls) == asked
            found.clock[0] += 1
            found.take(held_out("Sydney is the capital."))
            await found.rest()
        return found

    found = asyncio.run(main())
    assert found.states == [
        ("chosen", None), ("left", reason), ("left", reason), ("chosen", None), ("judged", None),
    ]  # fmt: skip


def test_a_sleeping_model_is_waited_for_as_long_as_patience_says() -> None:
    started = played(held_out("x"), readiness=Readiness(kind="warming", since=NOW, why="it loads"))
    assert started.states == [("chosen", None), ("left", "asleep")]
    assert started.clock[0] == NOW + 600
    assert started.script.calls == []


def test_one_that_has_waited_long_has_it_woken() -> None:
    found = played(held_out("x"), readiness=ASLEEP)
    assert found.states[-1] == ("judged", None)
    assert found.clock[0] == NOW + 301


def test_the_api_is_not_kept_waiting_by_a_model_that_sleeps() -> None:
    found = played(treated("x"), readiness=ASLEEP)
    assert (found.states[-1], found.clock[0]) == (("judged", None), NOW)


class Stuck:
    """A model that answers when it is let."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.script = Script(LINES)
        self.now = self.most = 0

    @property
    def calls(self) -> list:
        return self.script.calls

    async def __call__(self, call, /):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
            async for item in self.script(call):
                yield item
        finally:
            self.now -= 1


def test_few_are_compared_at_once_a_hundred_wait_and_the_rest_is_left() -> None:
    async def main():
        stuck = Stuck()
        async with site(call=stuck) as found:
            found.take(*(held_out(asked=task(id=f"req_{n}")) for n in range(103)))
            full = [row.task_id for row in found.rows.samples]
            assert full == []  # nothing was waited for
            for _ in range(5):
                await asyncio.sleep(0)
            assert stuck.now == 2
            stuck.go.set()
            await found.rest()
        return found, stuck

    found, stuck = asyncio.run(main())
    assert stuck.most == 2
    ends = {row.task_id: (row.state, row.reason) for row in found.rows.samples}
    assert [name for name, end in ends.items() if end == ("left", "full")] == [
        "req_100", "req_101", "req_102",
    ]  # fmt: skip
    assert len(ends) == 103
    assert {end for name, end in ends.items() if name not in ("req_100", "req_101", "req_102")} == {
        ("judged", None)
    }


def test_what_is_under_way_at_the_end_is_left_and_said_so() -> None:
    async def main():
        async with site(call=Stuck()) as found:
            found.take(*(held_out(asked=task(id=f"req_{n}")) for n in range(3)))
            for _ in range(5):
                await asyncio.sleep(0)
        return found

    found = asyncio.run(main())
    assert found.states == [("chosen", None)] * 3 + [("left", "ended")] * 3


def test_at_the_end_what_never_began_is_left_too() -> None:
    async def main():
        async with site(call=Stuck()) as found:
            found.take(held_out())
        return found

    assert asyncio.run(main()).states == [("chosen", None), ("left", "ended")]


def test_a_bug_leaves_its_sample_chosen_and_the_others_alone(caplog) -> None:
    class Broken:
        def __init__(self) -> None:
            self.script = Script(LINES)
            self.calls = self.script.calls

        async def __call__(self, call, /):
            if call.task_id == "req_bug.shadow":
                raise ValueError("a bug")
            async for item in self.script(call):
                yield item

    found = played(held_out(asked=task(id="req_bug")), held_out(), call=Broken())
    ends = {row.task_id: row.state for row in found.rows.samples}
    assert ends == {"req_bug": "chosen", "req_1": "judged"}
    assert "sample lost" in caplog.text


def test_a_ledger_that_is_down_stops_nothing(caplog) -> None:
    async def main():
        async with site() as found:
            found.rows.down = True
            found.take(held_out())
            await found.rest()
        return found

    assert asyncio.run(main()).rows.samples == []
    assert "sample not recorded" in caplog.text


def test_seats_of_a_composition_are_judged_by_who_is_of_another_family_than_the_seat() -> None:
    rules = replace(RULES, shadow_share=0.0, composition_share=1.0)
    given = held_out("It is Melbourne.")
    found = played(
        given,
        rules=rules,
        lines={HAIKU: ["It is Canberra.", SAME], FLASH: ["It is Sydney.", A_WINS, B_WINS]},
    )
    ends = {row.tested_arm: row for row in found.rows.samples if row.state == "judged"}
    assert {arm: row.judge for arm, row in ends.items()} == {HAIKU: FLASH, FLASH: HAIKU}
    assert {row.base_arm for row in ends.values()} == {TIER3_ARM}
    assert {row.purpose for row in ends.values()} == {"composition"}
    assert found.rows.labels == []


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        ({}, "judged"),
        ({"tiers": frozenset({"local", "tier3"})}, "judged"),
        ({"tiers": frozenset({"local", "tier2"})}, "left"),
        ({"models": frozenset({HAIKU, LOCAL_MODEL})}, "left"),
        ({"models": frozenset({HAIKU, FLASH, LOCAL_MODEL})}, "judged"),
        ({"models": frozenset({HAIKU, FLASH})}, "left"),
    ],
)
def test_a_keys_texts_go_to_no_model_that_it_may_not_use(limits, state) -> None:
    keys = {"team": Key(id="team", sha256="", **limits)}
    found = played(held_out("It is Canberra, since 1913."), keys=keys)
    assert found.rows.last.state == state
    if state == "left":
        assert found.rows.last.reason == "unfit"
        assert found.script.calls == []


def test_a_judge_that_the_key_bars_is_not_asked_either_where_an_alternate_answered() -> None:
    keys = {"team": Key(id="team", sha256="", models=frozenset({FLASH, LOCAL_MODEL, ARGON}))}
    seat = Seat(role="single", tier="tier2", model=ARGON, alternates=(HAIKU,))
    given = treated("x")
    instead = replace(route(ARGON), seats=(seat,))
    rules = replace(RULES, judges={"google": FLASH, "anthropic": OPUS})
    given = replace(given, route=replace(given.route, instead=instead))
    found = played(given, keys=keys, rules=rules, lines={ARGON: [Fails("timeout")]})
    assert found.states[-1] == ("left", "judge_failed")
    assert [c.model for c in found.script.calls] == [ARGON, HAIKU]
