# ruff: noqa: RUF001  look-alikes of Latin letters are words of other scripts here
"""How an answer is read: spelled one way and cut into words, facts and what says little."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

_READ_CHARS = 4_000
_KEYED_CHARS = 10_000  # longer text is equal text only with the same words and marks
_READ_CHARS_SPACELESS = 1_000  # each of their characters is read as a word

_SPELLING = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "ʼ": "'", "−": "-"}
    | {"–": "-", "‐": "-", "‑": "-", "—": " - ", "⁄": "/", "、": ", ", "。": ". ", "，": ", "}
    | {c: f" {unicodedata.normalize('NFKC', c)}" for c in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}
)
_QUOTES = str.maketrans({'"': "'", "`": ""})
_ARTICLE = re.compile(r"(?<![\w'])(?:a|an|[Tt]he|THE|An|^A)\s+(?=[^\W\d_]{2})")
_SIGN = re.compile(r"\s*([-+*/=^<>(),\[\]{}|:])\s*")
_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_POWER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{(\w+)\}\s*\{(\w+)\}"), r" \1/\2"),
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf|operatorname)\s*\{([^{}]{0,300})\}"), r"\1"),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), "×"),
    (re.compile(r"\\(?:left|right|[,;:!()\[\]])"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?=[%$#&_{}])"), ""),
    (re.compile(r"\$(?!\s)([^$\n]{1,300}?)(?<!\s)\$(?!\w)"), r"\1"),
)
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]{1,300}?)(?<=\S)\1(?![\w*])")
_ITALIC = re.compile(r"(?<!\w)_(?=[^\W_])([^_\n]{1,300}?)(?<=[^\W_])_(?!\w)")


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


POLAR = re.compile(
    r"(?im)(?:^|[.?!:,]\s+)(?:is|are|was|were|am|do|does|did|can|could|will|would|should|shall|may"
    r"|must|has|have|had)(?:n't)?\b[^?\n]*\?|\byes or no\b|\btrue or false\b|\bли\b|吗|是否"
    r"|ですか|ますか"
)
"""A question that asks for yes or no."""

STOP_WORDS = _words("""
    a also am an and anyone are as at be because been being by called can could did do does
    doing done each else every everyone for from get gets give gives go goes got had happen
    happens has have having he her here hers him his how however i if in into is it its itself
    just let lets like makes many me mean means multiple my myself need no occur occurs of off
    on or other our out own per provide provides quite rather really s same several shall she
    should simply so such t than that the their them themselves then there therefore these they
    thing things this those through thus to too up upon us use used uses using various very via
    was we well were what when where whereas whether which while who whom whose why will with
    within would yes yet you your yours
    это как в на с и или а но что то же из за по от до для у о об он она они оно его её их мы вы я
    ты был была было были есть является который которая которое которые так потому бы ли
    этот эта el la los las un una del que le les du et est une der das und ist von den
    的 了 是 在 和 也 就 都 着 吗 呢 吧 个 这 那 は が を に の で す と も か
    는 은 이 가 을 를 다 요
""")
_NEGATORS = _words("""
    not no never none nothing nobody neither nor without cannot nowhere hardly не нет ни нельзя
    никогда без nunca ni sin ne pas jamais sans non nicht kein keine keinen ohne nie não
    لا ليس لم नहीं לא 不 没 沒 無 无 非 未 勿 别 別 否
""")
_REFUSALS = _words("fail fails failed refuse refuses refused unable")
"""Negators where "to" follows."""
_VERDICTS = _words("no нет non nein")
"""Negators that are an answer of their own where a stop follows."""
LIMITS = _words("only unless except otherwise until but however if although")
_JOINS = _words("and or & plus и или et ou und oder 和 或")
_CLAUSE_OPENERS = _JOINS | _words("""
    but because so which while whereas when if although though since unless except without
    но потому который mais aber pero
