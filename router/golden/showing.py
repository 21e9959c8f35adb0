"""Golden results by kind and arm, for people and for programs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median

from router.books.table import table
from router.statistics.fixed import proportion_bounds
from tercet.learning import Label
from tercet.usage import NANO_USD_PER_USD

ALL = "all"
SIMULATED = "note: the upstreams are simulated, so this says nothing of the models\n"
_HEADINGS = ("kind", "arm", "tasks", "quality", "95 %", "USD an answer", "median s", "by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How good an arm is in a kind."""

    kind: str
    arm: str
    tasks: int
    quality: float
    low: float
    """Of the interval for one look, over the tasks."""
    high: float
    nano_usd: float | None
    """Mean of an answer; `None`: of none is it known."""
    seconds: float | None
    """Median."""
    sources: tuple[str, ...]
    """Who found the quality."""


def rows_of(labels: Iterable[Label]) -> Sequence[Row]:
    """Return a row for each kind and arm, and for each arm over all kinds."""
    sorted_out: dict[tuple[str, str], list[Label]] = {}
    for label in labels:
        for kind in (label.kind, ALL):
            sorted_out.setdefault((kind, label.arm), []).append(label)
    ordered = sorted(sorted_out, key=lambda place: (place[0] == ALL, place))
    return [_row(kind, arm, sorted_out[kind, arm]) for kind, arm in ordered]


def _row(kind: str, arm: str, labels: Sequence[Label]) -> Row:
    by_task: dict[str, list[float]] = {}
    for label in labels:
        by_task.setdefault(label.group_id, []).append(label.quality)
    means = [fmean(found) for found in by_task.values()]
    low, high = proportion_bounds(sum(means), len(means))
    costs = [label.cost_nano_usd for label in labels if label.cost_nano_usd is not None]
    seconds = [label.seconds for label in labels if label.seconds is not None]
    return Row(
        kind=kind,
        arm=arm,
        tasks=len(means),
        quality=fmean(means),
        low=low,
        high=high,
        nano_usd=fmean(costs) if costs else None,
        seconds=median(seconds) if seconds else None,
        sources=tuple(sorted({label.source for label in labels})),
    )


def as_text(rows: Sequence[Row], left: Mapping[str, int], spent: int) -> str:
    """Return a table, what has no quality and why, and what was spent."""
    lines = [
        (
            row.kind,
            row.arm,
            str(row.tasks),
            f"{row.quality:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            "-" if row.nano_usd is None else f"{row.nano_usd / NANO_USD_PER_USD:.6f}",
            "-" if row.seconds is None else f"{row.seconds:.2f}",
            ", ".join(row.sources),
        )
        for row in rows
    ]
    told = table(_HEADINGS, lines) if rows else "no answer has a quality\n"
    told += "".join(f"left: {count} because {why}\n" for why, count in left.items())
    return f"{told}spent: {spent / NANO_USD_PER_USD:.6f} USD\n"


def as_document(rows: Sequence[Row], left: Mapping[str, int], spent: int) -> Mapping[str, object]:
    """Return the same for programs."""
    return {"rows": [asdict(row) for row in rows], "left": dict(left), "spent_nano_usd": spent}
