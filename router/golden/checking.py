"""Whether an answer to a golden task is right: by comparing, matching, validating or running it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from router.agreement.codeform import FENCE, code_in
from router.agreement.contracts import extract
from router.agreement.marking import unmarked
from router.agreement.wording import key_of
from router.golden import sandbox
from router.golden.sandbox import Isolation, Ran
from router.golden.tasks import (
    Case,
    Exact,
    GoldenTask,
    Number,
    Patterns,
    Rubric,
    Schema,
    UnitTests,
)
from router.golden.values import is_number, is_same, quantity_of

_PYTHON = frozenset({"", "py", "python", "python3"})
_READ_CHARS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a checker found."""

    passes: bool | None
    """`None`: it could not tell."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """What checkers need of the world."""

    run_code: Callable[[str, tuple[str, ...]], Ran] = sandbox.run_code
    matches: Callable[[str, str], bool | None] = sandbox.matches
    isolation: Callable[[], Isolation] = sandbox.isolation


def check(task: GoldenTask, answer: str, bench: Workbench) -> Checked:
    """Check an answer; of a rubric only a judge can tell."""
    said = unmarked(answer)[:_READ_CHARS]
    match task.checker:
        case Exact() as wanted:
            return _exact(wanted, said, task.question)
        case Number() as wanted:
            return _number(wanted, said, task.question)
        case Patterns() as wanted:
            return _patterns(wanted, said, bench)
        case Schema() as wanted:
            return _schema(wanted, said, task.question)
        case UnitTests() as wanted:
            return _unit_tests(wanted, said, bench)
        case Rubric():
            return Checked(passes=None, why="only a judge can tell")


def _exact(wanted: Exact, said: str, question: str) -> Checked:
    keys = {key_of(answer) for answer in wanted.answers}
    found = (said, extract("short", said, question), extract("choice", said, question))
    passes = any(key_of(one) in keys for one in found if one)
    return Checked(passes=passes, why=f"one of {', '.join(wanted.answers)}")


def _number(wanted: Number, said: str, question: str) -> Checked:
    value = quantity_of(wanted.value)
    passes = value is not None and is_number(said, question, value, wanted.within)
    return Checked(passes=passes, why=f"the number {wanted.value}")


def _patterns(wanted: Patterns, said: str, bench: Workbench) -> Checked:
    for patterns, is_wanted in ((wanted.has, True), (wanted.lacks, False)):
        for pattern in patterns:
            found = bench.matches(pattern, said)
            if found is None:
                return Checked(passes=None, why=f"{pattern!r} took too long")
            if found is not is_wanted:
                return Checked(passes=False, why=f"{'no' if is_wanted else 'has'} {pattern!r}")
    return Checked(passes=True, why="every pattern fits")


def _schema(wanted: Schema, said: str, question: str) -> Checked:
    document = extract("json", said, question)
    if document is None:
        return Checked(passes=False, why="no JSON document")
    # An empty registry: nothing that a schema refers to is fetched.
    validator: Any = Draft202012Validator(cast("Any", wanted.schema), registry=Registry())
    try:
        errors: Sequence[str] = [error.message for error in validator.iter_errors(_json(document))]
    except Unresolvable as error:
        return Checked(passes=None, why=f"the schema cannot be followed: {error}"[:200])
    except (ValueError, RecursionError):
        return Checked(passes=False, why="no JSON document")
    return Checked(passes=not errors, why=errors[0][:200] if errors else "fits its schema")


def _json(document: str) -> Any:  # noqa: ANN401  any JSON
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(document, parse_constant=refuse)


def _unit_tests(wanted: UnitTests, said: str, bench: Workbench) -> Checked:
    isolation = bench.isolation()
    if not isolation.is_whole:
        return Checked(passes=None, why=f"code is not run, the sandbox leaks: {isolation}")
    code = _code(said)
    if not code:
        return Checked(passes=False, why="no Python code")
    ran = bench.run_code(f"{wanted.before}\n{code}", tuple(case.run for case in wanted.cases))
    if ran.how == "timed_out":
        return Checked(passes=False, why="it took too long")
    # The sandbox knows no expected value: code cannot pass by guessing what is tested.
    results = cast("Sequence[object]", ran.value) if isinstance(ran.value, list) else ()
    if ran.how == "broke" or len(results) != len(wanted.cases):
        return Checked(passes=False, why="it broke off")
    for case, result in zip(wanted.cases, results, strict=True):
        if not _does(case, result):
            return Checked(passes=False, why=f"{case.run} gave {json.dumps(result)[:200]}")
    return Checked(passes=True, why=f"{len(wanted.cases)} cases of {len(wanted.cases)}")


def _does(case: Case, result: object) -> bool:
    if not isinstance(result, dict):
        return False
    came = cast("Mapping[str, object]", result)
    if case.raises is not None:
        return came.get("raises") == case.raises
    return "gives" in came and is_same(came["gives"], case.gives)


def _code(said: str) -> str:
    """Return the longest block of Python, or all of a text that is bare code."""
    blocks = [fence[3] for fence in FENCE.finditer(said) if fence[2].casefold() in _PYTHON]
    if blocks:
        return max(blocks, key=len)
    return (code_in(said) or ("", ""))[1]
