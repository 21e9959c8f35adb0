"""CPU time of one decision by a learned version, beside the floor of reading the text once.

    .venv/bin/python -m bench.decide [--save]

A decision is all that the ingress does before the first call: profile, plan, estimates with head
and residual, draw, route. The floor is what any router must do at least: lower-case the characters
that ours reads, and look up a table. Bars: up to 2,000 characters p50 under 500 µs and p99 under
2,000 (aim 1,000); 1 MB p99 under 5,000. Times grow with what else the machine does: the floor too.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from statistics import quantiles

import numpy as np

from router import prompts
from router.answering import Answering
from router.choices import Choices
from router.compositions.stage import Stage
from router.learned import route_as_learned
from router.learning.cold import arms_of_catalog
from router.learning.document import Policy, to_bytes
from router.learning.estimates import Estimates, Head, Residual, Table
from router.learning.features import BUCKETS
from router.lesson_feed import LessonFeed
from tercet.call import Call, Item
from tercet.config import Config, load, settings
from tercet.learning import PolicyVersion
from tercet.outlook import Outlook
from tercet.rules import Fleet
from tercet.task import Message, Task, turn

RUNS = 3_000
READ_CHARS = 2_000
NOW = 1_795_424_400.0
CASES = Path(__file__).parents[1] / "tests" / "router" / "classify_cases.jsonl"
CODE = "def f(x):\n    return x + 1  # adds one\n"
LONG = {
    "1 MB in one message": [
        turn("user", "Summarise this log. " + "INFO served in 12 ms\n" * 50_000)
    ],
    "1 MB in 2,000 messages": [
        turn(("user", "assistant")[at % 2], f"Step {at}: then shard the table. " + "so " * 160)
        for at in range(1_999)
    ],
    "1 MB of code in one message": [
        turn("user", f"Fix this bug, it crashes:\n```python\n{CODE * 26_000}```")
    ],
}


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", action="store_true", help="store a dated result")
    answering = learned(load(chosen=settings({"TERCET_LOCAL": "cpu"})))
    rows = {"labelled conversations": measured(labelled(), answering)}
    rows["2,000 characters each"] = measured(filled(), answering)
    rows |= {name: measured([messages], answering) for name, messages in LONG.items()}
    for name, row in rows.items():
        print(f"{name:<28}" + "  ".join(f"{key} {value:>7.1f}" for key, value in row.items()))
    if parser.parse_args().save:
        today = datetime.fromtimestamp(time.time(), UTC).date().isoformat()
        result = Path(__file__).parent / "results" / f"{today}-decide.json"
        stored = {"busy_processes": os.getloadavg()[0], "cores": os.cpu_count(), **rows}
        result.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def labelled() -> list[Sequence[Message]]:
    """Return the labelled conversations of the tests that have at most 2,000 characters."""
    lines = filter(None, CASES.read_text(encoding="utf-8").split("\n"))
    found = [
        [turn(said["speaker"], said["text"]) for said in json.loads(line)["messages"]]
        for line in lines
    ]
    return [messages for messages in found if sum(len(m.text) for m in messages) <= READ_CHARS]


def filled() -> list[Sequence[Message]]:
    """Return messages of 2,000 characters: the last of those, said again and again."""
    texts = (messages[-1].text for messages in labelled())
    return [[turn("user", (f"{text}\n\n" * READ_CHARS)[:READ_CHARS])] for text in texts]


def learned(config: Config) -> Answering:
    """Return who decides by a version with head and residual, as a replica reads one."""
    specs = arms_of_catalog(config.catalog, config.rules)
    document = to_bytes(made_up(config.taxonomy.names, tuple(spec.id for spec in specs)))
    feed = LessonFeed(Versions(document), config.learning, config.taxonomy, specs, lambda: 1)
    asyncio.run(feed.look())
    month = Outlook.normal(NOW)  # as a replica has it: read every few seconds, not for each task
    return Answering(
        policy=route_as_learned,
        choices=Choices(
            catalog=config.catalog,
            rules=config.rules,
            budget=config.budget,
            fleet=Fleet(providers=frozenset({"anthropic", "google", "local"})),
        ),
        stage=Stage(
            call=nobody,
            texts=prompts.load(),
            output=config.rules.output,
            now=lambda: NOW,
        ),
        outlook=lambda: month,
        taxonomy=config.taxonomy,
        learning=feed,
    )


def made_up(kinds: tuple[str, ...], arms: tuple[str, ...]) -> Policy:
    """Return a version whose every weight is set, as after many labels."""
    random = np.random.default_rng(1)
    size = (len(kinds), len(arms))
    return Policy(
        version="bench",
        estimates=Estimates(
            kinds=kinds,
            arms=arms,
            table=Table(
                quality=random.uniform(0.5, 0.9, size),
                labels=random.uniform(10, 200, size),
                cost_fixed=random.uniform(1e5, 1e7, size),
                cost_per_token=random.uniform(100, 4_000, size),
            ),
            idf=random.uniform(1, 9, BUCKETS).astype(np.float32),
            head=Head(
                weights=random.normal(0, 2, (BUCKETS, len(kinds))).astype(np.float32),
                bias=np.zeros(len(kinds), np.float32),
            ),
            residual=Residual(
                weights=random.normal(0, 0.1, (BUCKETS, len(arms))).astype(np.float32),
                bias=np.zeros(len(arms), np.float32),
                pays=np.ones(len(kinds), np.float32),
            ),
        ),
        quality_per_nano_usd=2e-9,
        margins={},
    )


class Versions:
    """A ledger in which one version is in force."""

    def __init__(self, document: bytes) -> None:
        """Take its document."""
        self._row = PolicyVersion(
            version="bench",
            made_at=NOW,
            state="in_force",
            share=1.0,
            document=document,
            summary="{}",
            why="a bench",
            changed_at=NOW,
        )

    async def policies_in_play(self) -> Sequence[PolicyVersion]:
        """Return it."""
        return (self._row,)

    async def policy(self, _: str, /) -> PolicyVersion | None:
        """Return it."""
        return self._row


async def nobody(_: Call, /) -> AsyncGenerator[Item, None]:
    """Ask nobody: decisions are made before the first call."""
    raise NotImplementedError
    yield


def measured(conversations: Sequence[Sequence[Message]], answering: Answering) -> dict[str, float]:
    """Return microseconds of CPU time: p50, p99, the floor's p50, and the ratio to it."""
    tasks = [
        Task(id="t", key_id="k", model="auto", messages=tuple(messages), deadline_at=NOW + 600)
        for messages in conversations
    ]
    runs = RUNS if len(tasks) > 1 else RUNS // 10
    ours, floor = timed(answering.decide, tasks, runs), timed(read_once, tasks, runs)
    return {
        "p50_us": ours[49],
        "p99_us": ours[98],
        "floor_p50_us": floor[49],
        "ratio_p50": ours[49] / max(floor[49], 0.1),
    }


def timed(run: Callable[[Task], object], tasks: Sequence[Task], runs: int) -> list[float]:
    """Return the 99 percentiles of the CPU time of `run`, in microseconds."""
    times: list[float] = []
    for _, task in zip(range(runs), cycle(tasks), strict=False):
        began = time.process_time_ns()
        run(task)
        times.append((time.process_time_ns() - began) / 1000)
    return quantiles(times, n=100)


def read_once(task: Task) -> str:
    """Do the least that reading a conversation takes."""
    size = sum(len(message.text) for message in task.messages)
    last = task.messages[-1].text[:READ_CHARS].lower()
    return "tier1" if size > READ_CHARS and "design" in last else "tier3"


if __name__ == "__main__":
    main()
