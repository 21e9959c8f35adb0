# ruff: noqa: RUF001  look-alikes of Latin letters are words of other scripts here
"""How answers are spelled, and the words that say little, deny, limit or oppose."""

import re
import unicodedata

_READ_CHARS = 4_000
_READ_CHARS_SPACELESS = 1_000  # each of their characters is read as a word

_SPELLING = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "ʼ": "'", "−": "-"}
    | {"–": "-", "‐": "-", "‑": "-", "—": " - ", "⁄": "/", "、": ", ", "。": ". ", "，": ", "}
    | {c: f" {unicodedata.normalize('NFKC', c)}" for c in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}
)
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


STOP_WORDS = _words("""
    a also am an and any anyone are as at be because been being both by can could did do does
    doing done each else every everyone for from get gets give gives go goes got had happen happens
    has have having he her here hers him his how however i if in into is it its itself just let lets
    like makes many mean means me multiple my myself need no occur occurs of off on or other our out
    own per provide provides quite rather really s same several shall she should simply so some such
    t than that the their them themselves then there therefore these they thing things this those
    through thus to too up upon us use used uses using various very via was we well were what when
    where whereas whether which while who whom whose why will with within would yes yet you your
    yours
    это как в на с и или а но что то же из за по от до для у о об он она они оно его её их мы вы я
    ты был была было были есть является который которая которое которые так потому бы ли
    этот эта el la los las un una del que le les du et est une der das und ist von den
    的 了 是 在 和 也 就 都 着 吗 呢 吧 个 这 那 は が を に の で す と も か
    는 은 이 가 을 를 다 요
""")
NEGATORS = _words("""
    not no never none nothing nobody neither nor without cannot nowhere hardly lacks lack avoid
    avoids fail fails prevent prevents forbid forbids prohibit prohibits refuse refuses ignore
    ignores stop stops deny denies не нет ни нельзя никогда без nunca ni sin ne pas jamais sans non
    nicht kein keine keinen ohne nie não لا ليس لم नहीं לא 不 没 沒 無 无 非 未 勿 别 別 否
""")
VERDICTS = _words("no нет non nein")
"""Negators that are an answer of their own where a stop follows."""
LIMITS = _words("only unless except otherwise until but however if although")
HARD_LIMITS = _words("""
    only unless except otherwise until before after may might probably likely possibly perhaps
    almost nearly partly soon
""")
SEQUENCE = _words("then before after first next finally second")
JOINS = _words("and or & plus и или et ou und oder 和 或")
CLAUSE_OPENERS = JOINS | _words("""
    but because so which while whereas when if although though since unless except without
    но потому который mais aber pero
""")
_UP_TO_TWENTY = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty
"""
NUMBER_WORDS = {word: str(value) for value, word in enumerate(_UP_TO_TWENTY.split())}
_OPPOSITES = """
    always never sometimes usually rarely often|all some most few none|must may might
    required optional|more less fewer|most least fewest|before after during|above below|over under
    left right|top bottom|first last|high low|higher lower|highest lowest|increase decrease reduce
    rise fall|raise lower|grow shrink|improve hurt worsen|up down|fast slow|faster slower|big small
    larger smaller|longer shorter|long short|strong weak|early late|earlier later|oldest newest
    young old|hot cold|warm cool|good bad|better worse|best worst|true false|zero one|with without
    enable disable|allow forbid prevent block deny|accept reject|add remove delete|keep drop
    open close|start stop end|push pull|read write|import export|encode decode|encrypt decrypt hash
    lock unlock|acquire release|create destroy delete|public private|internal external|inner outer
    local global|static dynamic|parallel sequential|win lose|profit loss|gain loss|odd even
    buy sell|lend borrow|legal illegal|ascending descending|minimum maximum|min max|stay move
    north south east west|second minute hour day week month year|celsius fahrenheit kelvin
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday|red green blue yellow black white
    male female|men women|positive negative|full empty|cheap expensive|client server|stack heap
    safe dangerous|support lack|agree disagree
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


def clipped(text: str) -> str:
    """Return the head and tail of a long text, which is all that is read of it."""
    for most, is_read_so in ((_READ_CHARS, True), (_READ_CHARS_SPACELESS, SPACELESS.search(text))):
        if len(text) > most and is_read_so:
            text = f"{text[: most // 2]}\n{text[-most // 2 :]}"
    return text


def folded(text: str) -> str:
    """Return `text` in one spelling: NFKC, plain quotes and dashes, no emphasis, simple LaTeX."""
    text = _POWER.sub(lambda run: "^" + run[0].translate(_POWERS), text.translate(_SPELLING))
    text = unicodedata.normalize("NFKC", text).translate(_SPELLING)
    if "\\" in text or "$" in text or "{,}" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    return _ITALIC.sub(r"\1", _EMPHASIS.sub(r"\2", text))


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


OPPOSITES = tuple(
    frozenset(stem(word) for word in group.split())
    for group in _OPPOSITES.replace("\n", "|").split("|")
    if group.strip()
)
"""Stems of which two texts that say the same do not hold one each."""
