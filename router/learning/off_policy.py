"""What a policy would have earned on tasks that another policy routed, with an interval.

Each logged row says which arm was drawn, with what probability each arm would have been (its
propensities), and what came of it. Three estimates of a target's value are made from that
(Dudik et al., arXiv 1503.02834; Swaminathan and Joachims, 2015):

- `ips`: rewards weighted with target / propensity: unbiased, wide;
- `snips`: the same over the sum of the weights;
- `dr`, the one to use: what a model of the rewards expects of the target, plus how far weighted
  rewards are from that model, which never saw the row it speaks of. Unbiased whatever the model;
  the better the model, the narrower.

Rows that were forced say nothing of what else could have happened: they are left out and counted.
Where the log cannot answer, the estimate is a `NoVerdict` that says why.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from tercet.drawing import Draw

LEAST_ESS = 200
"""An estimate needs rows worth this many drawn by the target itself."""
LEAST_PROPENSITY = 0.01
"""Of every arm the target may play, in every row."""
FOLDS = 5
STRENGTH = 15.0
"""Rewards that the guess for a cell of the table is worth (`facts/routing.md` 5.1)."""
SEED = 7
"""Of the folds, so that an estimate made twice is the same."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Method = Literal["ips", "snips", "dr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRow:
    """A task that was routed, and what came of it."""

    kind: str
    draw: Draw
    reward: float | None
    """A label in 0 to 1, or a cost; `None`: unknown."""
    label_propensity: float = 1.0
    """With what probability a row like this one is labelled."""
    conversation: str
    """Rows of one conversation are not independent."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Log:
    """Logged rows, a column each: n rows, A arms."""

    arms: tuple[str, ...]
    kinds: NDArray[np.str_]
    """n."""
    chosen: NDArray[np.intp]
    """n; which of `arms` was drawn."""
    propensities: Floats
    """n x A; 0 where an arm could not be drawn."""
    rewards: Floats
    """n; NaN where unknown."""
    is_forced: Bools
    """n."""
    label_propensities: Floats
    """n."""
    conversations: NDArray[np.intp]
    """n; rows with one number are of one conversation."""

    def __post_init__(self) -> None:
        rows, drawn = np.arange(len(self.chosen)), self.propensities
        if drawn.shape != (len(rows), len(self.arms)):
            raise ValueError(
                f"propensities are {drawn.shape}, not {(len(rows), len(self.arms))}: "
                "log one for every arm, 0 for those that could not be drawn"
            )
        impossible = ~self.is_forced & (drawn[rows, self.chosen] <= 0)
        if impossible.any():
            raise ValueError(
                f"row {int(impossible.argmax())} was drawn with propensity 0: mark it as forced"
            )
        if (self.label_propensities <= 0).any():
            raise ValueError("a label propensity is not above 0: leave rows never labelled out")

    def __len__(self) -> int:
        return len(self.chosen)

    @classmethod
    def of(cls, rows: Iterable[LoggedRow]) -> Self:
        """Make columns of rows, with the arms of all draws in alphabetical order."""
        rows = tuple(rows)
        arms = tuple(sorted({arm for row in rows for arm in row.draw.propensities}))
        at = {arm: number for number, arm in enumerate(arms)}
        conversations: dict[str, int] = {}
        return cls(
            arms=arms,
            kinds=np.array([row.kind for row in rows], dtype=np.str_),
            chosen=np.array([at[row.draw.arm] for row in rows], dtype=np.intp),
            propensities=np.array(
                [[row.draw.propensities.get(arm, 0.0) for arm in arms] for row in rows]
            ).reshape(len(rows), len(arms)),
            rewards=np.array([np.nan if row.reward is None else row.reward for row in rows]),
            is_forced=np.array([row.draw.is_forced for row in rows], dtype=np.bool_),
            label_propensities=np.array([row.label_propensity for row in rows]),
            conversations=np.array(
                [conversations.setdefault(row.conversation, len(conversations)) for row in rows],
                dtype=np.intp,
            ),
        )

    def where(self, which: Bools) -> Self:
        """Return the rows where `which` is true."""
        return type(self)(
            arms=self.arms,
            kinds=self.kinds[which],
            chosen=self.chosen[which],
            propensities=self.propensities[which],
            rewards=self.rewards[which],
            is_forced=self.is_forced[which],
            label_propensities=self.label_propensities[which],
            conversations=self.conversations[which],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How much of a log speaks of a target."""

    rows: int
    """Not forced."""
    forced: int
    labelled: int
    """Of `rows`, those with a reward."""
    ess: float
    """Effective sample size: as many rows drawn by the target would be worth the same."""
    most_weight: float
    least_propensity: float
    """Of the arms the target may play; infinite where it plays none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean reward, or a difference of two, with a 95 % interval; in the unit of the rewards."""

    value: float
    low: float
    high: float
    support: Support


