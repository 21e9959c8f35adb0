"""Months that were played -> the lines of the tables, each share with its binomial interval."""

from collections.abc import Iterable, Sequence
from math import inf, isfinite, sqrt
from typing import Final

import numpy as np
from scipy.stats import binomtest

from bench.months.noting import Held, Note
from bench.months.scenario import Scenario
from bench.report import Figure

LEAST_BOUNDED: Final = 0.2
"""Of the months, at a look that is judged; at earlier ones too few have an interval at all."""
MONEY: Final = ("it surely does not pay", "surely slower")
Line = dict[str, Figure]
Played = tuple[Scenario, Sequence[Note]]


def share(count: int, of: int) -> str:
    """Return a share as a percentage with its 95 % interval (Clopper and Pearson)."""
    if not of:
        return "-"
    bounds = binomtest(count, of).proportion_ci()
    return f"{count / of:.1%} [{bounds.low:.1%}, {bounds.high:.1%}]"


def covering(played: Iterable[Played]) -> list[Line]:
    """Return how often the intervals hold the truth: at the worst look, and at all of them."""
    return [
        {"what": what, "scenario": scenario.name, **_covering(held, notes), "+-": width}
        for scenario, notes in played
        for what, held, width in _intervals(notes)
    ]


def _intervals(notes: Sequence[Note]) -> Iterable[tuple[str, Sequence[Held], str]]:
    total = [note.saving for note in notes]
    displaced = np.array([note.money.displaced for note in notes])
    some = displaced > 0
    relative = np.array([one.half_width for one in total])[some] / displaced[some] / 1e9
    yield "saving", total, f"{np.median(relative):.0%}" if some.any() else "-"
    kinds = range(len(notes[0].qualities))
    if len(kinds) > 1:
        for kind in kinds:
            yield f"saving, kind {kind + 1}", [note.savings[kind] for note in notes], "-"
    for kind in kinds:
        held = [note.qualities[kind] for note in notes]
        name = "quality" if len(kinds) == 1 else f"quality, kind {kind + 1}"
        yield name, held, f"{np.median([one.half_width for one in held]):.3f}"


def _covering(held: Sequence[Held], notes: Sequence[Note]) -> Line:
    bounded = np.sum([one.is_bounded for one in held], axis=0)
    true = np.sum([one.is_true for one in held], axis=0)
    judged = np.flatnonzero(bounded >= max(LEAST_BOUNDED * len(notes), 1))
    if not len(judged):
        return {"worst look": "-", "all looks": "-"}
    worst = judged[np.argmin(true[judged] / bounded[judged])]
    some = [one for one in held if one.is_bounded.any()]
    return {
        "worst look": share(int(true[worst]), int(bounded[worst])),
        "all looks": share(sum(one.always for one in some), len(some)),
    }


def saving(played: Iterable[Played]) -> list[Line]:
    """Return how far estimates of the saving are off on the mean, in per cent of the truth.

    The machine's bill is known, so the error is that of what was displaced.
    """
    lines = list[Line]()
    for scenario, notes in played:
        money = [note.money for note in notes]
        displaced = np.array([one.displaced for one in money])
        bill = np.array([one.bill for one in money])
        error = np.array([one.estimate for one in money]) - displaced
        naive = {
            "re-priced": np.array([one.repriced for one in money]) - displaced,
            "before/after": np.array([one.before_after for one in money]) - displaced,
        }
        net = float((displaced - bill).mean())
        lines.append(
            {
                "scenario": scenario.name,
                "displaced USD": float(displaced.mean()),
                "bill USD": float(bill.mean()),
                "saving USD": net,
                "evidence USD": float(np.mean([one.evidence for one in money])),
                "at most": max(one.evidence for one in money),
                "off, % of displaced": _off(error, float(displaced.mean())),
                "off, % of saving": _off(error, abs(net)),
                **{name: _off(one, float(displaced.mean())) for name, one in naive.items()},
            }
        )
    return lines


def _off(errors: np.ndarray, of: float) -> str:
    if not of:
        return "-"
    mean = 100 * float(errors.mean()) / of
    return f"{mean:+.1f} +- {196 * float(errors.std()) / sqrt(len(errors)) / of:.1f}"


def moving(played: Iterable[Played]) -> list[Line]:
    """Return how often kinds are promoted, and rolled back before anything fell."""
    lines = list[Line]()
    for scenario, notes in played:
        days = [note.promoted_day for note in notes]
        quality = [any(why not in MONEY for why in note.rolled_back) for note in notes]
        money = [any(why in MONEY for why in note.rolled_back) for note in notes]
        lines.append(
            {
                "scenario": scenario.name,
                "all kinds promoted": share(sum(map(isfinite, days)), len(notes)),
                "median day": _quantile(days, 0.5),
                "any promoted": share(sum(note.is_promoted for note in notes), len(notes)),
                "rolled back for quality": share(sum(quality), len(notes)),
                "for money or time": share(sum(money), len(notes)),
            }
        )
    return lines


def falling(played: Iterable[Played]) -> list[Line]:
    """Return in how many requests a model that has become worse is rolled back."""
    lines = list[Line]()
    for scenario, notes in played:
        fell = [
            (note.found_after, note.found_pairs)
            for note in notes
            if note.found_after is not None and note.found_pairs is not None
        ]
        if not fell:
            continue
        requests, pairs = ([one[at] for one in fell] for at in (0, 1))
        lines.append(
            {
                "scenario": scenario.name,
                "months": len(fell),
                "median requests": _quantile(requests, 0.5),
                "p90": _quantile(requests, 0.9),
                "within 500": share(sum(one <= 500 for one in requests), len(fell)),
                "median pairs": _quantile(pairs, 0.5),
            }
        )
    return lines


def _quantile(values: Sequence[float], at: float) -> str:
    """Return a quantile; of those that did not come to it, it is a dash."""
    found = sorted(values)[min(int(at * len(values)), len(values) - 1)]
    return f"{found:,.0f}" if found < inf else "-"
