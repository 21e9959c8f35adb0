"""The section of the migration: where every kind is, and each of its moves with its evidence."""

from collections.abc import Iterator, Sequence

from router.report.blocks import Block, Listing, Picture, Section, Sentence, Stay, Table, Timeline
from router.report.board import Board, Moved
from router.report.measures import amount
from router.report.telling.wording import date_words, moment_words
from tercet.migration import Migration

_MOST_FIGURES = 24


def board_section(board: Board, phase: str) -> Section:
    """Tell the migration."""
    blocks: list[Block] = [
        Sentence(
            text=f"Where each kind was on {date_words(board.at - 1)}. The phase is `{phase}`; the "
            "way is baseline, shadow, canary step by step, promoted, or rolled back."
        ),
        _picture(board),
        *_moves(board.moves),
    ]
    return Section(title="Migration", blocks=blocks)


def _picture(board: Board) -> Picture:
    rows = tuple(
        (
            kind,
            tuple(Stay(state=one.state, since=one.since, until=one.until) for one in stays),
        )
        for kind, stays in board.stays.items()
    )
    return Picture(
        name="migration",
        title="Each kind's state through time",
        says="One row a kind: "
        + "; ".join(f"{one.kind} is {_state(one)}" for one in board.kinds)
        + ".",
        shape=Timeline(rows=rows, since=board.window.since, until=board.window.until),
        table=Table(
            title="The board",
            headings=("Kind", "State", "Since", "Moves"),
            rows=tuple(
                (
                    one.kind,
                    _state(one),
                    moment_words(one.since) if one.seq else "the beginning",
                    f"{one.seq:,}",
                )
                for one in board.kinds
            ),
            words=frozenset({1, 2}),
        ),
    )


def _state(one: Migration) -> str:
    name = one.state.replace("_", " ")
    return f"{name} {amount(one.share, 'share')}" if one.state == "canary" else name


def _moves(moves: Sequence[Moved]) -> Iterator[Block]:
    if not moves:
        yield Sentence(
            text="No kind has moved. `tercet migration list` says what each waits for.", tone="note"
        )
        return
    yield Sentence(text="Every move, and what it stood on as it was made:")
    yield Listing(points=tuple(_move(one) for one in moves))


def _move(one: Moved) -> str:
    share = f" at {amount(one.share, 'share')}" if one.to == "canary" else ""
    by = "the gate" if one.by == "gate" else "an operator"
    figures = "; ".join(one.evidence[:_MOST_FIGURES])
    on = f" Evidence: {figures}." if figures else ""
    return (
        f"{moment_words(one.at)}, {one.kind}: {one.come_from.replace('_', ' ')} to "
        f"{one.to.replace('_', ' ')}{share}, by {by}: {one.why}.{on}"
    )
