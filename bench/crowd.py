"""The same work in several processes, which begin together."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

PROCESSES = 4
TOGETHER_WITHIN_S = 60.0

Together = Callable[[], int]
"""Waits until every process has come so far."""
T = TypeVar("T")


def in_processes(work: Callable[[int, Together], T]) -> list[T]:
    """Return what each process returns; an exception in one is raised here."""
    forks = multiprocessing.get_context("forkserver")
    with forks.Manager() as manager, ProcessPoolExecutor(PROCESSES, mp_context=forks) as pool:
        together = manager.Barrier(PROCESSES, timeout=TOGETHER_WITHIN_S).wait
        jobs = [pool.submit(work, number, together) for number in range(PROCESSES)]
        return [job.result() for job in jobs]
