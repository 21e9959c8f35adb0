"""What a model's tokens cost: named list prices first, else a rule by size.

`prices.json` has three parts: `prices`, models that take part by default; `more`, models whose
prices are known too but that join only where too few others do; `by_size`, the rule for open
models, which reads the parameter count in a name.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SHIPPED = Path(__file__).parent / "prices.json"
MIXTURE = re.compile(r"(?<![\w.])(\d+)x(\d+(?:\.\d+)?)b(?![a-z0-9])")
SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)b(?![a-z0-9])")
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per token of a model, and whether it is listed among those that take part by default."""

    input: float
    output: float
    is_listed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices in USD per million tokens, by lower-case name, and the rule by size."""

    listed: Mapping[str, Pair]
    more: Mapping[str, Pair]
    dense: tuple[Pair, ...]
    mixture: tuple[Pair, ...]

    def of(self, model: str) -> Price | None:
        """Return a model's price; None where neither its name nor its size says one."""
        names = (model.lower(), model.lower().rsplit("/", 1)[-1])
        for table, is_listed in ((self.listed, True), (self.more, False)):
            for name in names:
                if name in table:
                    return _price(table[name], is_listed=is_listed)
        rate = self._by_size(names[1])
        return None if rate is None else _price((rate, rate), is_listed=False)

    def _by_size(self, name: str) -> float | None:
        if experts := MIXTURE.search(name):
            size, tiers = float(experts[1]) * float(experts[2]), self.mixture
        elif dense := SIZE.search(name):
            size, tiers = float(dense[1]), self.dense
        else:
            return None
        return next((rate for limit, rate in tiers if size <= limit), None)


def price_list(extra: Path | None = None) -> PriceList:
    """Read the shipped prices; those of another file of the same form win over them."""
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    added = {} if extra is None else json.loads(extra.read_text(encoding="utf-8"))["prices"]
    return PriceList(
        listed=_lower(shipped["prices"]) | _lower(added),
        more=_lower(shipped["more"]["prices"]),
        dense=tuple((limit, rate) for limit, rate in shipped["by_size"]["dense"]),
        mixture=tuple((limit, rate) for limit, rate in shipped["by_size"]["mixture"]),
    )


def _lower(prices: Mapping[str, list[float]]) -> dict[str, Pair]:
    return {name.lower(): (float(pair[0]), float(pair[1])) for name, pair in prices.items()}


def _price(pair: Pair, *, is_listed: bool) -> Price:
    return Price(input=pair[0] / 1e6, output=pair[1] / 1e6, is_listed=is_listed)
