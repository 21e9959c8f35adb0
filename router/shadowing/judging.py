"""What a judge is asked about two answers, and what its two replies come to.

Each judge sees both orders, for position alone decides many verdicts: GPT-4 kept its own in 65 % of
the pairs that were swapped (Zheng et al., arXiv 2306.05685). Nobody's name is told.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from string import Template
from typing import Final, Literal, cast

from tercet.call import Prompt
from tercet.content import Controls, OutputFormat
from tercet.task import Message, Task, turn

Better = Literal["A", "B", "same"]

REQUEST_TOKENS: Final = 32_000
"""Longer requests are not compared: what a judge has not read it cannot judge, and each costs what
twenty others do."""
ANSWER_TOKENS: Final = 4_000
"""What a judge is shown of an answer; the middle of a longer one is left out."""
_CHARS_PER_TOKEN: Final = 4
_VERDICT_TOKENS: Final = 2_000
"""Room for a model that thinks; a verdict takes about 60."""
_GRADES: Final = (0, 0.5, 1)
_FENCE: Final = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.DOTALL)
_FORMAT: Final = OutputFormat(
    name="verdict",
    schema={
        "type": "object",
        "properties": {
            "why": {"type": "string"},
            "a": {"type": "number"},
            "b": {"type": "number"},
            "better": {"type": "string", "enum": ["A", "B", "same"]},
        },
        "required": ["why", "a", "b", "better"],
        "additionalProperties": False,
    },
    strict=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two answers to one request."""

    id: str
    """Not known to whoever wrote them: what encloses them is made of it."""
    request: str
    first: str
    second: str

    @property
    def swapped(self) -> "Case":
        """The same in the other order."""
        return Case(id=self.id, request=self.request, first=self.second, second=self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grades:
    """One verdict: how good the answers shown as A and B are, 0, 0.5 or 1."""

    a: float
    b: float
    better: Better


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What two verdicts come to: qualities of the two answers, 0 to 1."""

    first: float
    second: float
    is_consistent: bool
    """The same answer, or none, was preferred in both orders."""


def request_of(task: Task) -> str:
    """Return a conversation as a judge reads it; of one message without another, that message."""
    said = [message for message in task.messages if message.says_something]
    if len(said) == 1:
        return said[0].text
    return "\n\n".join(_line(message) for message in said)


def _line(message: Message) -> str:
    return f"[{message.speaker}]\n{message.text}"


def brief(case: Case, texts: Mapping[str, str]) -> Prompt:
    """Return what a judge is sent; `texts` are those of `router.prompts`.

    The code that encloses what is judged cannot stand within it: it is a hash of all of that and of
    an id that its writers do not know.
    """
    shown = {
        "request": cut(case.request, REQUEST_TOKENS),
        "a": cut(case.first, ANSWER_TOKENS),
        "b": cut(case.second, ANSWER_TOKENS),
    }
    said = "\n".join((case.id, *shown.values())).encode(errors="surrogatepass")
    code = blake2b(said, digest_size=8).hexdigest()
    return Prompt(
        system=texts["judge"],
        messages=(turn("user", Template(texts["judge_pair"]).substitute(shown, code=code)),),
        max_output_tokens=_VERDICT_TOKENS,
        controls=Controls(output=_FORMAT, effort="low"),
    )


def cut(text: str, tokens: int) -> str:
    """Return a text with its middle left out and counted, if it is longer than about `tokens`."""
    most = tokens * _CHARS_PER_TOKEN
    left_out = len(text) - most
    if left_out <= 0:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {left_out} characters left out ...]\n{text[-half:]}"


def read_verdict(reply: str) -> Grades | None:
    """Read a judge's reply: one object of JSON, fenced or not, and nothing beside it.

    `None`: it is anything else, or contradicts itself.
    """
    told = reply.strip()
    if fenced := _FENCE.match(told):
        told = fenced[1]
    try:
        found: object = json.loads(told)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    fields = cast("dict[str, object]", found)
    a, b, better = _grade(fields.get("a")), _grade(fields.get("b")), fields.get("better")
    if a is None or b is None or better not in ("A", "B", "same"):
        return None
    is_contradiction = (better == "A" and a < b) or (better == "B" and b < a)
    is_contradiction |= better == "same" and a != b
    return None if is_contradiction else Grades(a=a, b=b, better=better)


def _grade(value: object) -> float | None:
    # JSON's `true` is Python's 1.
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in _GRADES:
        return None
    return float(value)


def judged(shown: Grades, swapped: Grades) -> Judgement:
    """Put the verdicts of both orders together: each answer has the mean of its grades.

    Where each order prefers another answer it was the position that decided: then neither is
    better, and both have the mean of all.
    """
    first, second = (shown.a + swapped.b) / 2, (shown.b + swapped.a) / 2
    if {shown.better, swapped.better} <= {"A", "B"} and shown.better == swapped.better:
        first = second = (first + second) / 2
    is_consistent = (shown.better, swapped.better) in {("A", "B"), ("B", "A"), ("same", "same")}
    return Judgement(first=first, second=second, is_consistent=is_consistent)
