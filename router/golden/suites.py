"""The reading of suites: YAML files of golden tasks and of pairs for the judge's audit."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, JsonValue, field_validator, model_validator

from router.golden.tasks import (
    Case,
    Checker,
    Exact,
    GoldenTask,
    GoldPair,
    Number,
    Patterns,
    Rubric,
    Schema,
    Suites,
    UnitTests,
)
from router.golden.values import quantity_of
from tercet.config_files import Strict, read
from tercet.environment import PROJECT
from tercet.errors import ConfigError
from tercet.task import TaskKind, turn
from tercet.taxonomy import Taxonomy

_CHECKERS = ("exact", "number", "patterns", "json_schema", "unit_tests", "rubric")
_HANGS = ("pattern", "patternProperties")
"""Words of JSON Schema that match regular expressions, here without a time limit."""

_Said = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]


class _MessageRow(Strict):
    role: Literal["system", "user", "assistant"]
    content: _Said


class _NumberRow(Strict):
    value: str
    within: float | None = Field(default=None, gt=0)

    @field_validator("value", mode="before")
    @classmethod
    def _one_number(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and quantity_of(value) is None:
            raise ValueError("write one number, with its unit if it has one, as '42 km'")
        return value


class _PatternsRow(Strict):
    has: list[_Said] = Field(min_length=1)
    lacks: list[_Said] = Field(default_factory=list[str])

    @model_validator(mode="after")
    def _compile(self) -> Self:
        for pattern in (*self.has, *self.lacks):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return self


class _CaseRow(Strict):
    run: _Said
    gives: JsonValue = None
    raises: str | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        if ("gives" in self.model_fields_set) == (self.raises is not None):
            raise ValueError("say what it gives, or what it raises")
        try:
            compile(self.run, "run", "eval")
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"run is no Python expression: {error}") from None
        return self


class _TestsRow(Strict):
    before: str = ""
    cases: list[_CaseRow] = Field(min_length=1)


class _TaskRow(Strict):
    id: _Name
    kind: TaskKind
    prompt: _Said | None = None
    messages: list[_MessageRow] | None = None
    max_output_tokens: int | None = Field(default=None, gt=0)
    exact: Annotated[list[_Said], Field(min_length=1)] | None = None
    number: _NumberRow | None = None
    patterns: _PatternsRow | None = None
    json_schema: dict[str, JsonValue] | None = None
    unit_tests: _TestsRow | None = None
    rubric: _Said | None = None
    reference: _Said
    wrong: list[_Said] = Field(min_length=1)

    @field_validator("json_schema")
    @classmethod
    def _is_schema(cls, schema: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if schema is not None:
            try:
                Draft202012Validator.check_schema(schema)
            except SchemaError as error:
                raise ValueError(f"is no JSON Schema: {error.message}") from None
            if found := sorted(set(_keys(schema)).intersection(_HANGS)):
                raise ValueError(f"has {found[0]}, which can hang; use const or enum")
        return schema

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give a prompt, or messages")
        if self.messages is not None and (not self.messages or self.messages[-1].role != "user"):
            raise ValueError("messages: the last has to be the user's")
        named = [name for name in _CHECKERS if getattr(self, name) is not None]
        if len(named) != 1:
            said = " and ".join(named) or "none"
            raise ValueError(f"has {said}; give one checker of {', '.join(_CHECKERS)}")
        return self


class _PairRow(Strict):
    id: _Name
    kind: TaskKind
    prompt: _Said
    first: _Said
    second: _Said
    truth: float = Field(ge=-1, le=1)
    trap: str | None = None


class SuiteFile(Strict):
    """A file of golden tasks, of pairs, or of both."""

    about: str = ""
    tasks: list[_TaskRow] = Field(default_factory=list[_TaskRow])
    pairs: list[_PairRow] = Field(default_factory=list[_PairRow])


def load_suites(
    taxonomy: Taxonomy, files: Sequence[Path] = (), folder: Path | None = None
) -> Suites:
    """Read suites.

    Args:
        taxonomy: the kinds there are.
        files: those to read; none: all of the folder.
        folder: of the configuration; the checkout's if left out.

    Raises:
        ConfigError: listing every problem with its file and task.
    """
    home = (folder or PROJECT / "config") / "golden"
    problems: list[str] = []
    tasks: list[GoldenTask] = []
    pairs: list[GoldPair] = []
    chosen = list(files) or sorted(home.glob("*.yaml"))
    if not chosen:
        raise ConfigError(f"there is no suite: {home} has no .yaml file; name one with --suite")
    problems += [f"{path}: another file is named {path.name} too" for path in _namesakes(chosen)]
    for path in chosen:
        file = read(path, SuiteFile, problems)
        if file is not None:
            problems += [f"{path}: {said}" for said in _cross_check(file, taxonomy)]
            tasks += [_task(path.stem, row) for row in file.tasks]
            pairs += [_pair(path.stem, row) for row in file.pairs]
    if problems:
        raise ConfigError("\n".join(problems))
    return Suites(tasks=tuple(tasks), pairs=tuple(pairs))


def _namesakes(files: Sequence[Path]) -> list[Path]:
    return [path for at, path in enumerate(files) if path.stem in {p.stem for p in files[:at]}]


def _cross_check(file: SuiteFile, taxonomy: Taxonomy) -> Iterator[str]:
    rows = [*file.tasks, *file.pairs]
    if not rows:
        yield "has neither tasks nor pairs"
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            yield f"{row.id}: there are two with this id"
        seen.add(row.id)
        if row.kind not in taxonomy.names:
            kinds = ", ".join(taxonomy.names)
            yield f"{row.id}: {row.kind!r} is no kind of task; kinds are {kinds}"


def _keys(value: object) -> Iterator[str]:
    """Yield every key of a JSON value, however deep."""
    if isinstance(value, dict):
        for key, one in cast("Mapping[str, object]", value).items():
            yield key
            yield from _keys(one)
    elif isinstance(value, list):
        for one in cast("Iterable[object]", value):
            yield from _keys(one)


def _task(suite: str, row: _TaskRow) -> GoldenTask:
    said = row.messages or [_MessageRow(role="user", content=row.prompt or "")]
    return GoldenTask(
        suite=suite,
        name=row.id,
        kind=row.kind,
        messages=tuple(turn(one.role, one.content) for one in said),
        max_output_tokens=row.max_output_tokens,
        checker=_checker(row),
        reference=row.reference,
        wrong=tuple(row.wrong),
    )


def _checker(row: _TaskRow) -> Checker:
    if row.exact is not None:
        return Exact(answers=tuple(row.exact))
    if row.number is not None:
        return Number(value=row.number.value, within=row.number.within)
    if row.patterns is not None:
        return Patterns(has=tuple(row.patterns.has), lacks=tuple(row.patterns.lacks))
    if row.json_schema is not None:
        return Schema(schema=cast("Mapping[str, Any]", row.json_schema))
    if row.unit_tests is not None:
        cases = [
            Case(run=case.run, gives=cast("Any", case.gives), raises=case.raises)
            for case in row.unit_tests.cases
        ]
        return UnitTests(before=row.unit_tests.before, cases=tuple(cases))
    return Rubric(text=row.rubric or "")


def _pair(suite: str, row: _PairRow) -> GoldPair:
    return GoldPair(
        suite=suite,
        name=row.id,
        kind=row.kind,
        question=row.prompt,
        first=row.first,
        second=row.second,
        truth=row.truth,
        trap=row.trap,
    )
