# ruff: noqa: RUF001  look-alikes of Latin letters are words of other scripts here
"""The numbers in an answer: their size, precision and unit, and which one is the answer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from router.agreement.wording import NUMBER_WORDS, STOP_WORDS, folded, stem

_TOLERANCE = Decimal("1e-6")
_MOST_DIGITS = 60  # more is an identifier, not a number
_MOST_NUMBERS = 100
_NEARBY_CHARS = 40

_POWERS = {"hundred": 2, "thousand": 3, "k": 3, "million": 6, "billion": 9, "trillion": 12}
_UNITS = {
    alias: (kind, Decimal(factor))
    for kind, sizes in {
        "length": "1 m metre meter|1000 km kilometre kilometer км|0.01 cm centimetre centimeter"
        "|0.001 mm|0.000001 µm um|1609.344 mile mi|0.3048 foot feet ft|0.0254 inch inches",
        "mass": "1 g gram|1000 kg kilogram кг|0.001 mg|1000000 tonne|453.59237 lb lbs pound",
        "time": "1 s sec second|0.001 ms millisecond|0.000001 µs us|60 min minute|3600 h hr hour"
        "|86400 day|604800 week",
        "data": "1 B byte|1000 KB kB|1000000 MB|1000000000 GB|1000000000000 TB|1024 KiB"
        "|1048576 MiB|1073741824 GiB",
        "bits": "1 bit|1000 kb Kb kbit|1000000 Mb Mbit|1000000000 Gb Gbit",
        "power": "0.001 mW|1 W watt|1000 kW kilowatt|1000000 MW megawatt|1000000000 GW",
        "volume": "1 l L litre liter|0.001 ml mL",
        "frequency": "1 Hz hertz|1000 kHz|1000000 MHz|1000000000 GHz",
        "dollars": "1 $ USD dollar|0.01 ¢ cent",
        "euros": "1 € EUR euro",
        "pounds": "1 £ GBP",
        "yen": "1 ¥ JPY yen",
        "roubles": "1 ₽ RUB руб рубль рублей рубля",
        "percent": "0.01 % percent pct процент процента процентов",
        "celsius": "1 °C C celsius",
        "fahrenheit": "1 °F F fahrenheit",
        "degrees": "1 ° degree deg",
    }.items()
    for size in sizes.split("|")
    for factor, *aliases in [size.split()]
    for alias in aliases
}
_QUANTITY = re.compile(
    rf"""(?x)(?<![\w.])(?<!\d:)
    (?:(?P<name>[A-Za-z]\w{{0,19}})\s?[=≈]\s?)?
    (?P<sign>[-+]?)(?P<currency>[$€£¥₽]\s?)?(?P<late_sign>-?)
    (?:(?P<whole>\d{{1,9}})\s+(?=\d+/\d))?
    (?P<digits>\d{{1,3}}(?:[ ,_']\d{{3}}){{1,20}}(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+
        |(?i:\b(?:{"|".join(NUMBER_WORDS)})\b))
    (?![.:,]?\d)
    (?:/(?P<over>\d{{1,9}})(?![.\d/]))?
    (?:(?:[eE]|\s?[x×*·]\s?10\s?(?:\^|\*\*)\s?[{{(]?)(?P<power>[-+]?\d{{1,3}})[)}}]?)?
    (?P<scale>\s?(?i:hundred|thousand|million|billion|trillion)\b|k\b)?
    (?:\s?(?P<unit>%|°\s?[CFcf]?\b|[€£$₽¥¢]|[^\W\d_]+))?"""
)
_DEGREES = re.compile(r"(?i)(?:°|\bdegrees?)\s?([cf])(?:elsius|ahrenheit)?\b")
_GROUPED = re.compile(r"[,' _]\d{3}")
_PART_BEFORE = re.compile(
    r"(?:[\w)]\s?[-+]|[*/^×·÷√<>≥≤{]|\w\(|\b(?:least|most|than|over|under|between|up to|step))\s*$"
)
_PART_AFTER = re.compile(r"\(|\s?[*/^×·÷√π\\]|\s?[-+]\s?(?:\d|[b-hj-z]\b)")
_VARIABLE = re.compile("[b-hj-zπ]")
_FORMULA = re.compile(r"[-\d\s.,+*/^×·÷()$]+(?:=|\bis\b|\bequals\b)\s*")
_SERIAL = re.compile(r"0\d")
_DENIED = re.compile(r"(?i)(?:\bnot|n't|\bnever|\bне)\s+(?:\w+\s+){0,2}$")
_SAYS = re.compile(r"\w+|[^\s\w.,;:!?()'\"=≈~$*`-]")
_VAGUE = STOP_WORDS | {
    *("about", "approximately", "around", "roughly", "exactly", "answer", "result"),
    *("total", "equal", "equals", "final", "value", "not"),
}
_ASKS_NUMBER = re.compile(
    r"(?i)\bhow (?:many|much|long|far|old|tall|big|often|heavy|fast)\b|\b(?:calculate|compute|total"
    r"|evaluate|sum of|product of|average|percent|percentage|probability|number of|value of)\b"
    r"|\d\s*[-+*/×x^÷]\s*\d|сколько|вычисл|посчита|多少|几|计算|計算|cu[aá]nt|combien|wie viele?\b"
)
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")
_CONCLUDES = re.compile(
    r"(?i)\b(?:so|therefore|thus|hence|total|altogether|finally|result)\b|итого|所以|因此"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number as it is written."""

    value: Decimal
    place: Decimal
    """Worth of the last decimal stated; 0 where there are none."""
    unit: str
    """The kind of unit, or the noun that is counted; empty if none."""
    factor: Decimal
    """Size of the unit in the base unit of its kind."""
    name: str
    is_word: bool
    """"Zero" or "one", which in a sentence may be a manner of speaking."""
    is_denied: bool
    is_part: bool
    """Of a formula, a range, a bound or an identifier: no number that answers by itself."""


def quantities(text: str) -> list[Quantity]:
    """Return the numbers of a folded text, in order; none where they are too many to answer."""
    found = list(islice(_QUANTITY.finditer(_with_degrees(text)), _MOST_NUMBERS + 1))
    if len(found) > _MOST_NUMBERS:
        return []
    return [quantity for number in found if (quantity := _quantity(number)) is not None]


def stated(text: str, *, question: str) -> list[Quantity]:
    """Return the numbers that an answer comes down to; none if that cannot be told.

    More than one only where the answer is nothing but numbers.
    """
    plain = folded(text).strip()
    formula = _FORMULA.match(plain)
    if formula and _PART_AFTER.search(formula[0]) and "\n" not in plain:
        plain = plain[formula.end() :]
    if is_bare(plain):
        return _asserted(quantities(plain))
    if not plain or not _ASKS_NUMBER.search(question):
        return []
    lines, last = plain.splitlines(), _SENTENCE_END.split(plain)[-1]
    places = [
        plain,
        *(bold for bold in reversed(_BOLD.findall(text)) if is_bare(bold)),
        lines[0] if is_bare(lines[0]) else "",
        _CONCLUDES.split(last)[-1] if _CONCLUDES.search(last) else "",
        lines[-1].rpartition("=")[2] if "=" in lines[-1] else "",
    ]
    for place in places:
        free = {(q.value, q.unit): q for q in quantities(place) if not (q.is_part or q.is_word)}
        if len(answer := _asserted(free.values())) == 1:
            return answer
    return []


def is_bare(text: str) -> bool:
    """Whether a text holds numbers, their units and nothing else that says something."""
    found = quantities(text)
    rest = _SAYS.findall(_QUANTITY.sub(" ", _with_degrees(text)).casefold())
    return bool(found) and not any(q.is_part for q in found) and _VAGUE.issuperset(rest)


def _asserted(found: Iterable[Quantity]) -> list[Quantity]:
    return [quantity for quantity in found if not quantity.is_denied] or list(found)


def same_numbers(left: list[Quantity], right: list[Quantity], *, question: str) -> bool | None:
    """Whether two lists of numbers are the same; `None` if they are in another order."""
    if len(left) != len(right):
        return False
    if all(quantity.name for quantity in (*left, *right)):
        left, right = (sorted(found, key=lambda q: (q.name, q.value)) for found in (left, right))
    if all(_equal(one, other, question) for one, other in zip(left, right, strict=True)):
        return True
    is_shuffled = len(left) > 2 and sorted(q.value for q in left) == sorted(q.value for q in right)
    return None if is_shuffled else False


def _quantity(found: re.Match[str]) -> Quantity | None:
    digits = NUMBER_WORDS.get(found["digits"].casefold(), found["digits"])
    if digits.startswith("0,") or not _GROUPED.search(digits):
        digits = digits.replace(",", ".")
    digits = re.sub("[, '_]", "", digits)
    power = int(found["power"] or 0) + _POWERS.get((found["scale"] or "").strip().casefold(), 0)
    over = int(found["over"] or 1)
    if len(digits) > _MOST_DIGITS or not over:
        return None
    decimals = len(digits.partition(".")[2])
    size = int(found["whole"] or 0) + Decimal(digits).scaleb(power) / over
    spelled = (found["currency"] or found["unit"] or "").strip().replace(" ", "")
    unit, factor = _unit(spelled)
    return Quantity(
        value=-size if "-" in found["sign"] + found["late_sign"] else size,
        place=Decimal(1).scaleb(power - decimals) if decimals else Decimal(0),
        unit=unit,
        factor=factor,
        name=(found["name"] or "").casefold(),
        is_word=found["digits"].casefold() in ("zero", "one"),
        is_denied=bool(_DENIED.search(_before(found))),
        is_part=bool(_SERIAL.match(digits)) or _is_part(found, spelled),
    )


def _before(found: re.Match[str]) -> str:
    return found.string[max(found.start() - _NEARBY_CHARS, 0) : found.start()]


def _is_part(found: re.Match[str], unit: str) -> bool:
    """Whether a number belongs to a formula, a range, a bound or an identifier."""
    is_glued = found["unit"] and found.string[found.start("unit") - 1].isalnum()
    if unit not in _UNITS and (is_glued or _VARIABLE.fullmatch(unit)):
        return True
    after = found.string[found.end() : found.end() + _NEARBY_CHARS]
    return bool(_PART_BEFORE.search(_before(found)) or _PART_AFTER.match(after))


def _with_degrees(text: str) -> str:
    return _DEGREES.sub(lambda unit: f"°{unit[1].upper()}", text)


def _unit(spelled: str) -> tuple[str, Decimal]:
    """Return what is counted, and the size of that unit in the base unit of its kind."""
    noun = spelled.casefold()
    for alias in (spelled, noun, noun.removesuffix("s")):
        if alias in _UNITS:
            return _UNITS[alias]
    is_noun = noun not in _VAGUE and not noun.endswith(("ing", "ed", "ly", "left"))
    return (stem(noun) if is_noun else ""), Decimal(1)


def _equal(one: Quantity, other: Quantity, question: str) -> bool:
    """Compare two numbers; a unit that only one of them names is taken for the other's too."""
    if one.is_denied != other.is_denied or (one.name and other.name and one.name != other.name):
        return False
    if one.unit and other.unit:
        return one.unit == other.unit and _near(one, other, one.factor, other.factor)
    is_near = _near(one, other, Decimal(1), Decimal(1))
    if "percent" not in (one.unit, other.unit):
        return is_near
    asks_percent = "%" in question or "percent" in question.casefold()
    return (is_near and asks_percent) or _near(one, other, one.factor, other.factor)


def _near(one: Quantity, other: Quantity, factor: Decimal, other_factor: Decimal) -> bool:
    left, right = one.value * factor, other.value * other_factor
    gap, size = abs(left - right), max(abs(left), abs(right))
    is_whole = left == left.to_integral_value() and right == right.to_integral_value()
    if is_whole and one.place == other.place == 0:
        return gap == 0
    place = max(one.place * factor, other.place * other_factor)
    # A single digit such as 0.5 is too coarse to count as a rounding of another number.
    is_rounding = gap * 2 <= place and place * 10 <= size
    return is_rounding or gap <= _TOLERANCE * size
