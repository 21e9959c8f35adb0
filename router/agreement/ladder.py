"""Whether two answers to one question agree: a ladder from equal text down to equal meaning.

Each rung says yes, no, or that the answers are not of its kind, which leaves them to the next one.
Code is compared by its form and never run: running tests needs a sandbox, and none exists yet.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context
from itertools import combinations

from router.agreement.choosing import chosen, options_in, verdict
from router.agreement.codeform import FENCE, code_in, fenced, form_of
from router.agreement.likeness import alike, clash, is_limited
from router.agreement.marking import final_answer, is_enveloped, unmarked
from router.agreement.quantity import is_bare, quantities, same_numbers, stated
from router.agreement.wording import POLAR, STOP_WORDS, clipped, folded, key_of
from tercet.answer import AgreementKind

_OPENING_CHARS = 300
_CODE = re.compile(r"```|\bdef \w+\(|\bassert\b|\bprintf?\(|console\.log|\bfunction \w*\(|#include")
_LITERAL = re.compile(r"(?s)[\[({].*[\])}]|\".*\"|'.*'")

_FLAG = re.compile(r"(?<![\w-])--?[A-Za-z]\w*")
_QUOTED = "'\"`*. "

_DOCUMENT = re.compile(r"(?m)^[ \t]*(?=[{\[])")
_EXACTLY = Context(prec=100_000, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_NUMERAL = "\ue000"  # a private character, so that no document's own string begins with it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    text: str
    final: str
    """What `text` marks as its answer."""


_Rung = Callable[[_Said, _Said, str], bool | None]


def agree(first: str, second: str, *, question: str) -> AgreementKind | None:
    """Return the rung on which two answers to `question` agree, `None` where they do not.

    Symmetric, deterministic, and never raises: what cannot be parsed is not of that rung's kind.
    """
    left, right = unmarked(first), unmarked(second)
    if not left or not right:
        return None
    if left == right:
        return "exact"
    one = _Said(text=left, final=final_answer(left))
    other = _Said(text=right, final=final_answer(right))
    for kind, rung in _LADDER.items():
        verdict = rung(one, other, question)
        if verdict is not None:
            return kind if verdict else None
    return None


def largest_camp(answers: Sequence[str], *, question: str) -> tuple[int, ...]:
    """Return the indices of the most answers that all agree with each other.

    Of camps of one size the one with the earliest answer wins. Blank answers are in no camp.
    """
    said = [index for index, answer in enumerate(answers) if unmarked(answer)]
    friends = {
        (one, other)
        for one, other in combinations(said, 2)
        if agree(answers[one], answers[other], question=question)
    }

    def grown(camp: tuple[int, ...], others: Sequence[int]) -> tuple[int, ...]:
        best = camp
        for place, index in enumerate(others):
            if len(camp) + len(others) - place <= len(best):
                break
            allies = [other for other in others[place + 1 :] if (index, other) in friends]
            best = max(best, grown((*camp, index), allies), key=len)
        return best

    return grown((), said)


def _same_text(first: _Said, second: _Said, question: str) -> bool | None:
    one, other = first.final, second.final
    key = key_of(one)
    if not key or key != key_of(other):
        return None
    if _LITERAL.fullmatch(one) and _LITERAL.fullmatch(other):
        return form_of("", one) == form_of("", other)
    if _CODE.search(question) and not _is_prose(one):  # case and blanks are part of an output
        return one.strip(_QUOTED) == other.strip(_QUOTED)
    if _FLAG.findall(one) != _FLAG.findall(other):
        return False
    # The key is blind to case, which tells milliwatts from megawatts.
    left, right = (quantities(folded(clipped(text))) for text in (one, other))
    return [number.factor for number in left] == [number.factor for number in right]


def _same_json(first: _Said, second: _Said, _question: str) -> bool | None:
    one, other = _documents(first.text), _documents(second.text)
    if not one or not other:
        return None
    if one != other and is_enveloped(first.text) and is_enveloped(second.text):
        return None
    return one == other


def _documents(text: str) -> str:
    """Spell the JSON objects and arrays that begin a line; empty where one of them is broken."""
    if any(fence[2].casefold() not in ("", "json") for fence in FENCE.finditer(text)):
        return ""
    decoder = json.JSONDecoder(parse_float=_numeral, parse_int=_numeral, parse_constant=_numeral)
    documents: list[object] = []
    start = _DOCUMENT.search(text)
    try:
        while start:
            document, end = decoder.raw_decode(text, start.end())
            if text[end:].split("\n", 1)[0].strip():
                return ""
            documents.append(document)
            start = _DOCUMENT.search(text, end)
        return json.dumps(documents, sort_keys=True) if documents else ""
    except (ValueError, RecursionError):
        return ""


def _numeral(spelled: str) -> str:
    """Spell 1, 1.0 and 1e0 alike, and unlike any string or truth value."""
    return f"{_NUMERAL}{_EXACTLY.plus(_EXACTLY.create_decimal(spelled)).normalize(_EXACTLY)}"


def _same_code(first: _Said, second: _Said, _question: str) -> bool | None:
    one, other = code_in(first.final), code_in(second.final)
    if one is None and other is None:
        return None
    return one is not None and other is not None and form_of(*one) == form_of(*other)


def _same_number(first: _Said, second: _Said, question: str) -> bool | None:
    one, other = clipped(first.final), clipped(second.final)
    asked = "" if _CODE.search(question) else clipped(question)
    left, right = stated(one, question=asked), stated(other, question=asked)
    if not left or not right:
        return None
    is_sentence = max(len(one), len(other)) < _OPENING_CHARS and not (
        is_bare(one) or is_bare(other)
    )
    if is_sentence and clash(one, other):
        return False
    return same_numbers(left, right, question=asked)


def _same_choice(first: _Said, second: _Said, question: str) -> bool | None:
    if options := options_in(question):
        left, right = (chosen(said.text, options) for said in (first, second))
        if left and right:
            return left == right
    ours, theirs = (verdict(said.final) or verdict(said.text) for said in (first, second))
    if ours is None or theirs is None:
        return None
    if ours[0] != theirs[0]:
        return False
    left, right = ours[1], theirs[1]
    is_settled = bool(POLAR.search(clipped(question))) or not left or not right
    numbers = [{number.value for number in quantities(reason)} for reason in (left, right)]
    is_other = clash(left, right) or (all(numbers) and numbers[0] != numbers[1])
    return True if is_settled and not is_other and is_limited(left) == is_limited(right) else None


def _same_meaning(first: _Said, second: _Said, question: str) -> bool:
    one, other = first.final, second.final
    if _LITERAL.fullmatch(one) and _LITERAL.fullmatch(other):
        return False
    if _CODE.search(question) and not (_is_prose(one) or _is_prose(other)):
        return False
    left, right = fenced(one), fenced(other)
    if left and right and form_of(*left) != form_of(*right):
        return False
    return alike(FENCE.sub(" ", one), FENCE.sub(" ", other), question=question)


def _is_prose(text: str) -> bool:
    return sum(word in STOP_WORDS for word in text[:_OPENING_CHARS].casefold().split()) > 1


_LADDER: Mapping[AgreementKind, _Rung] = {
    "json": _same_json,
    "code": _same_code,
    "exact": _same_text,
    "number": _same_number,
    "choice": _same_choice,
    "meaning": _same_meaning,
}
"""Structured text first: to the others, layout and case mean nothing."""
