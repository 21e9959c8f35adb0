# ruff: noqa: RUF001  look-alikes of Latin letters are words of other scripts here
"""Whether two answers to one question agree: a ladder from equal text down to equal meaning.

Each rung says yes, no, or that the answers are not of its kind, which leaves them to the next one.
Code is compared by its form and never run: running tests needs a sandbox, and none exists yet.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context
from itertools import combinations
from typing import cast

from router.agreement.codeform import FENCE, code_in, fenced, form_of
from router.agreement.likeness import alike, clash, is_limited
from router.agreement.quantity import is_bare, quantities, same_numbers, stated
from router.agreement.wording import POLAR, STOP_WORDS, clipped, folded
from tercet.answer import AgreementKind

SIMULATED_MARK = "[simulated] "
"""How every text of the project's own simulated upstreams begins."""

_OPENING_CHARS = 300
_ASKED_CHARS = 20_000  # the end of a question, where it may offer options
_MARKED_CHARS = 4_000  # the end of a text, where it may mark its final answer
_KEYED_CHARS = 10_000  # longer text is equal text only with the same words and marks
_BOX = re.compile(r"\\boxed\s*\{")
_MARKER = re.compile(
    r"(?im)\b(?:final |correct )?answer\**(?:\s+(?:is|would be)\b(?:\s+that\b)?|\s*[:=])[:\s*_]*"
    r"|\b(?:итоговый )?ответ\**\s*[:—-][\s*]*|(?:最终)?答案\s*[:：是为][\s*]*|^####\s+"
)
_FINAL = ("final", "correct", "итог", "最终", "#")
_FINAL_FIELDS = frozenset(("final", "final_answer", "answer"))
_REMARKS = frozenset(("reasoning", "explanation", "confidence", "rationale", "steps", "evidence"))
_OPENER = re.compile(
    r"(?i)\A(?:(?:sure|certainly|of course|okay|ok|great question|конечно|好的|当然)\s*[!,.:]\s*"
    r"|here(?:'s| is| are)\b[^\n:]{0,80}:\s*)+"
)
_CODE = re.compile(r"```|\bdef \w+\(|\bassert\b|\bprintf?\(|console\.log|\bfunction \w*\(|#include")
_LITERAL = re.compile(r"(?s)[\[({].*[\])}]|\".*\"|'.*'")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")

_QUOTES = str.maketrans({'"': "'", "`": ""})
_ARTICLE = re.compile(r"(?<![\w'])(?:a|an|[Tt]he|THE|An|^A)\s+(?=[^\W\d_]{2})")
_FLAG = re.compile(r"(?<![\w-])--?[A-Za-z]\w*")
_QUOTED = "'\"`*. "
_SIGN = re.compile(r"\s*([-+*/=^<>(),\[\]{}|:])\s*")

