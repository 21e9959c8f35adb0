"""What the simulated models say: a pure function of the model and the prompt.

Two families say the same thing in different words, so agreement has to be found by meaning.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from deployments.simulated.acting import Action, actions, mistakes, results
from deployments.simulated.arithmetic import Sum, spelled, sum_in
from deployments.simulated.counting import BYTES_PER_TOKEN, output_tokens
from deployments.simulated.filling import answer_for
from deployments.simulated.judging import judged_in, verdict
from deployments.simulated.markers import (
    family,
    last_count,
    markers,
    user_text,
    without_markers,
    words_of,
)
from tercet.call import Prompt
from tercet.task import turn

PREFIX = "[simulated] "
CRITIQUE = "ANOTHER ANSWER"
QUOTING_ROLES = ("You are the memory", "You are the junior")

_GIST_WORDS = 12
_READ_CHARACTERS = 4_000
_QUOTES = 3
_QUOTE_CHARACTERS = (15, 300)
_MOST_WORDS = 100_000
_FILLER = ("and", "so", "the", "simulated", "thought", "goes", "on")
_AGREED = Fraction(42)
_FAMILIES = ("claude", "gemini")
# The first round in which the families say the same again.
_CONVERGES: Mapping[str, float] = {
    "agree": 1,
    "disagree-once": 2,
    "disagree-twice": 3,
    "disagree": float("inf"),
}

_CODE = re.compile(
    r"\b(?:write|implement|create|add|fix|refactor|code|rename|convert|sort|remove)\b[^.?!\n]*"
    r"\b(?:function|class|code|script|program|method|module|tests?|endpoint|python|variable|imports?"
    r"|loop|def)\b",
    re.IGNORECASE,
)
_JSON = re.compile(r"\b(?:in|as|with|return|only) (?:valid )?json\b", re.IGNORECASE)
_OPTION = re.compile(
    r"(?:^|[\s(])([A-Ea-e])[).:]\s+(\S.*?)(?=\s+\(?[A-Ea-e][).:]\s|\n|$)", re.MULTILINE
)
_YES_NO = re.compile(
    r"(?:^|[.?!:]\s+|\n\s*)((?!\w+ you\b)(?:is|are|was|were|do|does|did|can|could|will|would|should"
    r"|has|have|had)\s[^.?!\n]{2,300}\?)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """What comes before the speech; the wire signs it."""

    tokens: int
    text: str
    """Empty if the caller does not want to see it."""
    is_redacted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What a model says, already cut to the limits of the prompt: text or uses of tools."""

    text: str = ""
    actions: tuple[Action, ...] = ()
    thinking: Thinking | None = None
    ended: Literal["stop", "length", "stop_sequence"]
    stopped_by: str | None = None
    """The stop sequence that ended it; not part of `text`."""

    @property
    def thought_tokens(self) -> int:
        """Tokens of the thinking, seen or not."""
        return 0 if self.thinking is None else self.thinking.tokens

    @property
    def said_tokens(self) -> int:
        """Tokens of everything else."""
        return output_tokens(self.text + "".join(action.arguments for action in self.actions))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """An answer that is the same for both families; `lead` begins Claude's way to say it."""

    answer: str
    lead: str = ""


def speak(model: str, prompt: Prompt) -> Speech:
    """Answer `prompt` as `model`; the same arguments always give the same speech."""
    return _said(model, prompt, actions(model, prompt))


def misspeak(model: str, prompt: Prompt) -> Speech:
    """Use a tool with arguments that are not valid JSON."""
    return _said(model, prompt, mistakes(model, prompt))


def pieces(text: str, words: int = 1) -> list[str]:
    """Cut a text into the pieces in which it is streamed: words with the space after them."""
    cut = re.findall(r"\S+\s*", text)
    return ["".join(cut[at : at + words]) for at in range(0, len(cut), words)]


def _said(model: str, prompt: Prompt, done: tuple[Action, ...]) -> Speech:
    thinking = _thinking(model, prompt)
    thought = 0 if thinking is None else thinking.tokens
    limit = max(prompt.max_output_tokens - thought, 0)
    said = _within(done, limit) if done else _cut(_text(model, prompt), prompt.stop, limit)
    return replace(said, thinking=thinking)


def _text(model: str, prompt: Prompt) -> str:
    if judged := judged_in(prompt):
        return verdict(judged, _honest)
    found = results(prompt)
    told = _answer(model, prompt) if found is None else f"The tool said: {found}"
    text = _told_in(user_text(prompt), model, PREFIX + told)
    wanted = prompt.controls.output
    if wanted is None:
        return text
    value = {"answer": text} if wanted.schema is None else answer_for(wanted.schema, text)
    return json.dumps(value, ensure_ascii=False)


