"""What a report is made of for readers: sections of sentences, tables and pictures.

The three writers (`text`, `markdown`, `html`) know nothing of money or quality, and the sections
nothing of formats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "note", "verdict", "warning"]
"""`note`: what a figure does not say. `verdict`: what it comes to. `warning`: in big letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A paragraph."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Points, one a line."""

    points: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines of a file, to be copied as they are."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells as they are to be read; the first column to the left, figures to the right."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int] = frozenset()
    """Columns beside the first that hold words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of parts beside each other, by what they are."""

    label: str
    parts: tuple[tuple[str, float], ...]

    @property
    def whole(self) -> float:
        """Return its length."""
        return sum(value for _, value in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Amounts side by side."""

    bars: tuple[Bar, ...]
    unit: str
    names: tuple[str, ...]
    """Of the parts there may be, in order: the same name has one colour in every picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A value at a time, from low to high."""

    at: float
    """Unix seconds: the first moment that is not in it any more."""
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A line through time with its band."""

    points: tuple[Point, ...]
    """In order of time."""
    unit: str
    lines: tuple[tuple[str, float], ...] = ()
    """Levels to compare with, by what they are."""
    ahead_from: float | None = None
    """From then on it is a forecast; `None`: it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """A value with its interval, and the level that it must not be below."""

    label: str
    value: float
    low: float
    high: float
    least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Whiskers:
    """Values with their intervals on one scale."""

    whiskers: tuple[Whisker, ...]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A stretch of time that something was in one state."""

    state: str
    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Who was in which state when."""

    rows: tuple[tuple[str, tuple[Stay, ...]], ...]
    since: float
    until: float


Shape = Bars | Band | Whiskers | Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Something to be seen, and the same as a table."""

    name: str
    """Of letters and hyphens, its own in the document."""
    title: str
    says: str
    """What is to be seen in it, for who cannot see it."""
    shape: Shape
    table: Table


Block = Sentence | Listing | Lines | Table | Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the report under its title."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The whole report for readers."""

    title: str
    subtitle: str
    sections: Sequence[Section]