@dataclass(frozen=True, slots=True, kw_only=True)
class NoVerdict:
    """The log cannot answer."""

    why: str
    """With what would change it."""
    support: Support


Expect = Callable[[Log, Log], Floats]
"""From rows to learn from and rows to speak of, the expected reward of each of the latter and of
every arm, n x A."""


def estimate(
    log: Log, target: Floats, *, method: Method = "dr", expect: Expect | None = None
) -> Estimate | NoVerdict:
    """Estimate the mean reward of a policy on the rows of the log that were not forced.

    Args:
        log: what happened.
        target: the probabilities with which the policy would have drawn each arm, n x A, a row for
            each of the log's, the forced among them.
        method: see the module.
        expect: the model of the rewards; `None`: `shrunk_table`.
    """
    return _judged(log, (target,), method, expect)


def compare(
    log: Log,
    target: Floats,
    base: Floats,
    *,
    method: Method = "dr",
    expect: Expect | None = None,
) -> Estimate | NoVerdict:
    """Estimate how much more `target` earns than `base`, on the same rows.

    Rows in which both do the same cancel exactly, and need no support. Arguments are as for
    `estimate`.
    """
    return _judged(log, (target, base), method, expect)


def shrunk_table(learn: Log, speak: Log) -> Floats:
    """Expect of an arm what it earned in a kind, drawn towards what arm and kind do elsewhere.

    A cell's guess is the arm's mean plus how far rewards of the kind are above those of their arms;
    it counts as much as `STRENGTH` rewards, as do the guesses that it is made of.
    """
    names, codes = np.unique(np.concatenate([learn.kinds, speak.kinds]), return_inverse=True)
    known = ~np.isnan(learn.rewards)
    kind, arm = codes[: len(learn)][known], learn.chosen[known]
    reward = learn.rewards[known]
    overall = float(reward.mean()) if len(reward) else 0.0
    arms = _drawn_to(overall, arm, reward, len(learn.arms))
    kinds = _drawn_to(0.0, kind, reward - arms[arm], len(names))
    guess = (arms[None, :] + kinds[:, None]).ravel()
    cells = _drawn_to(guess, kind * len(arms) + arm, reward, len(guess))
    return cells.reshape(len(names), len(arms))[codes[len(learn) :]]


def _drawn_to(guess: Floats | float, group: NDArray[np.intp], values: Floats, count: int) -> Floats:
    """Return each group's mean, shrunk to its guess."""
    sums = np.bincount(group, weights=values, minlength=count)
    counts = np.bincount(group, minlength=count)
    return (sums + STRENGTH * guess) / (counts + STRENGTH)


def _judged(
    log: Log, targets: tuple[Floats, ...], method: Method, expect: Expect | None
) -> Estimate | NoVerdict:
    for target in targets:
        if target.shape != log.propensities.shape:
            raise ValueError(
                f"a target is {target.shape}, not {log.propensities.shape}: "
                "give a probability for every row and arm of the log, forced rows too"
            )
    free = ~log.is_forced
    used, own = log.where(free), [target[free] for target in targets]
    support = _support(used, own, int(log.is_forced.sum()))
    why = _refused(support)
    if why:
        return NoVerdict(why=why, support=support)
    expected = 0.0
    if method == "snips":
        value, influence = _self_normalised(used, own)
    else:
        # These are linear in the policy: a difference of estimates is one of a difference.
        target = own[0] - own[1] if len(own) > 1 else own[0]
        if method == "ips":
            terms = _weights(used, target) * np.nan_to_num(used.rewards)
        else:
            terms, expected = _doubly_robust(used, target, expect or shrunk_table)
        value = float(terms.mean())
        influence = terms - value
    half = _half_width(influence, used.conversations, expected)
    return Estimate(value=value, low=value - half, high=value + half, support=support)


