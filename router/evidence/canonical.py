"""Text as it reads, whatever it is written with: invisible, look-alike and stretched characters."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Controls, format characters, tags, variation selectors, halves of pairs: they show nothing."""
_CONTROLS: Final = dict.fromkeys((*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F))
_STRETCHED: Final = re.compile(
    # The first three characters tell that most places are none, before three ways are tried.
    r"(?=[\s.!?;,:~=*_+-]{3})"
    r"(?:[^\S\n]{3,}|\s*\n\s*\n\s*\n\s*|(?:[.!?;,:~=*_+-] ?){9,})"
)
_STRETCH_MARKS: Final = (
    *("   ", "\n\n\n", "\n \n", "\t\t\t", "......", ". . .", "!!!!!!", "??????", "------"),
    *("======", "******", "______", "~~~~~~", "- - -", ";;;;;;", ",,,,,,"),
)
_TURN_MARKS: Final = re.compile(r"<\|[\w-]{0,30}\|>|\[/?INST\]|<</?SYS>>")
"""How chat templates mark turns: in a message they are text that says nothing."""
_PILED: Final = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")
"""Accents that compose with no letter."""
_CYRILLIC: Final = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LATIN: Final = re.compile("[A-Za-z]")
_GENUINE: Final = re.compile("[бгджзйлпфцчшщъыьэюяδθλξπσφψ]", re.IGNORECASE)
"""Letters that no Latin one looks like."""
_MIXED: Final = re.compile(
    "[A-Za-z'\u2019][\u0370-\u03ff\u0400-\u052f]|[\u0370-\u03ff\u0400-\u052f]['\u2019]?[A-Za-z]"
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_LOOK_ALIKES: Final = (
    ("абвеёзикмнорстухѕіјҽһԁԛԝ", "abbee3ukmhopctyxsijehdqw"),
    ("АВЕЁКМНОРСТУХЅІЈҺԌԚԜ", "ABEEKMHOPCTYXSIJHGQW"),
    ("αβεηικνορτυχωϲϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abenikvoptuxwcjABEZHIKMNOPTYX"),
)
_TO_LATIN: Final[Mapping[int, str]] = {
    ord(foreign): latin
    for alphabet, plain in _LOOK_ALIKES
    for foreign, latin in zip(alphabet, plain, strict=True)
}
_FROM_LATIN: Final[Mapping[int, str]] = {
    ord(latin): foreign
    for foreign, latin in zip("асеорхуікмтнАСЕОРХУІКМТНВ", "aceopxyikmthACEOPXYIKMTHB", strict=True)
}
_SENTENCE: Final = re.compile(r"[^.!?;:\n]+")


def canonical(text: str) -> str:
    """Return a text without what cannot be seen, in plain letters, with its gaps closed."""
    if text.isascii():
        plain = text.translate(_CONTROLS)
    else:
        plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
        plain = _plain_letters(_PILED.sub("", plain))
    plain = plain.strip()
    if "<|" in plain or "[INST]" in plain or "<<SYS" in plain:
        plain = _TURN_MARKS.sub("\n", plain).strip()
    if any(mark in plain for mark in _STRETCH_MARKS):
        return _STRETCHED.sub(_closed, plain)
    return plain


def _closed(gap: re.Match[str]) -> str:
    if "\n" in gap[0]:
        return "\n\n"
    return " " if gap[0].isspace() else f"{gap[0][:3]} "


def _plain_letters(text: str) -> str:
    """Spell every word in one alphabet."""
    if not _CYRILLIC.search(text) or (_GENUINE.search(text) and not _MIXED.search(text)):
        return text
    return _SENTENCE.sub(_in_plain_letters, text)


def _in_plain_letters(sentence: re.Match[str]) -> str:
    words = [word for word in _WORD.findall(sentence[0]) if _CYRILLIC.search(word)]
    is_foreign = any(not _LATIN.search(word) and not _looks_latin(word) for word in words)
    is_latin = not is_foreign and _LATIN.search(sentence[0]) is not None
    return _WORD.sub(
        lambda word: (
            word[0].translate(_TO_LATIN)
            if is_latin
            else _in_one_alphabet(word[0], is_foreign=is_foreign)
        ),
        sentence[0],
    )


def _looks_latin(word: str) -> bool:
    """Whether each foreign letter of a word looks like a Latin one."""
    return all(ord(letter) in _TO_LATIN for letter in _CYRILLIC.findall(word))


def _in_one_alphabet(word: str, *, is_foreign: bool) -> str:
    """Return a word that mixes alphabets, or looks Latin among Latin ones, in one alphabet."""
    if not _CYRILLIC.search(word):
        return word
    latin = _LATIN.findall(word)
    if not latin:
        return word
    if _looks_latin(word) and not (is_foreign and _is_cyrillic_word(word, latin)):
        return word.translate(_TO_LATIN)
    if latin and all(ord(letter) in _FROM_LATIN for letter in latin):
        return word.translate(_FROM_LATIN)
    return word


def _is_cyrillic_word(word: str, latin: list[str]) -> bool:
    """Whether a word is rather one with a few Latin look-alikes in it."""
    return 2 * len(latin) < len(word) and all(ord(letter) in _FROM_LATIN for letter in latin)
