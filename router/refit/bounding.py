"""Intervals for a gate that looks every night: valid at every look, not at one."""

from dataclasses import replace
from typing import Final

import numpy as np

from router.learning.gating import Evidence, Trial
from router.learning.off_policy import Estimate
from router.statistics.interval import boundary
from router.statistics.paired import paired_mean

PLANNED: Final = 1_000
"""Pairs at which an interval is tightest: about what a margin of 0.05 takes."""
_ONE_LOOK: Final = 1.959964
"""Standard deviations on either side of an estimate's interval, which is for one look."""


def bound(evidence: Evidence) -> tuple[float, float]:
    """Return a 95 % interval for the mean difference that holds whenever it is looked at."""
    if not len(evidence.differences):
        return -1.0, 1.0
    if not evidence.differing:
        return 0.0, 0.0
    found = paired_mean(np.asarray(evidence.differences, np.float64), PLANNED)
    return max(found.low, -1.0), min(found.high, 1.0)


def at_every_look(trial: Trial) -> Trial:
    """Return a trial whose off-policy estimates are as wide as many looks make them."""
    return replace(trial, evidence=[_at_every_look(one) for one in trial.evidence])


def _at_every_look(evidence: Evidence) -> Evidence:
    told = evidence.off_policy
    if told is None:
        return evidence
    times = np.array([max(told.support.labelled, 1) / PLANNED])
    factor = float(boundary(times)[0]) / _ONE_LOOK
    return replace(evidence, off_policy=_wider(told, factor))


def _wider(told: Estimate, factor: float) -> Estimate:
    low, high = told.value - told.low, told.high - told.value
    return replace(told, low=told.value - factor * low, high=told.value + factor * high)
