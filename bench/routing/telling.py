"""What was measured, as lines for people and as JSON."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.routing.dataset import Array
from bench.routing.evaluation import OURS, Figure, Measured
from bench.routing.metrics import interval

POINTS = 100
COLUMNS = (
    *("policy", "AIQ", "log AIQ", "- zero", "- strongest", "cost at best", "at trained"),
    *("gap closed", "APGR", "arena", "kept", "p50 ms", "p99 ms", "1 MB ms", "MB"),
)
Json = dict[str, object]


def heading(name: str, rows: int, arms: Sequence[str], trained: int) -> str:
    """Return what a table is about."""
    return f"\n{name}: {rows:,} test rows, {trained:,} training rows, arms: {', '.join(arms)}"


def rows(all_of_it: Sequence[Measured]) -> str:
    """Return one line a policy, the best AIQ last but for the oracle's."""
    ordered = sorted(all_of_it, key=lambda one: _number(one.figures["aiq"]))
    lines = [list(COLUMNS), *([one.curve.name, *_cells(one.figures)] for one in ordered)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def deferrals(all_of_it: Sequence[Measured], pair: tuple[str, str]) -> str:
    """Return the deferral figures: APGR, and the share of strong calls that closes the gap."""
    lines = [f"deferral, {pair[0]} | {pair[1]}: share of strong calls that closes 50, 80, 95 %"]
    for one in all_of_it:
        if "apgr" in one.figures:
            cells = [_share(one.figures.get(key)) for key in ("cpt_50", "cpt_80", "cpt_95")]
            told = "  ".join(cell.rjust(7) for cell in cells)
            apgr = _plain(one.figures["apgr"], 3).rjust(6)
            lines.append(f"  {one.curve.name:<32}{apgr}  {told}")
    return "\n".join(lines)


def verdict(all_of_it: Sequence[Measured], rivals: Mapping[str, str]) -> str:
    """Return the strongest baselines, and what ours is above each, with its 95 % interval."""
    lines = [f"strongest published way: {rivals.get('strongest', 'none')}"]
    lines.append(f"strongest that reads prompts: {rivals.get('strongest_of_all', 'none')}")
    for one in all_of_it:
        if one.curve.name.startswith(OURS):
            for label, rival in rivals.items():
                gap = one.figures[f"minus_{label}"]
                lines.append(f"{one.curve.name} minus {rival}: {_gap(gap)} points of AIQ")
            share = _share(one.figures["cost_at_best_single"])
            lines.append(f"{one.curve.name}: cost at the best single model's quality {share}")
    return "\n".join(lines)


def mean_of(tests: Sequence[tuple[Mapping[str, str], Mapping[str, Array], Json]]) -> list[Json]:
    """Return ours minus each kind of rival, as the mean over the test files with its interval.

    Files are resampled on their own; a mean's draw is the mean of one draw of each.
    """
    found: list[Json] = []
    ours = [name for name in tests[0][1] if name.startswith(OURS)]
    labels = [label for label in tests[0][0] if all(label in rivals for rivals, _, _ in tests)]
    for name in ours:
        for label in labels:
            drawn, points = [], []
            for rivals, draws, aiqs in tests:
                rival = rivals[label]
                drawn.append(draws[name] - draws[rival])
                points.append(_number(aiqs[name]) - _number(aiqs[rival]))
            lo, hi = interval(np.mean(drawn, axis=0))
            gap = [float(np.mean(points)), lo, hi]
            found.append({"policy": name, "minus": label, "aiq": gap, "tests": len(tests)})
    return found


def means(found: Sequence[Json]) -> str:
    """Return lines for `mean_of`."""
    return "\n".join(
        f"mean of {one['tests']} files: {one['policy']} minus each file's {one['minus']}: "
        f"{_gap(one['aiq'])} points of AIQ"
        for one in found
    )


def as_json(all_of_it: Sequence[Measured]) -> list[Json]:
    """Return every figure, unrounded but for float noise."""
    return [
        {"policy": one.curve.name, "reads": one.reads}
        | {key: _rounded(value) for key, value in one.figures.items()}
        for one in all_of_it
    ]


def _cells(figures: Mapping[str, Figure]) -> list[str]:
    kept = figures.get("robustness")
    return [
        _plain(_points(figures["aiq"]), 2),
        _plain(_points(figures["aiq_log"]), 2),
        _plain(_points(figures["minus_zero"]), 2),
        _gap(figures["minus_strongest"]) if "minus_strongest" in figures else "-",
        _share(figures["cost_at_best_single"]),
        _share(figures["cost_at_trained_best"]),
        _share(figures["oracle_gap_closed"]),
        _plain(figures.get("apgr"), 3),
        _plain(_points(figures["arena"]), 2),
        _share(kept["mean"] if isinstance(kept, dict) else None),
        _plain(figures.get("cpu_ms_p50"), 3),
        _plain(figures.get("cpu_ms_p99"), 3),
        _plain(figures.get("cpu_ms_1mb"), 1),
        _plain(figures.get("artefact_mb"), 1),
    ]


def _gap(value: object) -> str:
    if not isinstance(value, list):
        return "-"
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(POINTS * part for part in value))


def _points(value: Figure) -> Figure:
    return POINTS * value if isinstance(value, float) else value


def _plain(value: Figure, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, float) else "-"


def _share(value: Figure) -> str:
    return f"{value:.1%}" if isinstance(value, float) else "-"


def _number(value: object) -> float:
    return value if isinstance(value, float) else float("nan")


def _rounded(value: Figure) -> Figure:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: round(part, 4) for key, part in value.items()}
    return value
