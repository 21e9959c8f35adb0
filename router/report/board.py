"""Where each kind is on its way to the local model, and how it came there."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from router.report.measures import Window
from tercet.migration import Migration, MigrationState, Transition
from tercet.usage import NANO_USD_PER_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One transition as it is told."""

    kind: str
    at: float
    come_from: MigrationState
    to: MigrationState
    share: float
    by: str
    why: str
    evidence: tuple[str, ...]
    """What it stood on, a figure each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stayed:
    """A stretch of a kind in one state."""

    state: MigrationState
    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Every kind that may move or has."""

    at: float
    window: Window
    """From the first task to the end of the report."""
    kinds: tuple[Migration, ...]
    stays: Mapping[str, tuple[Stayed, ...]]
    moves: tuple[Moved, ...]
    """All of them, the oldest first."""


def board(transitions: Iterable[Transition], kinds: Iterable[str], window: Window) -> Board:
    """Return where the kinds were at the end of a window that begins with the first task."""
    by_kind: dict[str, list[Transition]] = defaultdict(list)
    for one in transitions:
        if one.at < window.until:
            by_kind[one.kind].append(one)
    names = list(dict.fromkeys((*kinds, *by_kind)))
    moves = sorted((one for of_it in by_kind.values() for one in of_it), key=lambda one: one.at)
    return Board(
        at=window.until,
        window=window,
        kinds=tuple(_where(kind, by_kind.get(kind, [])) for kind in names),
        stays={kind: tuple(_stays(by_kind.get(kind, []), window)) for kind in names},
        moves=tuple(_moved(one) for one in moves),
    )


def _where(kind: str, moves: Sequence[Transition]) -> Migration:
    if moves:
        return moves[-1].migration
    return Migration(kind=kind, state="baseline", share=0.0, since=0.0, seq=0)


def _stays(moves: Sequence[Transition], window: Window) -> Iterator[Stayed]:
    state: MigrationState = "baseline"
    since = window.since
    for move in moves:
        if move.at > since:
            yield Stayed(state=state, since=since, until=move.at)
        state, since = move.to, max(since, move.at)
    yield Stayed(state=state, since=since, until=window.until)


def _moved(one: Transition) -> Moved:
    return Moved(
        kind=one.kind,
        at=one.at,
        come_from=one.come_from,
        to=one.to,
        share=one.share,
        by=one.by,
        why=one.why,
        evidence=tuple(_figures(one.evidence)),
    )


def _figures(evidence: str) -> Iterator[str]:
    """Tell a document of figures, whatever its names are; one that cannot be read is told whole."""
    try:
        document = json.loads(evidence)
    except ValueError:
        document = evidence
    if isinstance(document, dict):
        for name, value in cast("Mapping[str, object]", document).items():
            if value is not None:
                yield f"{name.replace('_', ' ')}: {_told(name, value)}"
    elif document:
        yield _told("", document)


def _told(name: str, value: object) -> str:
    match value:
        case dict():
            inner = cast("Mapping[str, object]", value)
            if {"value", "low", "high"} <= inner.keys():
                value, low, high = (_told(name, inner[end]) for end in ("value", "low", "high"))
                return f"{value} ({low} to {high})"
            return ", ".join(f"{key} {_told(f'{name} {key}', one)}" for key, one in inner.items())
        case list():
            return ", ".join(_told(name, one) for one in cast("Sequence[object]", value))
        case bool() | str():
            return str(value)
        case int() | float() if "usd" in name or "saving" in name:
            return f"{value / NANO_USD_PER_USD:,.4f} USD"
        case int() | float():
            return f"{value:,.4g}"
        case _:
            return "-"
