"""What speaks for which kind of task: signals in words, and shapes of a message.

Every signal has a weight; `router.reading` adds up those it finds. The weights were chosen by hand
on the labelled conversations of `tests/router/classify_cases.jsonl`, every third one held out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
    """Of `router.lexicon.LEXICON`, or a shape of `SHAPES`."""
    objects: tuple[str, ...] = ()
    """Concepts, one of which must stand near `concept` in the same sentence."""
    aside: float = 0.5
    """Share of the weight that counts where the concept does not open its clause."""


SIGNALS: Final = (
    Signal("architecture", 2.5, "asks to design", "design"),
    Signal("architecture", 3.5, "asks to design", "design", ("system", "architecture", "whole")),
    Signal("architecture", 3.5, "asks for an architecture", "propose", ("architecture",)),
    Signal("architecture", 3.0, "asks for an architecture", "write", ("architecture",)),
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
    Signal("implementation", 2.0, "goes on with software", "software continued"),
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
)


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

SOFTWARE: Final = frozenset(
    (
        *("software", "code", "target", "language", "tech", "artefact", "system", "architecture"),
        *("change", "small", "tidy", "threat", "breach", "stake", "implement", "refactor"),
    )
)
"""Concepts that show that a message is about software."""

_DIFF_MARKS: Final = ("diff --git", "\n@@ ", "\n+++ ", "```diff")
_ERROR_MARKS: Final = (
    *(
        "Traceback",
        "rror: ",
        "rror\n",
        "ption: ",
        "ption\n",
        "ERR!",
        "ERROR:",
        "\tat ",
        "\n    at ",
    ),
    *("rror[", "FATAL", "panic: ", "ndefined reference", "ndefined symbol", "refused"),
)
_STATUS: Final = re.compile(
    r"(?:return(?:s|ing)?|[Ee]rror|[Ss]tatus|[Ff]ehler|code|HTTP|getting|get|got|gives?|throws?|an?)"
    r" (?:40\d|42\d|50[0-4])\b|[Ee]xpected:? [^\n]{1,60}\bgot\b|[Gg]ot:? [^\n]{1,60}\bexpected\b"
)
_CODE_FIRST: Final = re.compile(
    r"\s*(?:def \w+\(|class \w+[:({]|import \w|from \S+ import|#include|package \w+|func \w+\("
    r"|function \w+\(|public class)"
)
_QUANTITY: Final = re.compile(r"\d ?(?:k|K|M|TB|GB|million|billion|rps|qps|req/s|ms|тыс|млн|万)\b")
_DURATION: Final = re.compile(
    r"(?:since|for|last|past|seit|depuis|desde|уже) (?:about |over |the last )?\d+ ?"
    r"(?:s|min|h|hour|stunde|heure|hora|час)"
)
_JARGON: Final = re.compile(
    r"\b(?:[A-Z]{3,5}s?|[a-z]+[A-Z]\w+|\w+_\w+|\w+\.(?:[a-z]{1,4}|\w+\(\)))\b(?!['.])"
    r"|`[^`\n]+`|(?<!\w)(?:\.|/|--)[a-z]\w+"
)
"""What only people who speak of software write: acronyms, camelCase, file names, flags."""
_FORMULA: Final = re.compile(
    r"\$[^$\n ](?:[^$\n]{0,80}[^$\n ])?\$(?!\d)|\\(?:frac|sqrt|begin|mathrm)"
)
_FILE: Final = re.compile(
    r"\.(?:py|tsx?|jsx?|go|rs|java|kt|rb|php|cs|cpp|h|sql|ya?ml|json|toml|sh|css|html)\b"
)
_CHOICES: Final = ("\nB. ", "\nB) ", "\nb) ", "(B)")
_LITTLE_CODE_LINES: Final = 9
_END_CHARS: Final = 200


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one message before its shapes are."""

    text: str
    """As it was read, material and all."""
    said: str
    code: str
    pasted: str
    """Logs, tables, tagged documents."""
    words: int
    mentions: frozenset[str]
    """Concepts that are spoken of."""
    opening: frozenset[str]
    """Concepts that open a sentence or clause."""
    last_sentence: frozenset[str]
    """Concepts of the last of several sentences."""
    software_phrases: int
    """Different phrases that stand for a concept of `SOFTWARE`."""
    strongest: float
    """Weight of the strongest signal in words."""

    @cached_property
    def ends(self) -> str:
        """Both ends of what is said, where its author speaks most plainly."""
        if len(self.said) <= 2 * _END_CHARS:
            return self.said
        return f"{self.said[:_END_CHARS]}\n{self.said[-_END_CHARS:]}"

    @cached_property
    def software(self) -> int:
        """How much of the message is about software."""
        jargon = 0 if self.shows_formulas else len(set(_JARGON.findall(self.ends)))
        return self.software_phrases + min(2, jargon) + bool(self.code) + self.shows_error

    @cached_property
    def shows_error(self) -> bool:
        return any(mark in self.text for mark in _ERROR_MARKS) or bool(_STATUS.search(self.ends))

    @cached_property
    def shows_diff(self) -> bool:
        return any(mark in self.text for mark in _DIFF_MARKS)

    @cached_property
    def shows_formulas(self) -> bool:
        return bool(_FORMULA.search(self.ends))

    @property
    def shows_little_code(self) -> bool:
        return bool(self.code) and self.code.count("\n") < _LITTLE_CODE_LINES

    @property
    def is_about_software(self) -> bool:
        return self.software >= max(1, self.words / 60)

    @property
    def asks(self) -> bool:
        return not self.opening.isdisjoint(("ask", "explain", "why"))

    @cached_property
    def has_question_mark(self) -> bool:
        """Whether a question mark asks for knowledge; "can you do it?" asks for work."""
        return "polite" not in self.opening and ("?" in self.said or "\uff1f" in self.said)

    @property
    def is_quiet(self) -> bool:
        """Whether the words neither ask nor request anything that is known."""
        return not self.asks and not self.has_question_mark and self.strongest < 2.5

    @property
    def speaks_of_trouble(self) -> bool:
        return not self.mentions.isdisjoint(("broken off", "failure", "bug"))


