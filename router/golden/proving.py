"""`tercet golden check`: that a suite can tell right from wrong, before anybody is asked."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from router.golden.checking import Workbench, check
from router.golden.suites import load_suites
from router.golden.tasks import GoldenTask, Rubric
from router.terminal.output import tell
from tercet.config import load

_AT_ONCE = 2


def prove(files: Sequence[Path], folder: Path | None, *, as_json: bool) -> int:
    """Check suites and every checker on its own answers; return 1 if one does not do its work.

    Raises:
        ConfigError: listing what is wrong with the files.
    """
    suites = load_suites(load(folder).taxonomy, files, folder)
    bench = Workbench()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(partial(problems_of, bench=bench), suites.tasks)
        problems = [problem for of_task in found for problem in of_task]
    tasks, pairs, sandbox = len(suites.tasks), len(suites.pairs), str(bench.isolation())
    count = f"{tasks} tasks and {pairs} pairs"
    lines = [*problems, f"{count}: {_said(problems)}", f"sandbox: {sandbox}"]
    document = {"tasks": tasks, "pairs": pairs, "problems": problems, "sandbox": sandbox}
    tell("".join(f"{line}\n" for line in lines), document, as_json=as_json)
    return 1 if problems else 0


def problems_of(task: GoldenTask, bench: Workbench) -> Sequence[str]:
    """Return where a checker takes its reference for wrong, or a wrong answer for right."""
    where = f"{task.suite}/{task.name}"
    if isinstance(task.checker, Rubric):
        return [f"{where}: it has one answer as right and wrong"] * (task.reference in task.wrong)
    found = check(task, task.reference, bench)
    problems = [] if found.passes else [f"{where}: the reference does not pass: {found.why}"]
    for number, answer in enumerate(task.wrong, 1):
        found = check(task, answer, bench)
        if found.passes is not False:
            problems.append(f"{where}: wrong answer {number} is not found wrong: {found.why}")
    return problems


def _said(problems: Sequence[str]) -> str:
    if problems:
        return f"{len(problems)} problems"
    return "every reference passes and every wrong answer fails (rubrics: only a judge can tell)"
