"""What a message looks like: an error is shown, a question is short, nothing is about software."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from router.evidence.signals import SINGLES

SOFTWARE: Final = frozenset(
    (
        *("software", "code", "target", "language", "tech", "artefact", "system", "architecture"),
        *("change", "small", "tidy", "threat", "breach", "stake", "implement", "refactor"),
    )
)
"""Concepts that show that a message is about software."""
_NOT_PLAIN: Final = SOFTWARE | {"ours", "refers", "scale", "what now"}
"""Concepts of a question that belongs to what was said before it."""

_STRONG: Final = 2.5
"""Weight of a signal from which what is asked for is plain."""
_END_CHARS: Final = 200
_LITTLE_CODE_LINES: Final = 9
_WORDS_PER_SOFTWARE_PHRASE: Final = 60

_DIFF_MARKS: Final = ("diff --git", "\n@@ ", "\n+++ ", "```diff")
_ERROR_MARKS: Final = (
    *("Traceback", "rror: ", "rror\n", "ption: ", "ption\n", "ERR!", "ERROR:", "\tat "),
    *("\n    at ", "rror[", "FATAL", "panic: ", "ndefined reference", "ndefined symbol"),
    "refused",
)
_CHOICE_MARKS: Final = (("\nB. ", "\nC. "), ("\nB) ", "\nC) "), ("\nb) ", "\nc) "), ("(B)", "(C)"))
_STATUS: Final = re.compile(
    r"(?:return(?:s|ing)?|[Ee]rror|[Ss]tatus|[Ff]ehler|code|HTTP|getting|get|got|gives?|throws?|an?)"
    r" (?:40\d|42\d|50[0-4])\b|[Ee]xpected:? [^\n]{1,60}\bgot\b|[Gg]ot:? [^\n]{1,60}\bexpected\b"
)
_STATUS_MARKS: Final = (" 40", " 42", " 50", "got", "Got")
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
    r"[A-Z]{3,5}s?|[a-z]+[A-Z]\w+|\w+_\w+|\w+\.(?:[a-z]{1,4}|\w+\(\))|(?:\.|/|--)[a-z]\w+|`.+`"
)
"""What only people who speak of software write: acronyms, camelCase, file names, flags, code."""
_AROUND_WORDS: Final = ",:;!?()\"'"
_FORMULA: Final = re.compile(
    r"\$[^$\n ](?:[^$\n]{0,80}[^$\n ])?\$(?!\d)|\\(?:frac|sqrt|begin|mathrm)"
)
_FILE: Final = re.compile(
    r"\.(?:py|tsx?|jsx?|go|rs|java|kt|rb|php|cs|cpp|h|sql|ya?ml|json|toml|sh|css|html)\b"
)
_ARITHMETIC: Final = re.compile(
    r"\d ?[*\u00d7/^+] ?\d|\b[xyz] ?[-+=^]|\d ?[%\uff05]|\d+ - \d+ ?[=?]|\d [-+*/=]= ?\d"
)
_ARITHMETIC_MARKS: Final = ("*", "\u00d7", "/", "^", "+", "=", "%", "\uff05", " - ")
_SMALL_TALK_WORDS: Final = 16
_GREETING_WORDS: Final = 7
_NUMBER: Final = re.compile(r"\b\d+(?:[.,]\d+)?\b")
_SENTENCE_END: Final = re.compile(r"[.!?\n]\s")


# Without slots, because what is computed is kept.
@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one message before its shapes are."""

    text: str
    """As it was read, code and all."""
    said: str
    code: str
    pasted: str
    """Logs, tables, quotations, tagged documents."""
    words: int
    finer: frozenset[str]
    """Concepts of the finer lexicon that are spoken of."""
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
        """How many things in the message are about software."""
        jargon = [] if self.shows_formulas else list(islice(_jargon(self.ends), 2))
        return self.software_phrases + len(jargon) + bool(self.code) + self.shows_error

    @cached_property
    def is_about_software(self) -> bool:
        """Whether software is spoken of, at least once in about every sixty words."""
        return self.software >= max(1, self.words / _WORDS_PER_SOFTWARE_PHRASE)

    @cached_property
    def shows_error(self) -> bool:
        """Whether an error message, stack trace or failed status is there."""
        if any(mark in self.text for mark in _ERROR_MARKS):
            return True
        may_show = any(mark in self.ends for mark in _STATUS_MARKS)
        return may_show and bool(_STATUS.search(self.ends))

    @cached_property
    def shows_diff(self) -> bool:
        """Whether a change to files is there."""
        return any(mark in self.text for mark in _DIFF_MARKS)

    @cached_property
    def shows_formulas(self) -> bool:
        """Whether mathematics is there, as TeX writes it."""
        return ("$" in self.ends or "\\" in self.ends) and bool(_FORMULA.search(self.ends))

    @property
    def shows_arithmetic(self) -> bool:
        """Whether something is there to be reckoned, and no code."""
        may_show = any(mark in self.ends for mark in _ARITHMETIC_MARKS)
        return may_show and not self.code and bool(_ARITHMETIC.search(self.ends))

    @property
    def shows_little_code(self) -> bool:
        """Whether code is there, and all of it is seen at a glance."""
        return bool(self.code) and self.code.count("\n") < _LITTLE_CODE_LINES

    @property
    def asks(self) -> bool:
        """Whether a clause opens as a question does."""
        return not self.opening.isdisjoint(("ask", "explain", "why"))

    @cached_property
    def has_question_mark(self) -> bool:
        """Whether a question mark asks for knowledge; "can you do it?" asks for work."""
        return "polite" not in self.opening and ("?" in self.said or "\uff1f" in self.said)

    @property
    def is_quiet(self) -> bool:
        """Whether the words neither ask nor request anything that is known."""
        return not self.asks and not self.has_question_mark and self.strongest < _STRONG

    @property
    def speaks_of_trouble(self) -> bool:
        """Whether something is said not to work."""
        return not self.mentions.isdisjoint(("broken off", "failure", "bug"))


