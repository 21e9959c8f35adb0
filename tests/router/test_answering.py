from dataclasses import replace

from router.answering import Answering, Decision
from router.policies import Choices, route_by_complexity
from tercet.config import load
from tercet.outlook import Outlook
from tercet.route import Refused
from tercet.rules import Fleet
from tercet.task import Message, Task

CONFIG = load()
TASK = Task(
    id="req_1",
    key_id="default",
    model="tier3",
    messages=(Message(speaker="user", text="hello"),),
    deadline_at=600.0,
)


def test_each_decision_reads_the_latest_outlook() -> None:
    normal = Outlook.normal()
    outlooks = iter([normal, replace(normal, step=4), replace(normal, step=6)])
    choices = Choices(
        catalog=CONFIG.catalog,
        rules=CONFIG.rules,
        budget=CONFIG.budget,
        fleet=Fleet(providers=frozenset({"anthropic"}), local_available=False),
    )
    answering = Answering(
        policy=route_by_complexity, choices=choices, stage=None, outlook=lambda: next(outlooks)
    )

    first, second, third = (answering.decide(TASK) for _ in range(3))

    assert isinstance(first, Decision)
    assert isinstance(second, Decision)
    assert [first.route.name, second.route.name] == ["tier3", "claude-haiku-5-5"]
    assert isinstance(third, Refused)
