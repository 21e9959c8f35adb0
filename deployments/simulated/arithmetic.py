"""Finds and works out sums in plain text, exactly and without `eval`."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

_WORDS: Mapping[str, str] = {
    r"\bplus\b|\badded to\b": "+",
    r"\bminus\b|\u2212": "-",
    r"\btimes\b|\bmultiplied by\b|\u00d7|(?<=\d)\s+x\s+(?=\d)": "*",
    r"\bdivided by\b|\bover\b|\u00f7": "/",
    r"\bto the power of\b|\^": "**",
}
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d{1,18})(?:\.\d{1,18})?"
# Never gives back what it took, so that a text of brackets is read in linear time.
_OPERAND = rf"[-+(]{{0,20}}+{_NUMBER}\){{0,20}}+"
_SUM = re.compile(rf"(?<![\w.]){_OPERAND}(?:\s*(?:\*\*|[-+*/])\s*{_OPERAND})+(?!\w)")
# `2026-11-23`, `1/2` and `2-3 sentences` are sums only when somebody asks for them.
_TIGHT = re.compile(r"\d+(?:[-/]\d+)+")
_ASKED = re.compile(r"(?:what(?:'s| is)|how much is|calculate|compute|evaluate)\s*$", re.IGNORECASE)

_LARGEST_EXPONENT = 64
_LARGEST_POWER_BITS = 1024
_LONGEST_SUM = 200
_DECIMALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A sum and what it comes to."""

    expression: str
    """As a reader should see it, with one space around each operator."""
    value: Fraction | None
    """`None` when there is none, and then `answer` says why."""
    answer: str


def sum_in(text: str) -> Sum | None:
    """Return the first sum in `text`, worked out; `None` when there is none."""
    for pattern, sign in _WORDS.items():
        text = re.sub(pattern, sign, text, flags=re.IGNORECASE)
    for match in _SUM.finditer(text):
        found = match.group()
        if len(found) > _LONGEST_SUM or not _is_meant(found, before=text[: match.start()]):
            continue
        tree = _parsed(found)
        if tree is not None:
            return _worked_out(tree)
    return None


def spelled(value: Fraction) -> str:
    """Write a number the way people do, with at most six decimals."""
    if value.denominator == 1:
        return str(value.numerator)
    rounded = round(value, _DECIMALS)
    sign = "-" if rounded < 0 else ""
    whole, part = divmod(abs(int(rounded * 10**_DECIMALS)), 10**_DECIMALS)
    return f"{sign}{whole}.{part:06d}".rstrip("0").rstrip(".")


def _is_meant(found: str, *, before: str) -> bool:
    return _TIGHT.fullmatch(found) is None or _ASKED.search(before[-40:]) is not None


def _parsed(found: str) -> ast.expr | None:
    """Parse, dropping brackets that belong to the sentence around the sum."""
    source = found.replace(",", "")
    surplus = source.count(")") - source.count("(")
    source = source[:-surplus] if surplus > 0 and source.endswith(")" * surplus) else source
    source = source[-surplus:] if surplus < 0 and source.startswith("(" * -surplus) else source
    # Python refuses leading zeros in integers; people write them.
    source = re.sub(r"(?<![\d.])0+(?=\d)", "", source)
    try:
        return ast.parse(source, mode="eval").body
    except SyntaxError:
        return None


def _worked_out(tree: ast.expr) -> Sum:
    expression = ast.unparse(tree).replace("**", "^")
    try:
        value = _value(tree)
    except ZeroDivisionError:
        return Sum(expression=expression, value=None, answer="undefined, a division by zero")
    except OverflowError:
        return Sum(expression=expression, value=None, answer="too large to write out")
    return Sum(expression=expression, value=value, answer=spelled(value))


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(repr(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=sign, right=right):
            return _combined(_value(left), sign, _value(right))
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not arithmetic")


def _combined(left: Fraction, sign: ast.operator, right: Fraction) -> Fraction:
    match sign:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.Pow():
            return _power(left, right)
        case _:
            raise ValueError(f"{type(sign).__name__} is not arithmetic")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    """Raise to a small whole power.

    Raises:
        OverflowError: the result could not be written out, or is not a fraction.
    """
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1 or abs(exponent) > _LARGEST_EXPONENT:
        raise OverflowError("only small whole exponents")
    if size * abs(exponent) > _LARGEST_POWER_BITS:
        raise OverflowError("the power is too large")
    return Fraction(base**exponent.numerator)