def _honest(question: str) -> tuple[str, ...]:
    """Return what either family says to a question where markers ask for a length alone."""
    asked = Prompt(
        system="",
        messages=(turn("user", without_markers(question)),),
        max_output_tokens=_MOST_WORDS,
    )
    return tuple(_told_in(question, name, PREFIX + _answer(name, asked)) for name in _FAMILIES)


def _told_in(said: str, model: str, text: str) -> str:
    """Return a text at the length that `sim:words` asks for, if it does."""
    words = last_count(markers(said, model), "words")
    return text if words is None else _lengthened(text, words)


def _thinking(model: str, prompt: Prompt) -> Thinking | None:
    """Return what `sim:think` asks for, unless the caller has switched thinking off."""
    asked = [m.value for m in markers(user_text(prompt), model) if m.name == "think"]
    if not asked or prompt.controls.effort == "none":
        return None
    text = f"Simulated thinking about: {_gist(_question(prompt))}"
    is_redacted = asked[-1] == "redacted"
    return Thinking(
        tokens=min(output_tokens(text), max(prompt.max_output_tokens, 0)),
        text=text if prompt.controls.shows_thoughts and not is_redacted else "",
        is_redacted=is_redacted,
    )


def _answer(model: str, prompt: Prompt) -> str:
    if any(role in prompt.system for role in QUOTING_ROLES):
        return _quotes(prompt)
    question = _question(prompt)
    if any(marker.name == "wrong" for marker in markers(user_text(prompt), model)):
        return _wrong(question)
    told = _told(model, prompt, question)
    if told is None and _CODE.search(question):
        return _code(model, question)
    finding = told or _sum(question) or _choice(question) or _yes_or_no(question)
    if _JSON.search(question):
        return _as_json(model, finding or _Finding(answer=_gist(question)))
    if finding is not None:
        return _statement(model, finding)
    return _echo(model, question)


def _wrong(question: str) -> str:
    """Answer another question than the one that was asked."""
    if _CODE.search(question):
        return (
            "This does it:\n\n```python\ndef other() -> None:\n    raise NotImplementedError\n```"
        )
    return "That is about the price of tea, which nobody asked about."


def _question(prompt: Prompt) -> str:
    """Return what is asked, without markers: in a critique round, what was asked before it."""
    said = [words_of(message) for message in prompt.messages if message.speaker == "user"]
    said = [text for text in said if text] or [""]
    critique = next((n for n, text in enumerate(said) if CRITIQUE in text), None)
    if critique is None:
        asked = said[-1]
    elif critique > 0:
        asked = said[critique - 1]
    else:
        asked = said[0].split(CRITIQUE, 1)[0]
    asked = without_markers(asked).strip()
    if len(asked) <= _READ_CHARACTERS:
        return asked
    return f"{asked[: _READ_CHARACTERS // 2]}\n{asked[-_READ_CHARACTERS // 2 :]}"


def _told(model: str, prompt: Prompt, question: str) -> _Finding | None:
    """Return the answer that a marker about agreement asks for, or `None` without one."""
    said = user_text(prompt)
    told = [marker.name for marker in markers(said, model) if marker.name in _CONVERGES]
    if not told:
        return None
    found = sum_in(question)
    number = _AGREED if found is None or found.value is None else found.value
    # Only Gemini moves, so that two voices that saw each other do not merely swap.
    differs = family(model) == "gemini" and _round(said) < _CONVERGES[told[-1]]
    return _Finding(answer=spelled(number + 1 if differs else number), lead="I get ")


def _round(said: str) -> int:
    if CRITIQUE not in said:
        return 1
    return max((int(n) for n in re.findall(r"\bROUND ([23])\b", said)), default=2)


def _sum(question: str) -> _Finding | None:
    found = sum_in(question)
    if found is None:
        return None
    return _Finding(answer=found.answer, lead=_lead(found))


def _lead(found: Sum) -> str:
    return f"{found.expression} {'is' if found.value is None else '='} "


def _choice(question: str) -> _Finding | None:
    options = [(letter.upper(), text.strip()) for letter, text in _OPTION.findall(question)]
    letters = [letter for letter, _ in options]
    if len(options) < 2 or letters != list("ABCDE"[: len(letters)]):
        return None
    picked = _picked(" ".join(text for _, text in options), len(options))
    return _Finding(answer=letters[picked], lead="I choose ")


