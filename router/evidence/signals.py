"""What speaks for which kind of task, and how much.

The evidence for a kind is the sum of its signals. The weights were chosen by hand on the labelled
conversations of `tests/router/classify_cases.jsonl`, of which every third is held out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tercet.task import TaskKind


@dataclass(frozen=True, slots=True)
class Signal:
    """One row of evidence: a concept, alone or with an object it acts on, and what it shows."""

    kind: TaskKind
    weight: float
    said: str
    """What the caller does, in words, for `Profile.reasons`."""
    concept: str
    """Of `lexicon.LEXICON`, or a shape of `shapes.SHAPES`."""
    objects: tuple[str, ...] = ()
    """Concepts, one of which must stand near `concept` in the same sentence."""
    aside: float = 0.5
    """Share of the weight that counts where the concept does not open its clause."""


SIGNALS: Final = (
    Signal("architecture", 2.5, "asks to design", "design"),
    Signal("architecture", 3.5, "asks to design", "design", ("system", "architecture", "whole")),
    Signal("architecture", 3.5, "asks for an architecture", "propose", ("architecture",)),
    Signal("architecture", 3.0, "asks for an architecture", "write", ("architecture", "design")),
    Signal("architecture", 3.5, "asks for an architecture", "give", ("architecture",)),
    Signal("architecture", 2.5, "asks for a plan", "propose", ("scheme", "scale", "build")),
    Signal("architecture", 2.5, "asks for a plan", "give", ("scheme",)),
    Signal("architecture", 2.5, "asks for a plan", "write", ("scheme",)),
    Signal("architecture", 2.0, "asks for a plan", "ask", ("scheme",), 0.0),
    Signal("architecture", 2.0, "asks for a plan", "propose", ("system",)),
    Signal("architecture", 3.0, "asks for a plan", "propose", ("reshape", "refactor")),
    Signal("architecture", 4.0, "asks for an architecture", "implement", ("architecture",)),
    Signal("architecture", 3.0, "asks how to design", "ask", ("design",), 0.0),
    Signal("architecture", 3.0, "asks for a decision", "advise", ("system", "tech", "build"), 1.0),
    Signal("architecture", 3.0, "asks for a decision", "advise", ("architecture", "reshape"), 1.0),
    Signal("architecture", 3.0, "asks for a decision", "advise", ("design",), 1.0),
    Signal("architecture", 2.0, "asks for a decision", "advise", ("scale",), 1.0),
    Signal("architecture", 1.0, "asks for a decision", "advise", (), 1.0),
    Signal("architecture", 2.5, "asks to restructure", "reshape", ("system", "tech")),
    Signal("architecture", 3.5, "asks to restructure", "reshape", ("whole",)),
    Signal("architecture", 4.0, "asks for a major refactor", "refactor", ("whole",)),
    Signal("architecture", 2.0, "speaks of architecture", "architecture"),
    Signal("architecture", 1.5, "speaks of scale", "scale", (), 0.7),
    Signal("architecture", 0.5, "speaks of a system", "system", (), 1.0),
    Signal("architecture", 0.5, "speaks of a technology", "tech", (), 1.0),
    Signal("architecture", 0.5, "speaks of a whole system", "whole", (), 1.0),
    Signal("architecture", 2.0, "asks about their own system", "ask", ("ours",), 0.0),
    Signal("architecture", 2.0, "asks about a change of system", "ask", ("reshape",), 0.0),
    Signal("architecture", 0.5, "speaks of their own system", "ours", (), 1.0),
    Signal("architecture", 1.5, "asks at length about software", "long software question"),
    Signal("architecture", 1.0, "gives quantities", "quantities given"),
    Signal("security", 4.0, "asks about a weakness", "inspect", ("threat",), 0.8),
    Signal("security", 3.0, "asks about a weakness", "advise", ("threat",), 1.0),
    Signal("security", 3.0, "asks to harden", "harden", (), 0.3),
    Signal("security", 4.5, "shows code and speaks of security", "code at risk"),
    Signal("security", 1.5, "speaks of security", "threat", (), 0.7),
    Signal("security", 1.5, "speaks of a threat to their own system", "threat", ("ours",), 1.0),
    Signal("security", 3.0, "speaks of a breach", "breach", (), 1.0),
    Signal("security", 3.0, "speaks of an incident", "incident", (), 1.0),
    Signal("security", 4.0, "something live is failing", "live", ("loss",), 1.0),
    Signal("security", 2.4, "something live is failing", "live", ("failure", "broken off"), 1.0),
    Signal("security", 3.0, "something live is attacked", "live", ("threat",), 1.0),
    Signal("security", 3.5, "data may be lost", "data", ("loss",), 1.0),
    Signal("security", 1.5, "data may be lost", "loss", ("ours",), 1.0),
    Signal("security", 3.0, "something has been failing for a while", "outage"),
    Signal("security", 2.0, "asks what to do now", "what now", (), 1.0),
    Signal("security", 0.8, "speaks of loss", "loss", (), 1.0),
    Signal("security", 0.5, "speaks of payments or sign-in", "stake", (), 1.0),
    Signal("implementation", 3.0, "asks to implement", "implement"),
    Signal("implementation", 3.5, "asks for code", "write", ("code", "artefact")),
    Signal("implementation", 2.5, "asks for code", "write", ("target", "language")),
    Signal("implementation", 2.0, "asks for code", "write", ("system", "tech", "software")),
    Signal("implementation", 3.5, "asks for code", "give", ("artefact",)),
    Signal("implementation", 2.5, "asks for code", "give", ("code",)),
    Signal("implementation", 1.0, "asks to make something", "write"),
    Signal("implementation", 5.0, "asks to port", "transform", ("language",)),
    Signal("implementation", 2.5, "asks to port", "convert", ("language",)),
    Signal("implementation", 2.0, "asks to port", "convert", ("code", "target")),
    Signal("implementation", 2.5, "asks to port", "reshape", ("language", "code", "target")),
    Signal("implementation", 2.5, "asks to refactor", "refactor"),
    Signal("implementation", 3.0, "asks to optimise", "optimise"),
    Signal("implementation", 1.5, "names a piece of code", "code", (), 0.3),
    Signal("implementation", 2.0, "names a piece of code", "artefact", (), 0.3),
    Signal("implementation", 0.5, "names a language", "language", (), 1.0),
    Signal("implementation", 3.0, "starts with code", "code first"),
    Signal("implementation", 2.5, "asks for a change to code", "change to code"),
    Signal("implementation", 2.2, "states what software should do", "software statement"),
    Signal("implementation", 1.0, "names several files", "files named"),
    Signal("implementation", 1.0, "lists requirements", "list given"),
    Signal("implementation", 0.5, "shows code", "code shown"),
    Signal("bug_fix", 2.5, "asks to fix", "fix", (), 0.35),
    Signal("bug_fix", 3.5, "asks to fix", "fix", ("bug", "failure")),
    Signal("bug_fix", 3.0, "asks to fix", "fix", ("target",)),
    Signal("bug_fix", 2.0, "says that something fails", "failure", (), 0.9),
    Signal("bug_fix", 1.2, "speaks of a fault", "bug", (), 0.9),
    Signal("bug_fix", 0.8, "says that something does not work", "broken off", (), 1.0),
    Signal("bug_fix", 2.5, "shows an error", "error shown"),
    Signal("bug_fix", 2.5, "describes a symptom", "symptom"),
    Signal("bug_fix", 3.0, "asks why code does what it does", "why of code"),
    Signal("bug_fix", 1.0, "asks about code", "question about code"),
    Signal("bug_fix", 0.7, "shows code", "code shown"),
    Signal("code_review", 4.0, "asks for a review", "review", ("change", "code", "target")),
    Signal("code_review", 3.5, "asks for a review", "review", ("language",)),
    Signal("code_review", 2.5, "asks for a review", "review"),
    Signal("code_review", 3.5, "asks how good code is", "quality of code"),
    Signal("code_review", 1.2, "speaks of a change", "change", (), 0.9),
    Signal("code_review", 2.0, "shows a diff", "diff shown"),
    Signal("code_review", 0.6, "shows code", "code shown"),
    Signal("routine_code", 4.0, "asks to rename", "rename", (), 0.8),
    Signal("routine_code", 4.5, "asks for a small edit", "edit", ("tidy",), 0.6),
    Signal("routine_code", 4.5, "asks for a small edit", "fix", ("tidy",), 0.6),
    Signal("routine_code", 4.5, "asks for a small piece of code", "write", ("small",)),
    Signal("routine_code", 4.5, "asks for a small piece of code", "give", ("small",)),
    Signal("routine_code", 3.0, "names a small piece of code", "small", (), 0.2),
    Signal("routine_code", 1.5, "speaks of tidying", "tidy", (), 0.7),
    Signal("routine_code", 1.5, "asks briefly about little code", "small edit"),
    Signal("routine_code", 0.8, "shows little code", "little code"),
    Signal("routine_code", 0.5, "shows code", "code shown"),
    Signal("transformation", 4.0, "asks to rewrite text", "transform"),
    Signal("transformation", 4.0, "asks for a format", "as format", (), 0.9),
    Signal("transformation", 2.0, "asks for a format", "into format", (), 1.0),
    Signal("transformation", 4.0, "asks for a format", "convert", ("format",)),
    Signal("transformation", 2.5, "asks for a format", "write", ("format",)),
    Signal("transformation", 4.0, "asks to correct text", "fix", ("prose",)),
    Signal("transformation", 3.0, "asks to rewrite text", "convert", ("prose",)),
    Signal("transformation", 1.5, "asks to convert", "convert"),
    Signal("lookup", 3.5, "asks what a text says", "according", (), 0.9),
    Signal("lookup", 2.0, "asks what a text says", "source", ("given",), 1.0),
    Signal("lookup", 1.5, "asks about given text", "text shown"),
    Signal("question", 2.5, "asks a short question", "short question"),
    Signal("question", 1.8, "asks a question", "question"),
    Signal("question", 1.2, "asks a question", "long question"),
    Signal("question", 1.5, "ends in a plain question", "plain question"),
    Signal("question", 1.0, "has a question mark", "question mark"),
    Signal("question", 4.0, "gives choices", "choices given"),
    Signal("question", 3.0, "shows formulas", "formulas shown"),
    Signal("question", 1.0, "is short", "short"),
    Signal("question", 2.5, "asks to explain", "explain", (), 0.0),
    Signal("question", 3.5, "asks for prose", "compose", ("prose",)),
    Signal("question", 3.5, "asks for a pastime", "compose", ("pastime",)),
    Signal("question", 5.0, "asks for a pastime", "design", ("pastime",)),
    Signal("question", 3.5, "asks for a pastime", "advise", ("pastime",)),
    Signal("question", 1.5, "speaks of a pastime", "pastime", (), 1.0),
    Signal("question", 1.5, "says thanks", "thanks", (), 0.0),
    Signal("summary", 4.0, "asks to summarise", "summarise", (), 0.8),
    Signal("maths", 3.0, "asks to reckon", "reckon", (), 0.8),
    Signal("maths", 1.5, "speaks of mathematics", "mathematics", (), 1.0),
    Signal("maths", 3.0, "shows formulas", "formulas shown"),
    Signal("maths", 3.0, "shows arithmetic", "arithmetic shown"),
    Signal("maths", 2.5, "tells of quantities and asks for one", "word problem"),
    Signal("explanation", 2.5, "asks to explain", "teach", (), 0.5),
    Signal("chat", 2.5, "makes conversation", "small talk"),
    Signal("chat", 0.8, "speaks of everyday things", "chatter"),
    Signal("chat", 2.5, "greets, or says thanks", "greeting alone"),
    Signal("chat", 1.5, "speaks of a pastime", "pastime", (), 0.7),
    Signal("chat", 2.0, "asks for prose", "compose", ("prose", "pastime")),
)

FAMILIES: Final[Mapping[TaskKind, TaskKind]] = {
    "summary": "transformation",
    "maths": "question",
    "explanation": "question",
    "chat": "question",
}
"""Finer kinds, and the kind whose evidence they share: which of a family it is, is asked last."""


def _singles() -> Mapping[str, Sequence[Signal]]:
    found: dict[str, list[Signal]] = {}
    for signal in SIGNALS:
        if not signal.objects:
            found.setdefault(signal.concept, []).append(signal)
    return found


def _pairs() -> Mapping[str, Mapping[str, Sequence[Signal]]]:
    found: dict[str, dict[str, list[Signal]]] = {}
    for signal in SIGNALS:
        for thing in signal.objects:
            found.setdefault(signal.concept, {}).setdefault(thing, []).append(signal)
    return found


SINGLES: Final = _singles()
"""Signals of a concept that stands alone, by concept."""
PAIRS: Final = _pairs()
"""Signals of a concept that acts on another, by concept and object."""
