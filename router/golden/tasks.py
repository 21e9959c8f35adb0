"""What a golden task is: a task with a checker, and answers that must pass it and must not."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from tercet.content import JsonValue
from tercet.task import Message, TaskKind

PREFIX: Final = "golden:"
"""How the ids of golden tasks begin in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """The answer is one of these, whatever its case, layout and marks."""

    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The answer comes down to this number, with its unit if it has one."""

    value: str
    within: float | None
    """How far it may be off, in the unit of `value`; `None`: not, but for rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patterns:
    """Regular expressions: each of `has` is found in the answer, and none of `lacks`."""

    has: tuple[str, ...]
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The answer is, or ends in, a JSON document of this JSON Schema (draft 2020-12)."""

    schema: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An expression in the names of the answer's code: what it gives, or what it raises."""

    run: str
    gives: JsonValue = None
    raises: str | None = None
    """The exception's name; `None`: it gives a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTests:
    """The answer's Python code does what each case says."""

    before: str
    """Code that comes first: what the task said is there."""
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """A model compares the answer with the reference; it is told what counts."""

    text: str


Checker = Exact | Number | Patterns | Schema | UnitTests | Rubric


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenTask:
    """A task whose answers can be checked."""

    suite: str
    name: str
    kind: TaskKind
    messages: tuple[Message, ...]
    max_output_tokens: int | None
    checker: Checker
    reference: str
    """An answer that passes."""
    wrong: tuple[str, ...]
    """Answers that do not, at least one: a checker that cannot fail checks nothing."""

    @property
    def question(self) -> str:
        """What is asked last."""
        return self.messages[-1].text

    @property
    def id(self) -> str:
        """Its id in the ledger: another one once what is asked, or what passes, is another."""
        said = repr((self.kind, self.messages, self.checker))
        digest = blake2b(said.encode(errors="surrogatepass"), digest_size=4).hexdigest()
        return f"{PREFIX}{self.suite}/{self.name}@{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldPair:
    """Two answers to a task whose qualities are known: what a judge is audited with."""

    suite: str
    name: str
    kind: TaskKind
    question: str
    first: str
    second: str
    truth: float
    """Quality of the first minus quality of the second, -1 to 1."""
    trap: str | None
    """What may mislead a judge here, in a word; `None`: nothing on purpose."""

    @property
    def id(self) -> str:
        """Its name in an audit."""
        return f"{self.suite}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suites:
    """All golden tasks and pairs that were read."""

    tasks: tuple[GoldenTask, ...]
    pairs: tuple[GoldPair, ...]