def _support(log: Log, targets: Sequence[Floats], forced: int) -> Support:
    weights = [_weights(log, target) for target in targets]
    plays = np.logical_or.reduce([target > 0 for target in targets])
    if len(targets) > 1:
        plays &= targets[0] != targets[1]
    return Support(
        rows=len(log),
        forced=forced,
        labelled=int((~np.isnan(log.rewards)).sum()),
        ess=min(_ess(weight) for weight in weights),
        most_weight=max(float(weight.max(initial=0.0)) for weight in weights),
        least_propensity=float(log.propensities[plays].min(initial=np.inf)),
    )


def _ess(weights: Floats) -> float:
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _refused(support: Support) -> str | None:
    if support.least_propensity < LEAST_PROPENSITY:
        return (
            f"an arm the policy plays was drawn with propensity {support.least_propensity:.3g} "
            f"somewhere, below {LEAST_PROPENSITY}: leave the kinds or the days out in which it was "
            "not explored, or take shadow pairs"
        )
    if support.ess < LEAST_ESS:
        return (
            f"the log is worth {support.ess:.0f} rows of the policy's own, below {LEAST_ESS}: "
            "wait for more labels, explore more, or take shadow pairs"
        )
    return None


def _weights(log: Log, target: Floats) -> Floats:
    rows = np.arange(len(log))
    drawn = log.propensities[rows, log.chosen] * log.label_propensities
    return np.where(np.isnan(log.rewards), 0.0, target[rows, log.chosen] / drawn)


def _cross_fitted(log: Log, expect: Expect) -> Floats:
    """Return expected rewards, n x A, each from rows of other conversations."""
    names, codes = np.unique(log.conversations, return_inverse=True)
    folds = np.random.default_rng(SEED).permutation(len(names))[codes] % FOLDS
    expected = np.empty_like(log.propensities)
    for fold in range(FOLDS):
        speaks = folds == fold
        expected[speaks] = expect(log.where(~speaks), log.where(speaks))
    return expected


def _self_normalised(log: Log, targets: Sequence[Floats]) -> tuple[float, Floats]:
    """Return the estimate, or a difference, and each row's share in its error, n."""
    rewards, total, influence = np.nan_to_num(log.rewards), 0.0, np.zeros(len(log))
    for sign, target in zip((1, -1), targets, strict=False):
        weights = _weights(log, target)
        value = float(weights @ rewards / weights.sum())
        total += sign * value
        influence += sign * weights * (rewards - value) / weights.mean()
    return total, influence


def _doubly_robust(log: Log, target: Floats, expect: Expect) -> tuple[Floats, float]:
    """Return what each row adds to the mean that is the estimate, n, and that mean's variance.

    The variance is what rows drawn like these would have on average. The one seen in these rows is
    too small when rare outcomes, of weights up to 50, happened not to be among them.
    """
    weights, drawn = _weights(log, target), np.arange(len(log))
    expected = _cross_fitted(log, expect)
    errors = log.rewards - expected[drawn, log.chosen]
    guesses = (target * expected).sum(axis=1)
    spread = np.maximum(_cross_fitted(replace(log, rewards=errors**2), expect), 0.0)
    chances = log.propensities * log.label_propensities[:, None]
    share = np.divide(target**2, chances, out=np.zeros_like(target), where=chances > 0)
    variance = float(guesses.var() + (share * spread).sum(axis=1).mean()) / len(log)
    return guesses + weights * np.nan_to_num(errors), variance


def _half_width(influence: Floats, conversations: NDArray[np.intp], expected: float) -> float:
    """Return half of the 95 % interval of a mean of rows that are independent by conversation.

    The larger of the variance seen and the one expected counts, with Student's quantile for the
    degrees of freedom of a variance that itself varies as seen (Satterthwaite, 1946).
    """
    _, codes = np.unique(conversations, return_inverse=True)
    squares = np.bincount(codes, weights=influence) ** 2
    total, fourth = float(squares.sum()), float(squares @ squares)
    if fourth == 0:
        return 0.0
    seen = total * len(squares) / max(len(squares) - 1, 1) / len(influence) ** 2
    return _student_95(2 * total**2 / fourth) * sqrt(max(seen, expected))


def _student_95(freedom: float) -> float:
    """Return the 0.975 quantile of Student's distribution (Cornish and Fisher's expansion)."""
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