def _jargon(text: str) -> Iterator[str]:
    words = {word.strip(_AROUND_WORDS) for word in text.split()}
    for word in words:
        if not (word.isalpha() and word.islower()) and _JARGON.fullmatch(word.removesuffix(".")):
            yield word


def _is_small_edit(facts: Facts) -> bool:
    """Whether a few plain words go with a little code."""
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
    """Whether a message says something of software that is no question and no known request."""
    needed = max(1 if facts.words <= 30 else 2, facts.words / 30)
    return (
        facts.words >= 5
        and facts.software >= needed
        and facts.is_quiet
        and facts.opening.isdisjoint(("thanks",))
        and "meta" not in facts.mentions
        and not _is_small_edit(facts)
    )


def _ends_in_plain_question(facts: Facts) -> bool:
    """Whether the last sentence is a question that has nothing to do with those before it."""
    if "ask" not in facts.last_sentence or not facts.last_sentence.isdisjoint(_NOT_PLAIN):
        return False
    last = _SENTENCE_END.split(facts.ends.rstrip())[-1]
    return "?" in last and len(last.split()) >= 4 and not facts.shows_error


def _asks_at_length(facts: Facts) -> bool:
    """Whether more than a phrase asks about software of one's own."""
    return (
        "ours" in facts.mentions
        and (facts.asks or facts.has_question_mark)
        and facts.words > 12
        and not facts.code
        and facts.software >= max(1, facts.words / 30)
    )


def _asks_for_change(facts: Facts) -> bool:
    """Whether a question about code is how to change it."""
    makes = not facts.mentions.isdisjoint(("write", "edit", "implement"))
    return bool(facts.code) and "ask" in facts.opening and makes and facts.strongest < _STRONG


SHAPES: Final[Mapping[str, Callable[[Facts], bool]]] = {
    "short question": lambda f: "ask" in f.opening and f.words <= 12 and not f.code,
    "question": lambda f: "ask" in f.opening and 12 < f.words <= 30 and not f.code,
    "long question": lambda f: "ask" in f.opening and (f.words > 30 or bool(f.code)),
    "long software question": _asks_at_length,
    "plain question": _ends_in_plain_question,
    "question mark": lambda f: f.has_question_mark,
    "short": lambda f: f.words <= 8 and SINGLES.keys().isdisjoint(f.mentions),
    "choices given": lambda f: any(b in f.text and c in f.text for b, c in _CHOICE_MARKS),
    "formulas shown": lambda f: f.shows_formulas,
    "arithmetic shown": lambda f: f.shows_arithmetic,
    "word problem": lambda f: (
        not f.is_about_software
        and ("mathematics" in f.finer or f.asks)
        and len(_NUMBER.findall(f.ends)) >= 2
    ),
    "small talk": lambda f: "chatter" in f.finer and f.words <= _SMALL_TALK_WORDS,
    "greeting alone": lambda f: "greeting" in f.finer and f.words <= _GREETING_WORDS,
    "no software": lambda f: not f.is_about_software,
    "software statement": lambda f: not f.speaks_of_trouble and _is_statement(f),
    "symptom": lambda f: f.speaks_of_trouble and _is_statement(f),
    "outage": lambda f: (
        f.is_about_software and f.speaks_of_trouble and bool(_DURATION.search(f.ends))
    ),
    "quantities given": lambda f: f.is_about_software and bool(_QUANTITY.search(f.ends)),
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
    "change to code": _asks_for_change,
    "quality of code": lambda f: (bool(f.code) or f.shows_diff) and "quality" in f.mentions,
    "code at risk": lambda f: (bool(f.code) or f.shows_diff) and "threat" in f.mentions,
    "text shown": lambda f: bool(f.pasted) and not f.code and "ask" in f.opening,
    "files named": lambda f: len(_FILE.findall(f.said)) >= 2,
    "list given": lambda f: f.said.count("\n- ") >= 3 or ("\n2." in f.said and "\n3." in f.said),
}
"""What a message looks like, whatever its words mean; each a concept of `signals.SIGNALS`."""
