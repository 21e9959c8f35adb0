# ruff: noqa: RUF001  look-alikes of Latin letters are words of other scripts here
"""Which of the options that a question offers a text picks, and whether it says yes or no."""

import re
from collections.abc import Mapping

from router.agreement.marking import final_answer, marked
from router.agreement.wording import clipped, folded, key_of

_ASKED_CHARS = 20_000  # the end of a question, where it may offer options
_OPENING_CHARS = 300
_LETTERED = re.compile(r"(?m)(?:^|[\s(])([A-Ja-j])[).:]\s+(\S[^\n]*?)(?=\s+\(?[A-Ja-j][).:]\s|$)")
_NUMBERED = re.compile(r"(?m)^\s*\(?([1-9])[).]\s+(\S[^\n]*)$")
_OFFERS = re.compile(r"(?i)\b(?:which|choose|select|pick|options?)\b")
_PICK = re.compile(
    r"(?i)(?:(?:i (?:choose|pick|select)|it'?s|it is|option|choice|(?:the )?(?:correct|right|best)"
    r"(?: answer| option| choice)?(?: is)?)[\s:]+)*"
    r"(\(?[a-j1-9]\)?(?:\s*(?:,|and|&)\s*\(?[a-j1-9]\)?(?!\w))*)"
    r"(?=\s*(?:$|[).:,;!\n]|-\s|is\b(?! (?:not|wrong|incorrect|false))|because\b|since\b))"
)
_LETTER = r"((?-i:[A-J])|[1-9])"
_CONCLUDED = re.compile(
    r"(?i)\b(?:answer|option|choice|alternative|statement)s?\**"
    r"(?:\s+(?:is|would be|must be)|\s*[:=-])?"
    rf"\s*[\"'*(\[]*\b{_LETTER}\b(?![\w'])"
    rf"|\b{_LETTER}\b[\"'*)\].:]*\s+is\s+(?:the\s+)?(?:most\s+)?"
    r"(?:correct|right|best|true|answer|appropriate|likely|accurate)\b"
)
_CONCLUSION_CHARS = 2_000
_MOST_SENTENCES = 3  # the last of a text, where an answer is come to
_NOT = re.compile(r"\bnot\b|n't\b|\bне\b")
_VERDICT = re.compile(
    r"(?i)(?:(?:that|this|it|the statement|the claim)(?: is|'s)\s+)?"
    r"(?:(?P<no>no|nope|incorrect|false|wrong|not (?:true|correct|right)|нет|неверно|неправда"
    r"|不是的?|不|否|没有|いいえ|non|nein)|yes|yeah|yep|yup|correct|true|right|indeed"
    r"|absolutely|definitely|certainly|of course|да|верно|правда|是的?|对|はい|sí|si|oui|ja)"
    r"(?=\s*(?:$|[.,;:!()\n]|-\s|because\b|since\b|it\b|this\b|that\b|you\b))"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def options_in(question: str) -> Mapping[str, str]:
    """Return the keys of the options that a question offers, by their letters or numbers."""
    for pattern, marks in ((_LETTERED, "abcdefghij"), (_NUMBERED, "123456789")):
        found = [
            (mark.casefold(), key_of(text))
            for mark, text in pattern.findall(question[-_ASKED_CHARS:])
        ]
        is_offer = pattern is _LETTERED or _OFFERS.search(question)
        if is_offer and len(found) > 1 and [mark for mark, _ in found] == list(marks[: len(found)]):
            return dict(found)
    return {}


def chosen(text: str, options: Mapping[str, str]) -> frozenset[str]:
    """Return the options that a text picks, by letter or by their words; none if unsure.

    What is marked counts alone; else a letter at the head, what the last sentences come to, and
    an option that the first sentence names.
    """
    told = folded(clipped(marked(text))).strip()
    if picked := _lettered(told, options) or _named(told, options):
        return picked
    plain = folded(clipped(final_answer(text))).strip()
    if told:
        return frozenset()
    return _lettered(plain, options) or _concluded(text, options) or _named(plain, options)


def _lettered(plain: str, options: Mapping[str, str]) -> frozenset[str]:
    found = _PICK.match(plain)
    picked = frozenset(re.findall(r"\b[a-j1-9]\b", found[1].casefold() if found else ""))
    return picked if picked <= options.keys() else frozenset()


def _named(plain: str, options: Mapping[str, str]) -> frozenset[str]:
    said = key_of(_SENTENCE_END.split(plain)[0])
    named = {
        mark: key
        for mark, key in options.items()
        if key and re.search(rf"(?<!\w){re.escape(key)}(?!\w)", said)
    }
    widest = [
        m for m, key in named.items() if not any(key in k for n, k in named.items() if n != m)
    ]
    return frozenset(widest) if len(widest) == 1 and not _NOT.search(said) else frozenset()


def _concluded(text: str, options: Mapping[str, str]) -> frozenset[str]:
    """Return the option that the last sentences of a text come to."""
    sentences = _SENTENCE_END.split(folded(text[-_CONCLUSION_CHARS:]))
    for sentence in reversed([said for said in sentences if said.strip()][-_MOST_SENTENCES:]):
        if found := _lettered(sentence.strip(" *_#>-"), options):
            return found
        letters = [(one or other).casefold() for one, other in _CONCLUDED.findall(sentence)]
        if letters and letters[-1] in options and not _NOT.search(sentence):
            return frozenset((letters[-1],))
    return frozenset()


def verdict(text: str) -> tuple[bool, str] | None:
    """Return whether a text opens with yes or no, and the rest of its first sentence."""
    opening = folded(text[:_OPENING_CHARS]).strip(" *\"'")
    found = _VERDICT.match(opening)
    if found is None:
        return None
    rest = opening[found.end() :].strip(" .,:;!-*\n")
    return found["no"] is None, _SENTENCE_END.split(rest)[0]
