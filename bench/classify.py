"""CPU time of one classification, beside the floor of reading the same text once.

    .venv/bin/python bench/classify.py [--save]

The floor is what any classifier must do at least: take the length of every message and lower-case
the characters that ours reads. Bars: p99 under 2,000 µs up to 2,000 characters, and under 5,000 µs
for a megabyte and more.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from router.classify import classify
from tercet.task import Task, turn

RUNS = 1000
READ_CHARS = 8_000
CODE = "def f(x):\n    return x + 1  # adds one\n"
CONVERSATIONS = {
    "one line": ["What is 17 * 23?"],
    "4 kB": ["Fix this bug, it crashes:\n```python\n" + CODE * 100 + "```"],
    "2,000 characters": [
        "The service writes each order to the database and the worker reads it later. We should "
        "check what happens when the queue is full, because customers lost data last year.\n" * 12
    ],
    "1 MB, mixed": ["We design it, then the server fails. " * 27_000 + "\nWhat is it about?"],
    "1 MB of blocks": ["<doc>\nhello world\n</doc>\n" * 40_000 + "what is this?"],
    "8 MB in one message": ["Summarise this log. " + "INFO request served in 12 ms\n" * 280_000],
    "2,000 messages": ["Design a queue.", "Use a log.", "ok, go on", "Then shard it."] * 500,
}


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="store a dated result")
    rows = {name: measured(texts) for name, texts in CONVERSATIONS.items()}
    for name, row in rows.items():
        print(f"{name:<22}" + "  ".join(f"{key} {value:>7.1f}" for key, value in row.items()))
    if parser.parse_args().save:
        today = datetime.fromtimestamp(time.time(), UTC).date().isoformat()
        result = Path(__file__).parent / "results" / f"{today}-classify.json"
        result.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measured(texts: list[str]) -> dict[str, float]:
    """Return microseconds of CPU time: p50, p99, the floor's p50, and the ratio to it."""
    speakers = ("user", "assistant")
    messages = [turn(speakers[i % 2], text) for i, text in enumerate(texts)]
    if messages[-1].speaker == "assistant":
        messages.append(turn("user", "yes, do it"))
    task = Task(id="t", key_id="k", model="auto", messages=tuple(messages), deadline_at=0)
    ours, floor = timed(lambda: classify(task)), timed(lambda: read_once(task))
    return {
        "p50_us": ours[49],
        "p99_us": ours[98],
        "floor_p50_us": floor[49],
        "ratio_p50": ours[49] / max(floor[49], 0.1),
    }


def timed(run: Callable[[], object]) -> list[float]:
    """Return the 99 percentiles of the CPU time of `run`, in microseconds."""
    times: list[float] = []
    for _ in range(RUNS):
        began = time.process_time_ns()
        run()
        times.append((time.process_time_ns() - began) / 1000)
    return quantiles(times, n=100)


def read_once(task: Task) -> int:
    """Do the least that reading a conversation takes."""
    last = task.messages[-1].text[:READ_CHARS].lower()
    return sum(len(message.text) for message in task.messages) + len(last)


if __name__ == "__main__":
    main()
