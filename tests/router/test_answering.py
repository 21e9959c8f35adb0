from dataclasses import replace

from fakes.script import Script, stage_of

from router.answering import Answering, Decision, opening
from router.choices import Choices
from router.policies import route_by_complexity
from tercet.config import load
from tercet.content import Controls, Text, Tool, ToolResult, ToolUse
from tercet.outlook import Outlook
from tercet.route import Refused
from tercet.rules import Fleet
from tercet.task import Message, Task, turn

CONFIG = load()
TASK = Task(
    id="req_1",
    key_id="default",
    model="tier3",
    messages=(turn("user", "hello"),),
    deadline_at=600.0,
)


def test_each_decision_reads_the_latest_outlook() -> None:
    normal = Outlook.normal()
    outlooks = iter([normal, replace(normal, step=4), replace(normal, step=6)])
    choices = Choices(
        catalog=CONFIG.catalog,
        rules=CONFIG.rules,
        budget=CONFIG.budget,
        fleet=Fleet(providers=frozenset({"anthropic"})),
    )
    answering = Answering(
        policy=route_by_complexity,
        choices=choices,
        stage=stage_of(Script({})),
        outlook=lambda: next(outlooks),
    )

    first, second, third = (answering.decide(TASK) for _ in range(3))

    assert isinstance(first, Decision)
    assert isinstance(second, Decision)
    assert [first.route.name, second.route.name] == ["tier3", "claude-haiku-5-5"]
    assert isinstance(third, Refused)


def test_a_loop_of_tools_is_judged_by_its_first_turn_at_every_turn() -> None:
    use = ToolUse(id="call_1", name="ls", arguments="{}")
    first = (turn("system", "You are an agent."), turn("user", "Design a ledger."))
    later = (
        *first,
        Message(speaker="assistant", parts=(Text("Let me look."), use)),
        Message(speaker="user", parts=(ToolResult(id="call_1", parts=(Text("a.txt"),)),)),
        turn("assistant", "Nothing there."),
        turn("user", "What is 2 + 2?"),
    )
    offered = replace(TASK, controls=Controls(tools=(Tool(name="ls"),)))

    assert opening(replace(offered, messages=first)).messages == first
    assert opening(replace(offered, messages=later)).messages == first
    assert opening(replace(TASK, messages=later)).messages == first
    talk = (*first, turn("assistant", "Done."), turn("user", "Thanks"))
    assert opening(replace(TASK, messages=talk)).messages == talk