def _yes_or_no(question: str) -> _Finding | None:
    match = _YES_NO.search(question)
    asked = [match.group(1)] if match is not None else []
    asked += [line for line in question.splitlines() if "yes or no" in line.lower()]
    if not asked:
        return None
    return _Finding(answer=("yes", "no")[_picked(asked[0], 2)])


def _picked(text: str, choices: int) -> int:
    """Pick by the words alone, so that another layout of the same question changes nothing."""
    words = " ".join(re.findall(r"\w+", text.lower()))
    return hashlib.sha256(words.encode()).digest()[0] % choices


def _statement(model: str, finding: _Finding) -> str:
    if family(model) == "gemini":
        return f"The answer is {finding.answer}."
    said = f"{finding.lead}{finding.answer}."
    return said[0].upper() + said[1:]


def _as_json(model: str, finding: _Finding) -> str:
    answer: str | int = finding.answer
    if finding.answer.removeprefix("-").isdecimal():
        answer = int(finding.answer)
    indent = 2 if family(model) == "gemini" else None
    return json.dumps({"answer": answer}, indent=indent, ensure_ascii=False)


def _code(model: str, question: str) -> str:
    opening = "This does it:" if family(model) == "gemini" else "Here is a small sketch:"
    return (
        f"{opening}\n\n```python\ndef solution(value: object) -> object:\n"
        f"    # {_gist(question)}\n    return value\n```"
    )


def _echo(model: str, question: str) -> str:
    """Say the same in two ways: by default the families agree, in meaning if not in words."""
    if family(model) == "gemini":
        return (
            f'You asked "{_gist(question)}", which was read to the end; my reasoning would follow.'
        )
    return (
        f'You asked: "{_gist(question)}". That was read to the end, and my reasoning would follow.'
    )


def _gist(question: str) -> str:
    words = question.split()
    return " ".join(words[:_GIST_WORDS]) + ("..." if len(words) > _GIST_WORDS else "")


def _quotes(prompt: Prompt) -> str:
    """Quote the lines that share most words with the last one, which is taken as the question."""
    shortest, longest = _QUOTE_CHARACTERS
    read = [line.strip() for message in prompt.messages for line in words_of(message).splitlines()]
    asked = set(re.findall(r"\w+", read[-1].lower())) if read else set[str]()
    worth = list(dict.fromkeys(line[:longest] for line in read[:-1] if len(line) >= shortest))

    def shared(line: str) -> int:
        return len(asked & set(re.findall(r"\w+", line.lower())))

    closest = sorted(worth, key=shared, reverse=True)[:_QUOTES]
    quoted = [line for line in worth if line in closest] or [line for line in read[-1:] if line]
    notes = f"Notes: {len(quoted)} of {len(read)} lines quoted, those closest to the question."
    return "\n".join(["Quotes:", *(f"> {line}" for line in quoted), notes])


def _lengthened(text: str, words: int) -> str:
    """Return `text` cut or continued to exactly `words` words, at least one."""
    wanted = min(max(words, 1), _MOST_WORDS)
    said = pieces(text)
    if len(said) >= wanted:
        return "".join(said[:wanted]).rstrip()
    more = " ".join(_FILLER[n % len(_FILLER)] for n in range(wanted - len(said)))
    # What follows a fence on its line would keep it open.
    return f"{text}\n{more}" if text.endswith("```") else f"{text} {more}"


def _cut(text: str, stop: tuple[str, ...], limit: int) -> Speech:
    """End at the first stop sequence or at the token limit, whichever comes first."""
    stops = [(text.find(word), word) for word in stop if word and word in text]
    kept = text[: min(stops)[0]] if stops else text
    if output_tokens(kept) > limit:
        return Speech(text=_first(kept, limit), ended="length")
    if stops:
        return Speech(text=kept, ended="stop_sequence", stopped_by=min(stops)[1])
    return Speech(text=kept, ended="stop")


def _within(done: tuple[Action, ...], limit: int) -> Speech:
    """Break off in the arguments that the token limit does not hold."""
    speech = Speech(actions=done, ended="stop")
    if speech.said_tokens <= limit:
        return speech
    kept: list[Action] = []
    for action in done:
        whole = "".join(action.arguments for action in kept)
        left = _first(whole + action.arguments, limit)[len(whole) :]
        if left:
            kept.append(replace(action, arguments=left))
    return Speech(actions=tuple(kept), ended="length")


def _first(text: str, tokens: int) -> str:
    return text.encode()[: tokens * BYTES_PER_TOKEN].decode(errors="ignore")
