"""Samples, judges, golden tasks and feedback."""

from collections import Counter
from collections.abc import Iterable, Sequence

from deployments.ledger.viewing import Found
from router.console.evidence_views import (
    ComparedView,
    JudgeView,
    LabelView,
    QualityView,
    SampleRow,
)
from router.console.making.scene import Scene
from router.console.pages import PAGES
from router.console.reader import QUALITY_DAYS
from tercet.learning import LabelCount

SHOWN = 50


def quality(scene: Scene) -> QualityView:
    """Return the page; its sums are at most a minute old."""
    facts = scene.books.quality
    left: Counter[str] = Counter()
    for row in facts.counts:
        if row["reason"]:
            left[row["reason"]] += row["count"]
    return QualityView(
        days=QUALITY_DAYS,
        compared=tuple(_compared(facts.counts)),
        left=dict(left.most_common()),
        samples=tuple(sample_row(row) for row in scene.view.samples(SHOWN)),
        judges=tuple(_judge(row) for row in facts.audits),
        golden=_labels(facts.labels, {"test"}),
        feedback=_labels(facts.labels, {"feedback", "judge", "shadow"}),
    )


def sample_row(row: Found) -> SampleRow:
    """Return a sample as lists show it."""
    base, tested = row["base_quality"], row["tested_quality"]
    parts = [row["tested_nano_usd"], row["judge_nano_usd"]]
    return SampleRow(
        task_id=row["task_id"],
        href=f"{PAGES['requests'].href}/{row['task_id']}",
        at=row["at_ns"] / 1e9,
        kind=row["kind"],
        purpose=row["purpose"],
        side=row["side"],
        base=row["base_arm"],
        tested=row["tested_arm"],
        state=row["state"],
        reason=row["reason"],
        by=row["judged_by"],
        judge=row["judge"],
        base_quality=base,
        tested_quality=tested,
        difference=None if base is None or tested is None else tested - base,
        is_consistent=None if row["consistent"] is None else bool(row["consistent"]),
        nano_usd=None if parts == [None, None] else sum(part or 0 for part in parts),
    )


def _compared(counts: Sequence[Found]) -> Iterable[ComparedView]:
    sorts = dict.fromkeys(sorted((str(row["kind"]), str(row["purpose"])) for row in counts))
    for kind, purpose in sorts:
        of = [row for row in counts if (row["kind"], row["purpose"]) == (kind, purpose)]
        judged = [row for row in of if row["state"] == "judged"]
        count = _sum(judged, "count")
        better, worse = _sum(judged, "better"), _sum(judged, "worse")
        by: Counter[str] = Counter()
        for row in judged:
            by[str(row["judged_by"])] += int(row["count"])
        yield ComparedView(
            kind=kind,
            purpose=purpose,
            judged=count,
            left=_sum([row for row in of if row["state"] == "left"], "count"),
            difference=sum(row["difference"] or 0.0 for row in judged) / count if count else None,
            better=better,
            same=count - better - worse,
            worse=worse,
            by=dict(by),
            nano_usd=_sum(of, "nano_usd"),
        )


def _sum(rows: Iterable[Found], name: str) -> int:
    return sum(int(row[name] or 0) for row in rows)


def _judge(row: Found) -> JudgeView:
    return JudgeView(
        judge=row["judge"],
        items=int(row["items"]),
        bias=float(row["bias"]),
        error=float(row["error"]),
        consistent_share=float(row["consistent"]),
    )


def _labels(found: Iterable[LabelCount], sources: set[str]) -> tuple[LabelView, ...]:
    return tuple(
        LabelView(
            kind=one.kind, arm=one.arm, source=one.source, count=one.count, quality=one.quality
        )
        for one in found
        if one.source in sources
    )