""")
_UP_TO_TWENTY = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty
"""
NUMBER_WORDS = {word: str(value) for value, word in enumerate(_UP_TO_TWENTY.split())}
_OPPOSITES = """
    always never sometimes rarely|often rarely|usually rarely|all any some most few none half
    must may might|must can should|required optional|more less fewer|most least fewest
    before after during|above below|over under|left right|top bottom|high low|higher lower
    highest lowest|increase decrease reduce|rise fall|raise lower|grow shrink|improve hurt worsen
    up down|fast slow|faster slower|big small|larger smaller|longer shorter|long short|strong weak
    early late|earlier later|oldest newest|young old|hot cold|warm cool|good bad|better worse
    best worst|true false|zero one|with without|enable disable
    allow allowed forbid forbidden prohibit prevent block deny|use avoid ignore|accept reject
    add remove delete|keep drop|open close|start stop end|push pull|read write|import export
    encode decode|encrypt decrypt hash|lock unlock|acquire release|create destroy delete
    public private|internal external|inner outer|local global|static dynamic|parallel sequential
    win lose|profit loss|gain loss|odd even|buy sell|lend borrow|legal illegal|ascending descending
    minimum maximum|min max|stay move|north south east west|second minute hour day week month year
    celsius fahrenheit kelvin
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday|red green blue yellow black white
    on off|and or|in out|into out|for against|he she|his her|because although|if unless|won lost
    many few|inside outside|both either neither|same different|next previous|first second third last
    single multiple|once twice|plus minus|primary secondary|upper lower|input output|row column
    horizontal vertical|past future|still formerly|male female|men women|positive negative
    full empty|cheap expensive|client server|stack heap|safe dangerous|support lack|agree disagree
"""
_SUFFIXES = _words("""
    ingly edly ations ation ions ing ies ed es ly s
    иями ями ами ого его ому ему ыми ими ется ится ать ять ить ет ит ют ут ал ял ил ала или
    ов ев ей ой ый ий ая яя ое ее ые ие ам ям ах ях ом ем ую юю а я о е ы и у ю ь й
""")
SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
"""A character of a script that does without blanks between words."""
_EDGES = " .,;:!?'\"[]{}<>*…।《》「」『』【】"
_LATE_NEGATION = re.compile("ません|ない|않|없|못")
_OWNER = re.compile(r"(?i)\b(?!(?:it|he|she|that|there|here|what|who|let)'s)(\w+)'s (\w+)")
_NO_ONE = re.compile(r"(?i)\bno one\b")
_CHUNK = re.compile(rf"`[^`\n]{{1,200}}`|{SPACELESS.pattern}|(?:(?!{SPACELESS.pattern})[^\s`])+")
_SENTENCE_END = re.compile(r"\n+|(?<!\s[A-Z]\.)(?<=[.!?])\s+(?=[^\sa-z])")
_BULLET = re.compile(r"(?m)^[ \t>]*(?:[-*•+]|#{1,6}|\d{1,3}[.)])[ \t]+")
_TIGHT = re.compile(r"(?<=\w)\([^()\n]{0,40}\)|[(\[][-\w.']{1,30}(?:, ?[-\w.']{1,30}){1,20}[)\]]")
_NUMBER = re.compile(r"([$€£¥]?)([-+]?\d[\d,_]*(?:\.\d+)?)(%|[a-zA-Z]{0,4})")
_CODE_LIKE = re.compile(
    r"[_()\[\]{}<>≤≥+*/\\@#^~|&%$→\d]|::|--|\w\.\w|[a-z][A-Z]|^[A-Z]{2,}s?$|^[B-HJ-Z]$"
)


def clipped(text: str) -> str:
    """Return the head and tail of a long text, which is all that is read of it."""
    text = _ends(text, _READ_CHARS)
    is_spaceless = len(SPACELESS.findall(text)) * 2 > len(text)
    return _ends(text, _READ_CHARS_SPACELESS) if is_spaceless else text


