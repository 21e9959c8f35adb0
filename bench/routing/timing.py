"""CPU time of routing one prompt, and what a fitted policy weighs."""

import pickle
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench.routing.dataset import Index, Questions, some
from bench.routing.policy import Fitted, Routes

PROMPT_CHARS = 2_000
WARM_UP = 50
LONG_CHARS = 1_000_000


def one_by_one(fitted: Fitted, asked: Questions, count: int) -> dict[str, float]:
    """Return milliseconds of CPU by prompt, p50 and p99, and of a prompt of 1 MB.

    On up to `count` prompts of at most 2,000 characters, after a warm-up on 50 others.
    """
    short = [i for i, prompt in enumerate(asked.prompts) if len(prompt) <= PROMPT_CHARS]
    if not short:
        short = list(range(len(asked)))
    for i in short[:WARM_UP]:
        _run(fitted, some(asked, _index(i)))()
    runs = [_run(fitted, some(asked, _index(i))) for i in (short[WARM_UP:] or short)[:count]]
    times = [_timed(run) for run in runs]
    text = (asked.prompts[short[0]] + "\n") * (LONG_CHARS // (len(asked.prompts[short[0]]) + 1) + 1)
    long = replace(some(asked, _index(short[0])), prompts=(text[:LONG_CHARS],))
    found = {
        "cpu_ms_p50": float(np.quantile(times, 0.5)),
        "cpu_ms_p99": float(np.quantile(times, 0.99)),
        "cpu_ms_1mb": min(_timed(_run(fitted, long)) for _ in range(2)),
    }
    return {name: round(value, 4) for name, value in found.items()}


def megabytes(fitted: Fitted) -> float | None:
    """Return the size of a fitted policy as it would be stored; None where it cannot be."""
    try:
        return round(len(pickle.dumps(fitted)) / 1e6, 3)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None


def _index(row: int) -> Index:
    return np.array([row], dtype=np.intp)


def _run(fitted: Fitted, asked: Questions) -> Callable[[], object]:
    if isinstance(fitted, Routes):
        return lambda: fitted.route(asked.prompts[0])
    return lambda: fitted.scores(asked)


def _timed(run: Callable[[], object]) -> float:
    began = time.process_time_ns()
    run()
    return (time.process_time_ns() - began) / 1e6
