"""The same question said otherwise: what must not change who answers it.

Rules only, so that they run anywhere: a paraphrase rewords instructions and function words, and
leaves names, numbers, code words and the order of options alone.
"""

import random
import re
from collections.abc import Callable

Change = Callable[[str, random.Random], str]
NOISE_BEFORE = (
    "Hi there! ",
    "Hello, I hope you are having a good day. ",
    "Thanks for your help so far. Here is my next one.\n\n",
    "Please read this carefully. ",
    "I was wondering about the following.\n",
    "Quick one before lunch: ",
)
NOISE_AFTER = (
    "\n\nThank you very much in advance!",
    " Thanks.",
    "\n\nBest regards,\nAlex",
    "\nTake your time.",
    " I appreciate it.",
    "\n\nSent from my phone",
)
# Both ways round: whichever is met is replaced by another of its line.
SAME = (
    ("find", "determine", "work out"),
    ("calculate", "compute"),
    ("write", "create"),
    ("show", "demonstrate"),
    ("which of the following", "which one of these"),
    ("what is", "what's"),
    ("because", "since"),
    ("however", "but"),
    ("also", "in addition"),
    ("many", "a lot of"),
    ("each", "every"),
    ("about", "approximately"),
    ("if", "in case"),
    ("must", "has to"),
    ("begin", "start"),
    ("large", "big"),
    ("get", "receive"),
    ("buy", "purchase"),
    ("given", "provided"),
    ("return", "give back"),
    ("complete", "finish"),
    ("explain", "describe"),
    ("true", "correct"),
    ("most likely", "most probably"),
    ("how many", "what number of"),
)
FRAMES = ("{}", "Please answer: {}", "Here is a question. {}", "{}\nGive your answer.")
_WORD_OF = {word: tuple(w for w in line if w != word) for line in SAME for word in line}
_SAME = re.compile(
    r"\b(" + "|".join(sorted(map(re.escape, _WORD_OF), key=len, reverse=True)) + r")\b",
    re.IGNORECASE,
)


def casing(text: str, rng: random.Random) -> str:
    """Write all of it in lower case, in capitals, or each word with one."""
    return rng.choice((str.lower, str.upper, str.title))(text)


def whitespace(text: str, rng: random.Random) -> str:
    """Double some spaces, break some lines, and pad the ends."""
    words = [word + rng.choice((" ", " ", "  ", "\t", " \n")) for word in text.split(" ")]
    return rng.choice(("", "  ", "\n\n")) + "".join(words) + "\n"


def typos(text: str, rng: random.Random) -> str:
    """Swap, drop, double or replace 1 to 3 % of the characters."""
    letters = list(text)
    for _ in range(max(1, round(len(letters) * rng.uniform(0.01, 0.03)))):
        i = rng.randrange(len(letters))
        kind = rng.randrange(4)
        if kind == 0 and i + 1 < len(letters):
            letters[i], letters[i + 1] = letters[i + 1], letters[i]
        elif kind == 1:
            letters[i] = ""
        elif kind == 2:
            letters[i] *= 2
        else:
            letters[i] = rng.choice("abcdefghijklmnopqrstuvwxyz")
    return "".join(letters)


def punctuation(text: str, rng: random.Random) -> str:
    """Drop a third of the marks, double some, and end otherwise."""

    def mark(found: re.Match[str]) -> str:
        return rng.choice(("", found[0], found[0] * 2))

    return re.sub(r"[.,;:!?]", mark, text) + rng.choice((".", "!", "?", " ...", ""))


def surroundings(text: str, rng: random.Random) -> str:
    """Put sentences before and after it that have nothing to do with it."""
    return rng.choice(NOISE_BEFORE) + text + rng.choice(NOISE_AFTER)


def paraphrase(text: str, rng: random.Random) -> str:
    """Reword instructions and function words, and frame the whole."""

    def other(found: re.Match[str]) -> str:
        word = rng.choice(_WORD_OF[found[0].lower()])
        return word.capitalize() if found[0][0].isupper() else word

    return rng.choice(FRAMES).format(_SAME.sub(other, text))


CHANGES: dict[str, Change] = {
    "casing": casing,
    "whitespace": whitespace,
    "typos": typos,
    "punctuation": punctuation,
    "surroundings": surroundings,
    "paraphrase": paraphrase,
}
