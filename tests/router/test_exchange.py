import asyncio
import json
from dataclasses import replace

import pytest
from fakes.script import Fails, Script, stage_of

from router.answering import Answering, Decision
from router.choices import Choices
from router.exchange import Exchange, Office, summary
from router.lessons import conversation_of
from router.policies import route_by_complexity
from tercet.answer import Answer, NoAnswer, Speaking
from tercet.config import load
from tercet.content import Text
from tercet.rules import Fleet
from tercet.task import Task, turn

CONFIG = load()
OPUS, ARGON = "claude-opus-5-5", "gemini-4-argon"


class Rows:
    """Keeps the rows it is given."""

    def __init__(self) -> None:
        self.opened = []
        self.closed = []

    def open_request(self, row) -> None:
        self.opened.append(row)

    def close_request(self, row) -> None:
        self.closed.append(row)


class Told:
    """A promise that notes how it was settled."""

    def __init__(self) -> None:
        self.endings = []

    async def settle(self, ending) -> None:
        self.endings.append(ending)


def task(model: str = OPUS) -> Task:
    asked = (turn("user", "What is 17 * 23?"),)
    return Task(id="req_1", key_id="k", model=model, messages=asked, deadline_at=600.0)


def office(call, rows) -> Office:
    fleet = Fleet(providers=frozenset({"anthropic", "google"}))
    choices = Choices(catalog=CONFIG.catalog, rules=CONFIG.rules, budget=CONFIG.budget, fleet=fleet)
    answering = Answering(policy=route_by_complexity, choices=choices, stage=stage_of(call))
    return Office(answering=answering, records=rows, clock=lambda: 7.0, jobs=set())


def started(call, rows) -> Exchange:
    desk = office(call, rows)
    decision: Decision = desk.answering.decide(task())
    return Exchange(task(), decision, desk)


def test_an_exchange_is_recorded_before_its_answer_is_handed_over() -> None:
    rows = Rows()

    async def scenario() -> Answer | NoAnswer:
        ending, _ = await started(Script({OPUS: ["It is 391."]}), rows).ending()
        assert len(rows.closed) == 1
        return ending

    ending = asyncio.run(scenario())

    assert ending.text == "It is 391."
    assert rows.opened[0].task_id == "req_1"
    assert json.loads(rows.opened[0].route)["name"] == OPUS
    assert json.loads(rows.opened[0].profile)["conversation"] == conversation_of(task())
    assert (rows.closed[0].outcome, rows.closed[0].at) == ("answered", 7.0)
    assert "391" not in rows.closed[0].answer


def test_how_an_answer_was_agreed_on_is_data_in_its_row() -> None:
    answer = Answer(
        parts=(Text("391"),),
        model=OPUS,
        finish="stop",
        steps=(),
        settled_by="agreement (number) in round 2",
        agreement="number",
        agreed_in_round=2,
        is_escalated=False,
    )

    told = summary(answer)

    assert (told["agreement"], told["agreed_in_round"], told["escalated"]) == ("number", 2, False)
    assert "391" not in json.dumps(told)


def test_events_come_in_order_and_end_with_the_answer() -> None:
    async def scenario() -> list[object]:
        exchange = started(Script({OPUS: ["391"]}), Rows())
        events = [await exchange.next()]
        while not isinstance(events[-1], Answer | NoAnswer):
            events.append(await exchange.next())
        return events

    events = asyncio.run(scenario())

    assert isinstance(events[0], Speaking)
    assert [type(event).__name__ for event in events] == ["Speaking", "Delta", "Answer"]


def test_failing_everywhere_is_recorded_as_failed() -> None:
    rows = Rows()

    async def scenario() -> Answer | NoAnswer:
        failing = Script({OPUS: [Fails("overloaded")], ARGON: [Fails("timeout")]})
        return (await started(failing, rows).ending())[0]

    assert isinstance(asyncio.run(scenario()), NoAnswer)
    assert rows.closed[0].outcome == "failed"
    assert [f["kind"] for f in json.loads(rows.closed[0].answer)["failures"]] == [
        "overloaded",
        "timeout",
    ]


def test_abandoning_stops_the_composition_and_is_recorded() -> None:
    rows = Rows()
    asked = asyncio.Event()

    async def never(_call):
        asked.set()
        await asyncio.Event().wait()
        yield

    async def scenario() -> None:
        desk = office(never, rows)
        exchange = Exchange(task(), desk.answering.decide(task()), desk)
        await asked.wait()
        exchange.abandon()
        await asyncio.wait(desk.jobs)

    asyncio.run(scenario())

    assert rows.closed[0].outcome == "abandoned"


