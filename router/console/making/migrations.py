"""The board: where each kind is on its way to the local model, and on what evidence."""

from collections.abc import Iterable, Sequence

from router.console.evidence_views import (
    IntervalView,
    KindView,
    MigrationsView,
    MoneyInterval,
    MoveView,
)
from router.console.making.documents import Document, part, read
from router.console.making.scene import Scene
from router.report.board import Moved, board
from router.report.measures import Window
from tercet.migration import Look, Migration, MigrationRules, Transition

_NOT_LOOKED = (
    "Nobody has looked at the evidence yet: with a local model the gateway looks every five "
    "minutes. `tercet migration list` looks now."
)
_NO_LOCAL = "There is no local model, so no kind moves. TERCET_LOCAL=gpu or cpu names one."


def migrations(scene: Scene) -> MigrationsView:
    """Return the page."""
    rules, has_local = scene.config.migrations, scene.config.local is not None
    looks = {one.kind: one for one in scene.view.looks()}
    moves = scene.view.transitions()
    window = Window(since=0.0, until=scene.now + 1)
    told = board(moves, dict.fromkeys((*rules.kinds, *looks)), window)
    kinds = [
        _kind(place, looks.get(place.kind), _moves(place.kind, told.moves, moves), rules)
        for place in told.kinds
    ]
    return MigrationsView(
        phase=rules.phase,
        has_local=has_local,
        hold_out=rules.hold_out,
        kinds=tuple(kinds),
        empty_words="" if looks else _NOT_LOOKED if has_local else _NO_LOCAL,
    )


def _moves(kind: str, told: Iterable[Moved], moves: Sequence[Transition]) -> Iterable[MoveView]:
    numbers = {(one.kind, one.at, one.to): one.seq for one in moves}
    for one in told:
        if one.kind == kind:
            yield MoveView(
                seq=numbers[kind, one.at, one.to],
                at=one.at,
                come_from=one.come_from,
                to=one.to,
                share=one.share,
                by=one.by,
                why=one.why,
                evidence=tuple(_named(figure) for figure in one.evidence),
            )


def _named(figure: str) -> tuple[str, str]:
    name, _, value = figure.partition(": ")
    return name, value


def _kind(
    place: Migration, look: Look | None, moves: Iterable[MoveView], rules: MigrationRules
) -> KindView:
    document = read(None if look is None else look.document)
    evidence = part(document, "evidence")
    return KindView(
        kind=place.kind,
        state=place.state,
        share=place.share,
        since=place.since or None,
        looked_at=None if look is None else look.at,
        waits=str(document.get("why", "")) or "nobody has looked at its evidence yet",
        is_suspected=look is not None and look.is_suspected,
        margin=rules.margin_of(place.kind),
        quality=interval_of(evidence.get("quality")),
        saving=money_of(evidence.get("saving")),
        local_p95_s=_bounds(evidence.get("treated_p95_s")),
        base_p95_s=_bounds(evidence.get("base_p95_s")),
        pairs=int(evidence.get("pairs") or 0),
        fresh=int(evidence.get("fresh") or 0),
        more_pairs=document.get("more_pairs"),
        tasks_a_month=document.get("tasks_a_month"),
        compared_by=part(document, "by"),
        left=part(document, "left"),
        moves=tuple(sorted(moves, key=lambda move: -move.seq)),
    )


def interval_of(found: Document | None) -> IntervalView | None:
    """Return an interval of a document; `None`: it says nothing yet."""
    if found is None or found.get("value") is None:
        return None
    return IntervalView(value=found["value"], low=found.get("low"), high=found.get("high"))


def money_of(found: Document | None) -> MoneyInterval | None:
    """Return the same of money."""
    if found is None or found.get("value") is None:
        return None
    low, high = found.get("low"), found.get("high")
    return MoneyInterval(
        value_nano_usd=round(found["value"]),
        low_nano_usd=None if low is None else round(low),
        high_nano_usd=None if high is None else round(high),
    )


def _bounds(found: Sequence[float] | None) -> tuple[float, float] | None:
    return None if found is None or len(found) != 2 else (found[0], found[1])