def _is_small_edit(facts: Facts) -> bool:
    makes = not facts.opening.isdisjoint(("write", "implement", "review"))
    return (
        facts.shows_little_code
        and not facts.shows_diff
        and 2 <= facts.words <= 12
        and facts.is_quiet
        and not facts.speaks_of_trouble
        and "review" not in facts.mentions
        and (not makes or "edit" in facts.opening)
    )


def _is_statement(facts: Facts) -> bool:
    needed = max(1 if facts.words <= 30 else 2, facts.words / 30)
    return (
        facts.words >= 5
        and facts.software >= needed
        and facts.is_quiet
        and "thanks" not in facts.opening
        and "meta" not in facts.mentions
        and not _is_small_edit(facts)
    )


def _ends_in_plain_question(facts: Facts) -> bool:
    """Whether the last sentence is a question that has nothing to do with those before it."""
    last = re.split(r"[.!?\n]\s", facts.said.rstrip()[-200:])[-1]
    return (
        "ask" in facts.last_sentence
        and facts.last_sentence.isdisjoint(SOFTWARE | {"ours", "refers", "scale", "what now"})
        and "?" in last
        and len(last.split()) >= 4
        and not facts.shows_error
    )


SHAPES: Final[Mapping[str, Callable[[Facts], bool]]] = {
    "short question": lambda f: "ask" in f.opening and f.words <= 12 and not f.code,
    "question": lambda f: "ask" in f.opening and 12 < f.words <= 30 and not f.code,
    "long question": lambda f: "ask" in f.opening and (f.words > 30 or bool(f.code)),
    "long software question": lambda f: (
        "ours" in f.mentions
        and (f.asks or f.has_question_mark)
        and f.words > 12
        and not f.code
        and f.software >= max(1, f.words / 30)
    ),
    "outage": lambda f: (
        f.is_about_software and f.speaks_of_trouble and bool(_DURATION.search(f.ends))
    ),
    "plain question": _ends_in_plain_question,
    "question mark": lambda f: f.has_question_mark,
    "short": lambda f: f.words <= 8 and f.mentions.isdisjoint(SINGLES),
    "choices given": lambda f: any(
        mark in f.text and mark.replace("B", "C").replace("b", "c") in f.text for mark in _CHOICES
    ),
    "formulas shown": lambda f: f.shows_formulas,
    "quantities given": lambda f: f.is_about_software and bool(_QUANTITY.search(f.ends)),
    "software statement": lambda f: _is_statement(f) and not f.speaks_of_trouble,
    "symptom": lambda f: _is_statement(f) and f.speaks_of_trouble,
    "no software": lambda f: not f.is_about_software,
    "error shown": lambda f: f.shows_error,
    "diff shown": lambda f: f.shows_diff,
    "code shown": lambda f: bool(f.code),
    "code first": lambda f: bool(_CODE_FIRST.match(f.text)),
    "little code": lambda f: f.shows_little_code and f.words <= 20,
    "small edit": _is_small_edit,
    "why of code": lambda f: (bool(f.code) or f.shows_error) and "why" in f.mentions,
    "question about code": lambda f: (
        bool(f.code) and "ask" in f.opening and f.mentions.isdisjoint(("explain", "why"))
    ),
    "change to code": lambda f: (
        bool(f.code)
        and "ask" in f.opening
        and not f.mentions.isdisjoint(("write", "edit", "implement"))
        and f.strongest < 2.5
    ),
    "quality of code": lambda f: (bool(f.code) or f.shows_diff) and "quality" in f.mentions,
    "code at risk": lambda f: (bool(f.code) or f.shows_diff) and "threat" in f.mentions,
    "text shown": lambda f: bool(f.pasted) and not f.code and "ask" in f.opening,
    "files named": lambda f: len(_FILE.findall(f.said)) >= 2,
    "list given": lambda f: f.said.count("\n- ") >= 3 or ("\n2." in f.said and "\n3." in f.said),
}
"""What a message looks like, whatever its words mean; each a concept of `SIGNALS`."""
