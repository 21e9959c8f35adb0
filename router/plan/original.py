"""What the plan itself says (`AI Multi-Model Orchestration Plan`), to be put beside what is so."""

from collections.abc import Mapping

from tercet.usage import NANO_USD_PER_USD

TIERS_USD: Mapping[str, tuple[int, int]] = {
    "tier1": (80, 150),
    "tier2": (60, 100),
    "tier3": (30, 50),
}
"""Of a month, from and to."""
PATTERNS: Mapping[str, tuple[int, int]] = {
    "light": (2, 15),
    "medium": (6, 45),
    "heavy": (12, 90),
    "always on": (24, 180),
}
"""Hours a day, and USD a month on a Vast.ai RTX 3090 at 0.25 USD an hour."""
TOTALS_USD: Mapping[str, str] = {
    "month 1": "200",
    "light": "165",
    "medium": "195",
    "heavy": "190",
}
"""Of a month: its light row rents for 15 to 45 USD, which is its light and its medium pattern."""
TARGET_NANO_USD = 180 * NANO_USD_PER_USD
"""A month's total from month 3 on."""
BUY_MONTHS = (16, 20)
"""After so many a bought card is to have paid."""
TOKENS_PER_S = (15, 22)
"""Of the local model on a 24 GB card."""
