"""The section of compositions: what their extra seats added, and what to change."""

from router.report.blocks import Block, Listing, Section, Sentence, Table
from router.report.composed import Composed
from router.report.measures import bare, bounds
from router.report.telling.wording import date_words

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
    if not found.compared:
        blocks.append(Sentence(text=_NOTHING, tone="note"))
        return Section(title="What compositions add", blocks=blocks)
    blocks.append(_table(found))
    if found.missing:
        blocks.append(Sentence(text="Not compared yet, so that nothing can be said to pay:"))
        blocks.append(Listing(points=found.missing))
    blocks += [
        Sentence(
            text=f"{one.composition}: {one.why}. Proposed, and not done: {one.change}",
            tone="verdict",
        )
        for one in found.proposals
    ]
    return Section(title="What compositions add", blocks=blocks)


def _table(found: Composed) -> Table:
    return Table(
        title="Compositions against each seat alone",
        headings=(
            "Composition", "Kind", "On", "Against", "Quality", "Range", "Pairs", "Cost",
            "Seconds", "Quality a USD", "Verdict",
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
                "-" if one.quality_per_usd is None else f"{one.quality_per_usd:+,.1f}",
                f"{one.verdict} ({one.more_pairs:,} more)" if one.more_pairs else one.verdict,
            )
            for one in found.compared
        ),
        words=frozenset({1, 2, 3, 10}),
    )  # fmt: skip
