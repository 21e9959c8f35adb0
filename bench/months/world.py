"""One month as it is before anybody decides anything: every task with both its costs and qualities.

Nothing here depends on what is done: it is drawn once, and a play only says what of it is seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from bench.months.scenario import Scenario
from bench.months.workload import DAY_S, DAYS, OUTPUT_WEIGHT, WINDOW_S, WINDOWS, Floats, Tenant
from router.assigning import place_of

LENGTHS = np.array([0.45, 0.20, 0.13, 0.10, 0.07, 0.05])
"""How many conversations have one task, two, ... six."""
GAP_S = 120.0
COST_CV = 2.0
RAISED_AT = DAYS * DAY_S / 2
"""When the API's price is multiplied with `Scenario.api_factor`."""
SHARED = 0.4
"""With what chance a task takes its luck from its conversation, so that its tasks are alike."""
API_QUALITY = 0.7
SECONDS_SIGMA = 0.6
WITHIN = 0.5
"""Of the costs' spread beyond the tokens', how much is the conversation's."""

Integers = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """The eligible tasks of a month, in order of time."""

    scenario: Scenario
    kinds: Integers
    """Places in `scenario.requests`."""
    conversations: Integers
    at: Floats
    """Seconds from the month's beginning; negative: in the baseline before it."""
    side: Floats
    """Where the conversation's hash places it, 0 to 1."""
    sample: Floats
    """The same for what is compared; by task, or by conversation where the scenario says so."""
    size_tokens: Floats
    api_nano_usd: Floats
    api_quality: Floats
    local_quality: Floats
    is_same: Bools
    """Both answers say the same, so nobody has to judge."""
    delta: Floats
    """What the difference of the two is expected to be."""
    api_s: Floats
    local_s: Floats

    @property
    def price_levels(self) -> Floats | None:
        """How dear the API was at each task, 1 in the end, as the price book has it."""
        factor = self.scenario.api_factor
        return None if factor == 1.0 else np.where(self.at < RAISED_AT, 1.0 / factor, 1.0)

    @cached_property
    def is_first(self) -> Bools:
        """Whether a task is its conversation's first."""
        first = np.zeros(len(self.at), bool)
        first[np.unique(self.conversations, return_index=True)[1]] = True
        return first

    @cached_property
    def windows(self) -> Integers:
        """The ten minutes that each task is in; of the baseline, the first."""
        return np.clip(self.at // WINDOW_S, 0, WINDOWS - 1).astype(np.intp)


def drawn(scenario: Scenario, tenant: Tenant, seed: Sequence[int], salt: str) -> World:
    """Draw a month of a tenant; its conversations are placed by the product's own hash."""
    rng = np.random.default_rng(seed)
    kinds, conversations, at = _arrivals(scenario, tenant, rng)
    count, groups = len(at), int(conversations.max()) + 1
    side = np.array([place_of(f"{seed} {one}", salt) for one in range(groups)])[conversations]
    by_conversation = scenario.is_sampled_by_conversation
    sample = rng.random(groups)[conversations] if by_conversation else rng.random(count)
    delta = np.where(at < scenario.fell_at, 0.0, -scenario.drop) + scenario.delta
    api_quality, local_quality, is_same = _qualities(delta, conversations, scenario.agree, rng)
    size, nano_usd = _costs(scenario, tenant, conversations, rng)
    raised = np.where(at < RAISED_AT, 1.0, scenario.api_factor)
    slow = rng.lognormal(0.0, SECONDS_SIGMA, (2, count))
    return World(
        scenario=scenario,
        kinds=kinds,
        conversations=conversations,
        at=at,
        side=side,
        sample=sample,
        size_tokens=size,
        api_nano_usd=np.rint(nano_usd * raised),
        api_quality=api_quality,
        local_quality=local_quality,
        is_same=is_same,
        delta=delta,
        api_s=scenario.api_s * slow[0],
        local_s=scenario.local_s * slow[1],
    )


def _arrivals(
    scenario: Scenario, tenant: Tenant, rng: np.random.Generator
) -> tuple[Integers, Integers, Floats]:
    """Draw kinds, conversations and moments, in order of time; the baseline is a month before."""
    batches, groups = list[tuple[Integers, Integers, Floats]](), 0
    for kind, requests in enumerate(scenario.requests.values()):
        for wanted, first in ((scenario.baseline, -DAYS * DAY_S), (requests, 0.0)):
            owners, moments = _conversations(wanted, tenant, rng)
            batches.append((np.full(wanted, kind), groups + owners, first + moments))
            groups += wanted
    kinds, conversations, at = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    order = np.argsort(at, kind="stable")
    # Numbered without a gap, so that what is drawn for each is not more than is needed.
    numbers = np.unique(conversations[order], return_inverse=True)[1]
    return kinds[order], numbers, at[order]


def _conversations(
    wanted: int, tenant: Tenant, rng: np.random.Generator
) -> tuple[Integers, Floats]:
    """Draw a month's conversations: of each task its own, and when it comes."""
    if not wanted:
        return np.empty(0, np.intp), np.empty(0)
    lengths = rng.choice(len(LENGTHS), wanted, p=LENGTHS) + 1
    owners = np.repeat(np.arange(wanted), lengths)[:wanted]
    begun = (rng.choice(WINDOWS, wanted, p=tenant.weights) + rng.random(wanted)) * WINDOW_S
    passed = np.cumsum(rng.exponential(GAP_S, wanted))
    moments = begun[owners] + passed - passed[np.searchsorted(owners, owners)]
    # The last conversations of a month end in it.
    return owners, np.minimum(moments, DAYS * DAY_S - 1.0)


def _luck(conversations: Integers, rng: np.random.Generator) -> Floats:
    """Draw a number of [0, 1) for each task that the tasks of a conversation tend to share."""
    own, common = rng.random(len(conversations)), rng.random(int(conversations.max()) + 1)
    return np.where(rng.random(len(own)) < SHARED, common[conversations], own)


def _qualities(
    delta: Floats, conversations: Integers, agree: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Bools]:
    """Draw qualities of 0, 1/2 and 1 whose expected difference is `delta`, exactly.

    And whether the two answers are the same.
    """
    api = _graded(_luck(conversations, rng), np.full(len(delta), API_QUALITY))
    is_same = _luck(conversations, rng) < agree
    other = _graded(_luck(conversations, rng), API_QUALITY + delta / (1.0 - agree))
    return api, np.where(is_same, api, other), is_same


def _graded(places: Floats, mean: Floats) -> Floats:
    half = mean * (1.0 - mean)
    whole = mean - half / 2
    return np.where(places < whole, 1.0, np.where(places < whole + half, 0.5, 0.0))


def _costs(
    scenario: Scenario, tenant: Tenant, conversations: Integers, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw sizes and the API's costs: by the tokens, and log-normal about that (thoughts, caches).

    The spread about the tokens' price is what makes the coefficient of variation `COST_CV`.
    """
    tokens, output = tenant.drawn(rng, len(conversations))
    mean, spread = tenant.price
    price = (tokens + OUTPUT_WEIGHT * output) / mean
    variance = log(1 + COST_CV**2) - log(1 + spread**2)
    sigma = sqrt(max(variance, 0.0))
    common = rng.normal(0.0, 1.0, int(conversations.max()) + 1)[conversations]
    own = rng.normal(0.0, 1.0, len(conversations))
    noise = sqrt(WITHIN) * common + sqrt(1 - WITHIN) * own
    return tokens, 1e9 * scenario.api_usd * price * np.exp(sigma * noise - sigma**2 / 2)
