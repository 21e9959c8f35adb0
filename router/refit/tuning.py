"""A version's thresholds moved on the evidence of the ledger, a step at a time.

What is nearby is replayed on one half of the conversations, and what is chosen there is told by the
other half: a choice among several always looks better on the rows it was chosen on.
"""

import json
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b

from router.learning.document import Policy
from router.learning.off_policy import Estimate
from router.refit.making import Given, Made
from router.refit.replaying import Replay, Rows, Told
from router.refit.tasks import Came
from router.refit.thresholds import Settings, moved, nearby, within


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What tuning came to."""

    policy: Policy
    settings: Settings
    """The threshold that was moved; empty: none, and `policy` is as it was."""
    tried: int
    before: Replay
    """On the half that nothing was chosen on."""
    after: Replay
    why: str


def tuned(policy: Policy, given: Given) -> Tuned:
    """Move the threshold that saves most without surely losing more quality than the margin."""
    policy = within(policy, given.terms.rules)
    here, there = (Rows.of(policy.estimates, _half(given, half)) for half in (0, 1))
    base = here.replay(policy)
    tried = [
        (settings, here.replay(moved(policy, settings)))
        for settings in nearby(policy, given.terms.rules)
    ]
    good = [(settings, seen) for settings, seen in tried if _is_better(seen, base, given)]
    best: Settings = min(good, key=lambda one: _mean(one[1].cost))[0] if good else {}
    chosen = moved(policy, best)
    before, after = there.replay(policy), there.replay(chosen)
    if best and not _is_better(after, before, given):
        chosen, best, after = policy, {}, before
    name = next(iter(best), None)
    return Tuned(
        policy=chosen,
        settings=best,
        tried=len(tried),
        before=before,
        after=after,
        why=f"{name} is {best[name]:g}: {_words(before, after)}" if name else _stays(base, tried),
    )


def refined(made: Made, given: Given) -> Made:
    """Return a candidate with its thresholds tuned, and what that stood on in its summary."""
    found = tuned(made.policy, given)
    told = {
        "moved": dict(found.settings),
        "tried": found.tried,
        "why": found.why,
        "before": asdict(found.before),
        "after": asdict(found.after),
    }
    summary = json.dumps({**json.loads(made.summary), "tuning": told})
    return Made(policy=found.policy, summary=summary)


def _half(given: Given, half: int) -> Given:
    return replace(given, tasks=[task for task in given.tasks if _side(task) == half])


def _side(task: Came) -> int:
    return blake2b((task.conversation or task.task_id).encode(), digest_size=1).digest()[0] % 2


def _is_better(seen: Replay, base: Replay, given: Given) -> bool:
    """Whether it costs less, and its quality is surely within the margin of what was logged."""
    if not isinstance(seen.cost.replayed, Estimate) or not isinstance(base.cost.replayed, Estimate):
        return False
    return seen.cost.replayed.value < base.cost.replayed.value and _is_good(seen, given)


def _is_good(seen: Replay, given: Given) -> bool:
    least = -given.terms.rules.margin
    told = seen.quality.difference
    return seen.pairs.low > least or (isinstance(told, Estimate) and told.low > least)


def _mean(told: Told) -> float:
    return told.replayed.value if isinstance(told.replayed, Estimate) else float("inf")


def _words(before: Replay, after: Replay) -> str:
    usd = [_mean(one.cost) / 1e9 for one in (before, after)]
    return f"{usd[1]:.6f} USD a task instead of {usd[0]:.6f}, replayed on {after.tasks} tasks"


def _stays(base: Replay, tried: list[tuple[Settings, Replay]]) -> str:
    if not isinstance(base.cost.replayed, Estimate):
        return f"no threshold is moved: {base.cost.replayed.why}"
    return f"no threshold is moved: none of {len(tried)} steps is surely good enough and cheaper"
