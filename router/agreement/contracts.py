"""What form the final answer to a task has, and that answer read out of a text.

A contract asks a member to end in a form that a program can read and that still reads naturally:
"Answer: 391" on the last line, one JSON document, one fenced block. It never asks for a box, and
every text says that a form the request asks for comes first, so a caller sees no form of ours in
place of their own.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from router.agreement.choosing import chosen, options_in, verdict
from router.agreement.codeform import FENCE, code_in
from router.agreement.ladder import agree
from router.agreement.marking import final_answer, marked, unmarked
from router.agreement.quantity import quantities, stated
from router.agreement.wording import clipped, folded
from tercet.answer import AgreementKind
from tercet.taxonomy import Contract

MEMBER_TEXTS: Mapping[Contract, str] = {
    "text": "member",
    "short": "member_short",
    "number": "member_number",
    "choice": "member_choice",
    "json": "member_json",
    "code": "member_code",
}
"""The prompt of a member, by what its answer has to end in."""

_SHORT_CHARS = 200
_READ_CHARS = 20_000
_LETTERS = dict.fromkeys("abcdefghij", "")
"""The options of a question that does not show them."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\sa-z])|\n+")
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_NUMERAL = re.compile(r"[-+]?(?:\d[\d,]*)?\.?\d+(?:/\d+|%)?")
_WRAPPED = re.compile(r"\A\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}\Z")
_LEAD = re.compile(r"\AA(?:ns)?\s*[:.]\s*")
_EDGES = " \t\n*_`$"
_DOCUMENT = re.compile(r"[{\[]")
_MOST_STARTS = 20


def extract(contract: Contract, answer: str, question: str) -> str | None:
    """Return the final answer of a text under its contract, `None` where there is none.

    Deterministic, and never raises. Options are capital letters, the others as they are written.
    """
    said = unmarked(answer)
    return _EXTRACTS[contract](said, question) or None if said else None


# Of one task the same two answers are compared up to four times (is it over, is somebody else to be
# asked, how is it settled, what was changed), and long ones take 10 ms.
@lru_cache(maxsize=16)
def agree_under(contract: Contract, first: str, second: str, question: str) -> AgreementKind | None:
    """Return how two answers under one contract agree, `None` where they do not.

    A choice is compared by what is chosen alone, code and JSON by what is read out of the texts
    where both have it: what is said around them may differ.
    """
    if contract in ("choice", "code", "json"):
        one, other = (extract(contract, said, question) for said in (first, second))
        if one is not None and other is not None:
            if contract == "choice" and one == other:
                return "exact" if unmarked(first) == unmarked(second) else "choice"
            return None if contract == "choice" else agree(one, other, question=question)
    return agree(first, second, question=question)


def keeps(contract: Contract, answer: str) -> bool:
    """Whether a text ends in the form that its contract asks for."""
    said = unmarked(answer)
    match contract:
        case "text":
            return True
        case "json":
            return _document(said) == said
        case "code":
            return len(FENCE.findall(said)) == 1
        case _:
            return bool(marked(said)) or len(said) <= _SHORT_CHARS


def _text(said: str, _question: str) -> str:
    return final_answer(said)


def _short(said: str, _question: str) -> str:
    """Return what is marked; else the one thing in bold, or the first sentence, or the last."""
    if told := marked(said):
        return _bare(told)
    sentences = [part for part in _SENTENCE_END.split(final_answer(said)) if part.strip(_EDGES)]
    bold = dict.fromkeys(_BOLD.findall(said))
    if len(bold) == 1:
        return _bare(next(iter(bold)))
    return _bare(next((s for s in sentences if len(s) <= _SHORT_CHARS), "\n".join(sentences[-1:])))


def _number(said: str, question: str) -> str:
    """Return the number a text comes down to, with its unit where it is written beside it."""
    said = _LEAD.sub("", said)
    told = _bare(marked(said))
    if told and (_NUMERAL.search(told) or quantities(folded(told))):
        return told
    if told and ("\\" in told or len(told.split()) == 1):
        return told  # a value without digits, such as π
    if len(said) <= _SHORT_CHARS and "\n" not in said and len(_NUMERAL.findall(said)) == 1:
        return _bare(said)
    if found := stated(clipped(said), question=clipped(question)):
        return ", ".join(format(quantity.value.normalize(), "f") for quantity in found)
    numerals = _NUMERAL.findall(said[-_READ_CHARS:])
    return numerals[-1] if numerals else ""


def _choice(said: str, question: str) -> str:
    """Return the letters of the options that are chosen, or yes or no."""
    for options in (options_in(question), _LETTERS):
        if options and (letters := chosen(said, options)):
            return ", ".join(sorted(letters)).upper()
    judged = verdict(final_answer(said)) or verdict(said)
    return "" if judged is None else "yes" if judged[0] else "no"


def _json(said: str, _question: str) -> str:
    """Return the JSON document of a text, the last where it has several."""
    blocks = [fence[3] for fence in FENCE.finditer(said) if fence[2].casefold() in ("", "json")]
    documents = [document for text in (said, *blocks) if (document := _document(text))]
    return documents[-1] if documents else ""


def _code(said: str, _question: str) -> str:
    """Return the last fenced block, or all of a text that is bare code."""
    blocks = [fence[0].strip() for fence in FENCE.finditer(said) if fence[3].strip()]
    return blocks[-1] if blocks else said if code_in(said) else ""


def _document(text: str) -> str:
    """Return the last object or array of a text that is JSON, as it is written."""
    text = text.strip()[-_READ_CHARS:]
    decoder, found, end = json.JSONDecoder(), "", 0
    for start in list(_DOCUMENT.finditer(text))[:_MOST_STARTS]:
        if start.start() < end:
            continue
        try:
            _, end = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        found = text[start.start() : end]
    return found


def _bare(text: str) -> str:
    """Return a final answer without what only marks it: emphasis, dollars, a last full stop."""
    text = text.strip(_EDGES)
    if wrapped := _WRAPPED.match(text):
        text = wrapped[1].strip(_EDGES)
    return text.removesuffix(".").strip(_EDGES) if not text.endswith("...") else text


_EXTRACTS: Mapping[Contract, Callable[[str, str], str]] = {
    "text": _text,
    "short": _short,
    "number": _number,
    "choice": _choice,
    "json": _json,
    "code": _code,
}