_DOCUMENT = re.compile(r"(?m)^[ \t]*(?=[{\[])")
_EXACTLY = Context(prec=100_000, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_NUMERAL = "\ue000"  # a private character, so that no document's own string begins with it

_LETTERED = re.compile(r"(?m)(?:^|[\s(])([A-Ja-j])[).:]\s+(\S[^\n]*?)(?=\s+\(?[A-Ja-j][).:]\s|$)")
_NUMBERED = re.compile(r"(?m)^\s*\(?([1-9])[).]\s+(\S[^\n]*)$")
_OFFERS = re.compile(r"(?i)\b(?:which|choose|select|pick|options?)\b")
_PICK = re.compile(
    r"(?i)(?:(?:i (?:choose|pick|select)|it'?s|it is|option|choice|(?:the )?(?:correct|right|best)"
    r"(?: answer| option| choice)?(?: is)?)[\s:]+)*"
    r"(\(?[a-j1-9]\)?(?:\s*(?:,|and|&)\s*\(?[a-j1-9]\)?(?!\w))*)"
    r"(?=\s*(?:$|[).:,;!\n]|-\s|is\b|because\b|since\b))"
)
_NOT = re.compile(r"\bnot\b|n't\b|\bне\b")
_VERDICT = re.compile(
    r"(?i)(?:(?:that|this|it|the statement|the claim)(?: is|'s)\s+)?"
    r"(?:(?P<no>no|nope|incorrect|false|wrong|not (?:true|correct|right)|нет|неверно|неправда"
    r"|不是的?|不|否|没有|いいえ|non|nein)|yes|yeah|yep|yup|correct|true|right|indeed"
    r"|absolutely|definitely|certainly|of course|да|верно|правда|是的?|对|はい|sí|si|oui|ja)"
    r"(?=\s*(?:$|[.,;:!()\n]|-\s|because\b|since\b|it\b|this\b|that\b|you\b))"
)


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
    left, right = _unmarked(first), _unmarked(second)
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
    said = [index for index, answer in enumerate(answers) if _unmarked(answer)]
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


def final_answer(text: str) -> str:
    """Return what a text marks as its final answer, or all of it without openers like "Sure!"."""
    if told := _final_field(text) or ", ".join(dict.fromkeys(_boxes(text))):
        return told
    end = text[-_MARKED_CHARS:]
    prose = FENCE.sub(lambda fence: " " * len(fence[0]), end)
    marks = [mark for mark in _MARKER.finditer(prose) if end[mark.end() :].strip(" \t\n.*_:`")]
    if not marks or (len(marks) > 1 and not marks[-1][0].casefold().startswith(_FINAL)):
        return (_OPENER.sub("", text) or text).strip()
    rest = end[marks[-1].end() :].strip()
    line = rest.split("\n", 1)[0].strip()
    line = line.replace("**", "", line.count("**") % 2)
    return rest if line.endswith(":") or line.startswith("```") else line


def _unmarked(answer: str) -> str:
    return answer.strip().removeprefix(SIMULATED_MARK.strip()).strip()


def _boxes(text: str) -> Iterator[str]:
    for start in [box.end() for box in _BOX.finditer(text)][-5:]:
        depth = 1
        for end in range(start, min(start + _OPENING_CHARS, len(text))):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if not depth:
                yield text[start:end]
                break


def _final_field(text: str) -> str:
    """Return the answer of a reply that is one JSON object: an answer and remarks about it."""
    if not text.startswith(("{", "```")):
        return ""
    fence = FENCE.fullmatch(text)
    try:
        reply = json.loads(fence[3] if fence else text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(reply, dict):
        return ""
    fields = cast("dict[str, object]", reply)
    told = [name for name in fields if name not in _REMARKS]
    if len(told) != 1 or told[0] not in _FINAL_FIELDS:
        return ""
    answer = fields[told[0]]
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _same_text(first: _Said, second: _Said, question: str) -> bool | None:
    one, other = first.final, second.final
    key = _key(one)
    if not key or key != _key(other):
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


def _key(text: str) -> str:
    if len(text) > _KEYED_CHARS:
        return " ".join(text.split())
    text = _ARTICLE.sub("", folded(text)).translate(_QUOTES)
    return _SIGN.sub(r"\1", " ".join(text.split())).casefold().strip(" .,;:!…'")


def _same_json(first: _Said, second: _Said, _question: str) -> bool | None:
    one, other = _documents(first.text), _documents(second.text)
    if not one or not other:
        return None
    if one != other and _final_field(first.text) and _final_field(second.text):
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
    if options := _options(question[-_ASKED_CHARS:]):
        left, right = _picked(first.final, options), _picked(second.final, options)
        if left and right:
            return left == right
    ours, theirs = (_verdict(said.final) or _verdict(said.text) for said in (first, second))
    if ours is None or theirs is None:
        return None
    if ours[0] != theirs[0]:
        return False
    left, right = ours[1], theirs[1]
    is_settled = bool(POLAR.search(clipped(question))) or not left or not right
    numbers = [{number.value for number in quantities(reason)} for reason in (left, right)]
    is_other = clash(left, right) or (all(numbers) and numbers[0] != numbers[1])
    return True if is_settled and not is_other and is_limited(left) == is_limited(right) else None


def _options(question: str) -> Mapping[str, str]:
    """Return the keys of the options that a question offers, by their letters or numbers."""
    for pattern, marks in ((_LETTERED, "abcdefghij"), (_NUMBERED, "123456789")):
        found = [(mark.casefold(), _key(text)) for mark, text in pattern.findall(question)]
        is_offer = pattern is _LETTERED or _OFFERS.search(question)
        if is_offer and len(found) > 1 and [mark for mark, _ in found] == list(marks[: len(found)]):
            return dict(found)
    return {}


def _picked(text: str, options: Mapping[str, str]) -> frozenset[str]:
    """Return the options that a text picks, by letter or by their words; none if unsure."""
    plain = folded(clipped(text)).strip()
    found = _PICK.match(plain)
    picked = frozenset(re.findall(r"\b[a-j1-9]\b", found[1].casefold() if found else ""))
    if picked and picked <= options.keys():
        return picked
    said = _key(_SENTENCE_END.split(plain)[0])
    named = {
        mark: key
        for mark, key in options.items()
        if key and re.search(rf"(?<!\w){re.escape(key)}(?!\w)", said)
    }
    widest = [
        m for m, key in named.items() if not any(key in k for n, k in named.items() if n != m)
    ]
    return frozenset(widest) if len(widest) == 1 and not _NOT.search(said) else frozenset()


def _verdict(text: str) -> tuple[bool, str] | None:
    """Return whether a text opens with yes or no, and the rest of its first sentence."""
    opening = folded(text[:_OPENING_CHARS]).strip(" *\"'")
    found = _VERDICT.match(opening)
    if found is None:
        return None
    rest = opening[found.end() :].strip(" .,:;!-*\n")
    return found["no"] is None, _SENTENCE_END.split(rest)[0]


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
