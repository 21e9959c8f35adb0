"""The section of compositions: what their extra seats added, and what to change."""

from router.report.blocks import Block, Lines, Listing, Section, Sentence, Table
from router.report.composed import Composed
from router.report.measures import bare, bounds
from router.report.telling.wording import date_words, left_words

_NOTHING = (
    "Nothing is known yet: no composition was compared with its seats alone. Run `tercet golden "
    "run` with the arms of a tier and of its seats (tests), or see `composition` under `samples` "
    "in config/migrations.yaml (traffic)."
)


def composed_section(found: Composed, until: float) -> Section:
    """Tell what compositions added."""
    blocks: list[Block] = [
        Sentence(
            text=f"From all comparisons until {date_words(until - 1)}: a composition's answer less "
            "that of one seat alone, or of repeats of one seat for about the same money. Quality "
            "at 95 % at every look; cost and seconds are means (counted)."
        )
    ]
    if found.left:
        blocks.append(Sentence(text=f"Chosen of traffic and not judged: {left_words(found.left)}."))
    if not found.compared:
        blocks.append(Sentence(text=_NOTHING, tone="note"))
        return Section(title="What compositions add", blocks=blocks)
    blocks += [_paying(found), _table(found)]
    if found.missing:
        blocks.append(Sentence(text="Not compared yet, so that nothing can be said to pay:"))
        blocks.append(Listing(points=found.missing))
    for one in found.proposals:
        said = f"{one.composition}: {one.why}. Proposed, and not done:"
        blocks += [Sentence(text=said, tone="verdict"), Lines(lines=tuple(one.change.split("\n")))]
    return Section(title="What compositions add", blocks=blocks)


def _paying(found: Composed) -> Table:
    return Table(
        title="Whether a composition pays, against its best seat and repeats for the same money",
        headings=("Composition", "Kind", "On", "Verdict", "More pairs"),
        rows=tuple(
            (
                one.composition,
                one.kind,
                one.ground,
                one.verdict,
                f"{one.more_pairs:,}" if one.more_pairs else "-",
            )
            for one in found.paying
        ),
        words=frozenset({1, 2, 3}),
    )


def _table(found: Composed) -> Table:
    return Table(
        title="Compositions against each seat alone, and against repeats",
        headings=(
            "Composition", "Kind", "On", "Against", "Quality", "Range", "Pairs", "Extra cost",
            "Extra seconds", "Quality a USD", "a second", "Verdict",
        ),
        rows=tuple(
            (
                one.composition,
                one.kind,
                one.ground,
                one.rival,
                bare(one.quality),
                bounds(one.quality),
                f"{one.quality.many or 0:,}",
                bare(one.extra_cost),
                bare(one.extra_seconds),
                _each(one.quality_per_usd, 1),
                _each(one.quality_per_second, 3),
                f"{one.verdict} ({one.more_pairs:,} more)" if one.more_pairs else one.verdict,
            )
            for one in found.compared
        ),
        words=frozenset({1, 2, 3, 11}),
    )  # fmt: skip


def _each(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:+,.{places}f}"
