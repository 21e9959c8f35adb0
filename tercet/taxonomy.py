"""The kinds of work there are, what each asks of a route, and how its answers look."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tercet.task import TaskKind

Contract = Literal["text", "short", "number", "choice", "json", "code"]
"""What an answer is at its core: prose, a few words, a number, one of several choices, a document
of JSON, or code. It says how two answers are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """One kind of work, as `config/taxonomy.yaml` has it."""

    name: TaskKind
    says: str = ""
    """What work of this kind is, in a sentence."""
    is_design: bool = False
    is_critical: bool = False
    is_implementation: bool = False
    is_routine: bool = False
    contract: Contract = "text"
    examples: tuple[str, ...] = ()
    """What a caller may say; a learned policy starts from these."""

    @property
    def rank(self) -> int:
        """How capable a tier the plan gives it: 0 the most (design, critical), 3 the local one."""
        if self.is_design or self.is_critical:
            return 0
        if self.is_implementation:
            return 1
        return 3 if self.is_routine else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """Every kind; of two with equal evidence the earlier wins."""

    kinds: tuple[KindRules, ...]
    _rules: Mapping[TaskKind, KindRules] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rules", {kind.name: kind for kind in self.kinds})

    @property
    def names(self) -> tuple[TaskKind, ...]:
        """The names of the kinds, in order."""
        return tuple(kind.name for kind in self.kinds)

    def rules_of(self, name: TaskKind) -> KindRules:
        """Return the rules of a kind.

        Raises:
            KeyError: there is no such kind; the message has those there are.
        """
        if name not in self._rules:
            raise KeyError(f"{name!r} is no kind of task; kinds are {', '.join(self.names)}")
        return self._rules[name]

    def unknown(self, names: Iterable[TaskKind]) -> list[TaskKind]:
        """Return which of the names are no kind."""
        return [name for name in names if name not in self.names]


BUILT_IN: Final = Taxonomy(
    kinds=(
        KindRules(name="security", is_critical=True),
        KindRules(name="architecture", is_design=True),
        KindRules(name="code_review", is_implementation=True),
        KindRules(name="bug_fix", is_implementation=True),
        KindRules(name="implementation", is_implementation=True, contract="code"),
        KindRules(name="routine_code", is_routine=True, contract="code"),
        KindRules(name="lookup", is_routine=True),
        KindRules(name="transformation"),
        KindRules(name="summary"),
        KindRules(name="maths", contract="number"),
        KindRules(name="explanation"),
        KindRules(name="chat"),
        KindRules(name="question"),
    )
)
"""The kinds that the classifier has evidence for, with the flags that the plan's rule gives them.
`config/taxonomy.yaml` must have them all, may change what they say, and may add others."""
