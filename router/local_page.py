"""The local model as one JSON document: whether it is ready, and how long its starts took."""

from router.waking import LoadTimes
from tercet.local_model import LocalModel
from tercet.readiness import LocalReport

SHOWN = 10
"""Newest starts that are listed."""


def local_document(
    model: LocalModel | None, report: LocalReport | None, now: float
) -> dict[str, object]:
    """Return the document; seconds are rounded to tenths. Without a model it says so."""
    if model is None or report is None:
        return {"object": "tercet.local", "model": None, "readiness": "off"}
    readiness, loads = report.readiness, LoadTimes(starts=report.starts)
    return {
        "object": "tercet.local",
        "model": model.name,
        "readiness": readiness.kind,
        "why": readiness.why,
        "since": readiness.since,
        "starting_s": None if readiness.since is None else round(now - readiness.since, 1),
        # Until there are enough starts, a cautious guess is part of these.
        "load_s": {"p50": round(loads.quantile(0.5), 1), "p95": round(loads.quantile(0.95), 1)},
        "starts": [
            {
                "at": start.at,
                "node": start.node,
                "total_s": round(start.total_s, 1),
                "phases_s": {name: round(s, 1) for name, s in start.phases.items()},
            }
            for start in report.starts[:SHOWN]
        ],
    }
