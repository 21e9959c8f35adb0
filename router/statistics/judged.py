"""What a judge's differences are worth once it has been audited against known ones."""

from math import hypot, inf, sqrt
from typing import Final

import numpy as np

from router.statistics.interval import Floats, Interval, checked
from router.statistics.paired import paired_mean

FEWEST_AUDITS: Final = 20
"""Audited pairs before a corrected difference has bounds."""
_PSEUDO: Final = 2.0
"""Errors of one point, half of them each way, that their variance begins with."""
_DEVIATIONS: Final = 2.24
"""Standard errors that the audits may be off by: 97.5 %, since they are one set, seen once."""


def corrected(differences: Floats, errors: Floats, planned: int) -> Interval:
    """Return the mean difference without what the judge is wrong by on average.

    Prediction-powered inference (Angelopoulos et al., arXiv 2301.09633): the mean of what the judge
    said, less the mean error where the truth is known. The interval has both parts' uncertainty,
    and the audited pairs are taken to be like those of the traffic.

    Args:
        differences: n, in order of time, -1 to 1, as the judge has them; of one conversation one.
        errors: Of the audited pairs: judged minus true difference, -2 to 2.
        planned: For how many pairs the interval is to be narrowest.

    Returns:
        With fewer than `FEWEST_AUDITS` errors the mean as the judge has it, wide open.
    """
    said = paired_mean(differences, planned)
    wrong = checked(errors, "errors", -2.0, 2.0)
    audits = len(wrong)
    if audits < FEWEST_AUDITS:
        return Interval(value=said.value, low=-inf, high=inf, groups=said.groups)
    bias = float(wrong.mean())
    variance = (float(np.square(wrong).sum()) + _PSEUDO) / (audits + _PSEUDO) - bias**2
    value = said.value - bias
    radius = hypot(said.high - said.value, _DEVIATIONS * sqrt(variance / audits))
    return Interval(value=value, low=value - radius, high=value + radius, groups=said.groups)