def _ends(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}\n{text[-most // 2 :]}"


def folded(text: str) -> str:
    """Return `text` in one spelling: NFKC, plain quotes and dashes, no emphasis, simple LaTeX."""
    text = _POWER.sub(lambda run: "^" + run[0].translate(_POWERS), text.translate(_SPELLING))
    text = unicodedata.normalize("NFKC", text).translate(_SPELLING)
    if "\\" in text or "$" in text or "{,}" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    return _ITALIC.sub(r"\1", _EMPHASIS.sub(r"\2", text))


def key_of(text: str) -> str:
    """Spell a text so that layout, case, articles and quotes do not tell it from another."""
    if len(text) > _KEYED_CHARS:
        return " ".join(text.split())
    text = _ARTICLE.sub("", folded(text)).translate(_QUOTES)
    return _SIGN.sub(r"\1", " ".join(text.split())).casefold().strip(" .,;:!…'")


def stem(word: str) -> str:
    """Return `word` without its commonest endings, so that forms of one word meet."""
    word = word.replace("isation", "ization")
    if word.endswith(("ss", "us", "is")):
        return word
    sizes = range(min(6, len(word) - 3), 0, -1)
    ending = next((word[-size:] for size in sizes if word[-size:] in _SUFFIXES), "")
    word = word.removesuffix(ending) + ("y" if ending == "ies" else "")
    if ending in ("ing", "ed") and word[-1] == word[-2] and word[-1] not in "lsz":
        return word[:-1]
    word = word.removesuffix("e") if len(word) > 3 else word
    return f"{word[:-2]}iz" if word.endswith("is") and len(word) > 5 else word


def _stems(listed: str) -> frozenset[str]:
    return frozenset(map(stem, listed.split()))


OPPOSITES = tuple(_stems(group) for group in _OPPOSITES.replace("\n", "|").split("|"))
"""Stems of which two texts that say the same do not hold one each."""
HARD_LIMITS = _stems("""
    only unless except otherwise until before after may might probably likely possibly perhaps
    almost nearly partly soon
""")
"""Stems that two texts have in common if they say the same."""
SEQUENCE = _stems("then before after first next finally second")
"""Stems that make the order in which things are told a part of what is told."""


_Kind = Literal["word", "fact", "stop", "join"]
_Spelling = tuple[str, _Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A word as it is compared."""

    key: str
    kind: _Kind
    clause: int
    """Counted on at every comma, "and" or "because"."""
    span: int
    """Counted on where what follows may as well come first: not at a bare "and"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is compared of a text."""

    raw: tuple[Token, ...]
    tokens: tuple[Token, ...]
    """The words and facts of `raw`; all of it where there are none."""
    keys: frozenset[str]
    facts: frozenset[str]
    """Keys of numbers, names and identifiers."""
    words: frozenset[str]
    """Stems of `raw`."""


def sentences_of(text: str) -> list[str]:
    """Return the sentences and lines of a text, long ones from its head and tail only."""
    text = clipped(_BULLET.sub("", folded(clipped(text))))
    text = _NO_ONE.sub("nobody", _LATE_NEGATION.sub("否", _OWNER.sub(r"\2 of \1", text)))
    text = _TIGHT.sub(lambda group: group[0].replace(" ", ""), text)
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip(_EDGES)]


def reading_of(sentences: Iterable[str]) -> Reading:
    """Read sentences as one text."""
    raw: list[Token] = []
    for sentence in sentences:
        raw.extend(_tokens(sentence, len(raw) + 1))
    tokens = tuple(token for token in raw if token.kind in ("word", "fact")) or tuple(raw)
    return Reading(
        raw=tuple(raw),
        tokens=tokens,
        keys=frozenset(token.key for token in tokens),
        facts=frozenset(token.key for token in tokens if token.kind == "fact"),
        words=frozenset(stem(t.key) if t.kind == "stop" else t.key for t in raw),
    )


def _tokens(sentence: str, clause: int) -> Iterator[Token]:
    span = clause
    chunks = _CHUNK.findall(sentence)
    words = [chunk.strip(_EDGES).casefold() for chunk in chunks]
    negated, opens = False, True
    for chunk, word, following in zip(chunks, words, [*words[1:], ""], strict=False):
        if _negates(chunk, word, following):
            negated = not negated
            yield Token(key="no", kind="join", clause=clause, span=span)
            continue
        if word in _CLAUSE_OPENERS and following != "then":
            clause += 1
            span += word not in _JOINS
        for key, kind in _units(chunk, word, opens=opens):
            is_content = kind in ("word", "fact")
            denial = "¬" if negated and is_content else ""
            yield Token(key=f"{denial}{key}", kind=kind, clause=clause, span=span)
            negated = negated and not is_content
        opens = chunk.endswith((":", '"', "-"))
        if chunk.endswith((",", ";", ")", "-")):
            clause += 1
            span += following not in _JOINS
            kind = "join" if chunk[-1] in ",;" else "stop"
            yield Token(key=",", kind=kind, clause=clause, span=span)
    if negated:
        yield Token(key="¬", kind="fact", clause=clause, span=span)


def _negates(chunk: str, word: str, following: str) -> bool:
    if word.endswith("n't"):
        return True
    is_verdict = word in _VERDICTS and chunk.endswith((",", ".", ":"))
    if word in _REFUSALS and following == "to":
        return True
    return word in _NEGATORS and not is_verdict


def _units(chunk: str, word: str, *, opens: bool) -> Iterator[_Spelling]:
    """Spell what stands between two blanks; after an opening a capital letter means nothing."""
    if chunk.startswith("`"):
        for piece in chunk.strip("`").split():
            yield _plain(piece.strip(",:;")), "fact"
        return
    bare = chunk.strip(_EDGES if "(" in chunk.lstrip("(") else f"{_EDGES}()")
    lower = bare.casefold().removesuffix("'s")
    if number := _NUMBER.fullmatch(bare):
        for part in _number_parts(*number.groups()):
            yield part, "fact"
    elif _CODE_LIKE.search(bare) or lower in NUMBER_WORDS:
        yield NUMBER_WORDS.get(lower, _plain(bare)), "fact"
    elif word in _JOINS or (lower in STOP_WORDS and (opens or bare != "A")):  # plan A, vitamin A
        yield lower, "join" if word in _JOINS else "stop"
    else:
        kind: _Kind = "fact" if bare[:1].isupper() and not opens else "word"
        for part in filter(None, lower.split("-")):
            yield (part, "stop") if part in STOP_WORDS and part != lower else (stem(part), kind)


def _plain(word: str) -> str:
    """Spell a name; only where it is an option does its case mean anything."""
    if word.startswith("-"):
        return word
    word = word.casefold()
    return stem(word) if word.replace("-", "").isalpha() else word


def _number_parts(currency: str, digits: str, unit: str) -> Iterator[str]:
    digits = digits.replace(",", "").replace("_", "").lstrip("+")
    yield digits.rstrip("0").rstrip(".") if "." in digits else digits
    yield from filter(None, (currency, unit.casefold()))
