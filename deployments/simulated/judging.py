"""The simulated models as judges: an answer is right if they would have given it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from router.agreement.ladder import agree
from tercet.call import Prompt

_FORM = re.compile(
    r"<<<REQUEST (?P<code>\w+)\n(?P<request>.*)\nREQUEST (?P=code)>>>\s+"
    r"<<<A (?P=code)\n(?P<a>.*)\nA (?P=code)>>>\s+"
    r"<<<B (?P=code)\n(?P<b>.*)\nB (?P=code)>>>",
    re.DOTALL,
)
_TURN = re.compile(r"(?m)^\[user\]\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Two answers to be graded."""

    question: str
    """What was asked last."""
    a: str
    b: str


def judged_in(prompt: Prompt) -> Judged | None:
    """Return what a prompt of `router/prompts/judge_pair.md` holds; `None`: it is none."""
    found = _FORM.match(prompt.messages[-1].text) if prompt.messages else None
    if found is None:
        return None
    question = _TURN.split(found["request"])[-1]
    return Judged(question=question, a=found["a"], b=found["b"])


def verdict(judged: Judged, own: Callable[[str], tuple[str, ...]]) -> str:
    """Grade both answers, given what the models themselves say to a question."""
    question = judged.question
    right = own(question)

    def grade(answer: str) -> int:
        return int(any(agree(answer, said, question=question) for said in right))

    a, b = grade(judged.a), grade(judged.b)
    better = "same" if a == b else "A" if a > b else "B"
    why = "[simulated] compared with what this model would say"
    return json.dumps({"why": why, "a": a, "b": b, "better": better})
