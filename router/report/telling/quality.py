"""The section of quality: what was compared, what it says, and what was not."""

from collections.abc import Iterator

from router.report.blocks import Block, Picture, Section, Sentence, Table, Whisker, Whiskers
from router.report.measures import Measure, bare, bounds, words
from router.report.quality import KindQuality, Quality
from router.report.telling.wording import reason_words, window_words


def quality_section(quality: Quality) -> Section:
    """Tell how good the local model is."""
    blocks: list[Block] = [
        Sentence(
            text=f"Period: {window_words(quality.window)}. Quality is 0 to 1; a difference is the "
            "local model's less the API's on the same task, one number a conversation, 95 % at "
            "every look. Margin: how much may be lost."
        ),
        *(Sentence(text=_said(one), tone="verdict") for one in quality.kinds),
    ]
    if any(one.pairs for one in quality.kinds):
        blocks.append(_picture(quality))
    else:
        blocks.append(Sentence(text=_NOTHING, tone="note"))
    blocks += [_how(quality), _left(quality), *_judges(quality), *_feedback(quality)]
    return Section(title="Quality", blocks=blocks)


_NOTHING = (
    "No two answers were compared in this period. They are once there is a local model and a kind "
    "has come to `shadow` (`samples` in config/migrations.yaml; their budget is `usd_a_month`)."
)


def decided(one: KindQuality) -> Measure:
    """Return the difference that is decided on."""
    return one.corrected if one.is_corrected else one.difference


def _said(one: KindQuality) -> str:
    how = "corrected by the judge's audit" if one.is_corrected else "not corrected by an audit"
    more = ""
    if one.finding == "not yet known" and one.pairs:
        wanted = f"about {one.more:,} more conversations" if one.more else "more conversations"
        more = f" It takes {wanted} if they go on like this."
    if not one.pairs:
        return f"{one.kind}: not yet known, nothing was compared; margin {one.margin:g}."
    return (
        f"{one.kind}: {one.finding}. Difference {words(decided(one))}, {how}; margin "
        f"{one.margin:g}; {one.pairs:,} tasks compared, {words(one.covered)} of the eligible.{more}"
    )


def _picture(quality: Quality) -> Picture:
    known = [one for one in quality.kinds if one.pairs]
    return Picture(
        name="quality",
        title="Quality difference by kind, with its interval and the margin",
        says="A dot and a line for each kind: "
        + "; ".join(f"{one.kind} {words(decided(one))}, margin {-one.margin:g}" for one in known)
        + ".",
        shape=Whiskers(whiskers=tuple(_whisker(one) for one in known), unit="local model less API"),
        table=Table(
            title="Quality difference by kind",
            headings=(
                "Kind",
                "Pairs",
                "Conversations",
                "Difference",
                "Range",
                "Corrected",
                "Range",
                "Margin",
                "Finding",
            ),
            rows=tuple(
                (
                    one.kind,
                    f"{one.pairs:,}",
                    f"{one.conversations:,}",
                    bare(one.difference),
                    bounds(one.difference),
                    bare(one.corrected),
                    bounds(one.corrected) if one.is_corrected else "too few audits",
                    f"{one.margin:g}",
                    one.finding,
                )
                for one in known
            ),
        ),
    )


def _whisker(one: KindQuality) -> Whisker:
    found = decided(one)
    value = found.value or 0.0
    # Too early for an interval: it may be anything.
    low, high = (
        -1.0 if found.low is None else found.low,
        1.0 if found.high is None else found.high,
    )
    return Whisker(label=one.kind, value=value, low=low, high=high, least=-one.margin)


def _how(quality: Quality) -> Table:
    return Table(
        title="Who compared, and how sure (counted)",
        headings=(
            "Kind",
            "Agreement",
            "Check",
            "Judge",
            "Judge inconsistent",
            "Local answer longer",
        ),
        rows=tuple(
            (
                one.kind,
                *(f"{one.by.get(by, 0):,}" for by in ("agreement", "check", "judge")),
                bare(one.inconsistent),
                bare(one.longer),
            )
            for one in quality.kinds
        ),
    )


def _left(quality: Quality) -> Table:
    return Table(
        title="What was chosen and not judged, by reason (counted)",
        headings=("Kind", "Reason", "Tasks", "Share of eligible covered"),
        rows=tuple(
            (one.kind, reason_words(reason), f"{count:,}", bare(one.covered))
            for one in quality.kinds
            for reason, count in one.left.items()
        ),
        words=frozenset({1}),
    )


def _judges(quality: Quality) -> Iterator[Block]:
    if not quality.judges:
        yield Sentence(
            text="No judge was audited: run `tercet golden audit`, so that what judges say can be "
            "corrected by what they are known to be wrong by.",
            tone="note",
        )
        return
    yield Table(
        title="The judges' audit on the gold set (95 % at every look; all audits so far)",
        headings=(
            "Judge",
            "Pairs",
            "Bias",
            "Range",
            "Right",
            "Range",
            "Same in both orders",
            "Range",
        ),
        rows=tuple(
            (
                one.judge,
                f"{one.audits:,}",
                *(
                    cell
                    for found in (one.bias, one.right, one.consistent)
                    for cell in (bare(found), bounds(found))
                ),
            )
            for one in quality.judges
        ),
    )


def _feedback(quality: Quality) -> Iterator[Block]:
    if not quality.feedback:
        yield Sentence(text="No caller gave feedback in this period (`POST /v1/feedback`).")
        return
    yield Table(
        title="Callers' feedback (counted; who gives it is no chance, so nothing is decided on it)",
        headings=("Kind", "Arm", "Count", "Mean"),
        rows=tuple(
            (one.kind, one.arm, f"{one.count:,}", f"{one.mean:.3f}") for one in quality.feedback
        ),
        words=frozenset({1}),
    )
