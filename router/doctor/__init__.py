"""`tercet doctor`: whether a model fits a card, reckoned before money is spent.

The deployment refuses to start by `check`, too, so both say the same numbers.
"""

from router.doctor.report import Report, check

__all__ = ["Report", "check"]