def test_an_exchange_with_a_promise_goes_on_when_its_caller_leaves() -> None:
    rows, told = Rows(), Told()

    async def scenario() -> None:
        desk = office(Script({OPUS: ["391"]}), rows)
        decision = desk.answering.decide(task())
        exchange = Exchange(task(), decision, desk, (told.settle,), is_promised=True)
        exchange.abandon()
        await asyncio.wait(desk.jobs)

    asyncio.run(scenario())

    assert rows.closed[0].outcome == "answered"
    assert [ending.text for ending in told.endings] == ["391"]


def test_a_promise_is_settled_before_the_answer_is_handed_over() -> None:
    told = Told()

    async def scenario() -> None:
        desk = office(Script({OPUS: ["391"]}), Rows())
        exchange = Exchange(task(), desk.answering.decide(task()), desk, (told.settle,))
        ending, _ = await exchange.ending()
        assert told.endings == [ending]

    asyncio.run(scenario())


def test_who_leaves_while_it_ends_cuts_nothing_of_that_short() -> None:
    class Slow(Told):
        def __init__(self) -> None:
            super().__init__()
            self.is_ending, self.go_on = asyncio.Event(), asyncio.Event()

        async def settle(self, ending) -> None:
            self.is_ending.set()
            await self.go_on.wait()
            await super().settle(ending)

    async def scenario() -> tuple[Rows, Told]:
        rows, slow, told = Rows(), Slow(), Told()
        desk = office(Script({OPUS: ["It is 391."]}), rows)
        decision: Decision = desk.answering.decide(task())
        exchange = Exchange(task(), decision, desk, (slow.settle, told.settle))
        await slow.is_ending.wait()
        exchange.abandon()
        await asyncio.sleep(0)
        slow.go_on.set()
        while desk.jobs:
            await asyncio.wait(desk.jobs)
        return rows, told

    rows, told = asyncio.run(scenario())
    assert [row.outcome for row in rows.closed] == ["answered"]
    assert [type(ending) for ending in told.endings] == [Answer]


def test_a_promise_learns_of_a_bug_and_whoever_waits_does_too() -> None:
    told = Told()

    async def broken(_call):
        raise LookupError("a bug")
        yield

    async def scenario() -> None:
        desk = office(broken, Rows())
        await Exchange(task(), desk.answering.decide(task()), desk, (told.settle,)).ending()

    with pytest.raises(LookupError, match="a bug"):
        asyncio.run(scenario())
    assert told.endings == [None]


def test_a_bug_in_a_composition_reaches_whoever_waits() -> None:
    rows = Rows()

    async def broken(_call):
        raise LookupError("a bug")
        yield

    async def scenario() -> None:
        await started(broken, rows).ending()

    with pytest.raises(LookupError, match="a bug"):
        asyncio.run(scenario())
    assert rows.closed[0].outcome == "failed"


def looked_at(call, onlooker) -> Exchange:
    """Play one exchange to its end."""

    async def scenario() -> Exchange:
        desk = replace(office(call, Rows()), onlooker=onlooker)
        exchange = Exchange(task(), desk.answering.decide(task()), desk)
        await exchange.ending()
        await asyncio.wait(desk.jobs or {asyncio.create_task(asyncio.sleep(0))})
        return exchange

    return asyncio.run(scenario())


def test_an_onlooker_is_told_of_an_answer_and_how_long_it_took() -> None:
    told = []
    exchange = looked_at(Script({OPUS: ["391"]}), lambda *given: told.append(given))
    ((asked, decision, answer, seconds),) = told
    assert (asked, decision, answer.text, seconds) == (task(), exchange.decision, "391", 0.0)


def test_an_onlooker_is_not_told_where_there_is_no_answer() -> None:
    told = []
    failing = Script({OPUS: [Fails("overloaded")], ARGON: [Fails("timeout")]})
    looked_at(failing, lambda *given: told.append(given))
    assert told == []


def test_an_onlooker_that_fails_harms_nobody(caplog) -> None:
    def broken(*_given) -> None:
        raise ValueError("a bug")

    looked_at(Script({OPUS: ["391"]}), broken)
    assert "the onlooker failed" in caplog.text
