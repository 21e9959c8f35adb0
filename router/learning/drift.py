"""Alarms: what the router was fitted on is no longer what comes.

- `share_alarms`: the mix of kinds, by the population stability index of the posteriors;
- `rate_alarm`: agreement, escalation, and a judge against a verifier, by a two-sided CUSUM a kind;
- `tier_share_alarms`: a key that is suddenly sent to another tier;
- `prefix_alarms`: one beginning on unlike prompts, and where it stands the tier is another: that is
  how a gadget against a router looks (arXiv 2501.01818).

Every threshold follows from how often a false alarm is bearable: `docs/off-policy.md`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

What = Literal["input share", "agreement", "escalation", "judge", "tier share", "prefix"]

TASKS_PER_FALSE_ALARM = 12_000
"""A year of a kind with 1,000 tasks a month."""
SHIFT = 0.15
"""The change of a rate that is looked for; near 0 and 1, halfway there."""
LEAST_SHIFT = 0.05
UNSURE = 1.0
"""Standard errors of the reference by which a rate may be off without being a change."""
LEAST_PSI = 0.02
"""Of one kind; below, a change of share is not worth an alarm however sure."""
SHARE_Z = 4.0
"""Standard errors that the share of a kind has to move, with a look a day."""
LEAST_JUMP = 0.15
JUMP_Z = 4.0
LEAST_TASKS = 20
LEAST_ALIKE = 0.2
"""Mean likeness (Jaccard) of prompts from which they are one prompt, varied."""
HASHES = 8
_MERSENNE = 2**61 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something is no longer as it was when the policy was fitted."""

    what: What
    kind: str | None
    """`None`: it is about no one kind."""
    key: str | None
    """The caller's key it is about; `None`: all."""
    measured: float
    threshold: float
    """In the unit of `measured`; what that is, `advice` says."""
    since: float
    """Unix seconds; the best guess at when it began."""
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One task's yes or no: its members agreed, it was escalated, the judge contradicted."""

    at: float
    """Unix seconds."""
    is_true: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a rate was when the policy was fitted."""

    true: int
    count: int

    @property
    def rate(self) -> float:
        """Return the rate, kept off 0 and 1 (Jeffreys)."""
        return (self.true + 0.5) / (self.count + 1)

    @property
    def error(self) -> float:
        """Return the rate's standard error."""
        return sqrt(self.rate * (1 - self.rate) / (self.count + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One side of a CUSUM: how much better a changed rate explains the latest than the old one.

    Under the old rate it reaches log(n) less than once in n tasks (Lorden, 1971).
    """

    if_true: float
    """Log likelihood ratio of a yes."""
    if_false: float
    value: float = 0.0
    since: float | None = None
    """Unix seconds of the first task counted."""

    @classmethod
    def between(cls, old: float, new: float) -> Self:
        """Look for a change from one rate to another."""
        return cls(if_true=log(new / old), if_false=log((1 - new) / (1 - old)))

    def after(self, seen: Seen) -> Self:
        """Count one task."""
        value = self.value + (self.if_true if seen.is_true else self.if_false)
        if value <= 0:
            return replace(self, value=0.0, since=None)
        return replace(self, value=value, since=seen.at if self.since is None else self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A task as the prefix alarm sees it: hashes of shingles, not text."""

    key: str
    prefix: frozenset[int]
    """Of its first characters."""
    body: frozenset[int]
    """Of the rest."""
    is_strong: bool
    """It was sent to the dearest tier."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What advice can name."""

    version: str
    """The last policy that was good."""
    floor: float = 0.1
    """The exploration floor to raise a kind to."""

    def for_kind(self, kind: str) -> str:
        """Say what to do about a kind."""
        return (
            f"freeze the policy to version {self.version} and raise exploration for {kind} "
            f"to {self.floor:g}"
        )


def rate_alarm(
    what: What, kind: str, series: Iterable[Seen], reference: Reference, remedy: Remedy
) -> Alarm | None:
    """Return an alarm if a kind's rate has left its reference, up or down, by `SHIFT`.

    Args:
        what: which rate.
        kind: whose.
        series: what was seen since the policy was fitted, in order of time; of a conversation its
            first task only, the others are not independent of it.
        reference: the rate it was fitted on.
        remedy: for the advice.
    """
    threshold = log(2 * TASKS_PER_FALSE_ALARM)
    sides = _sides(reference)
    for seen in series:
        sides = {way: side.after(seen) for way, side in sides.items()}
        way, most = max(sides.items(), key=lambda item: item[1].value)
        if most.value >= threshold and most.since is not None:
            return Alarm(
                what=what,
                kind=kind,
                key=None,
                measured=most.value,
                threshold=threshold,
                since=most.since,
                advice=f"{what} of {kind} went {way} from {reference.rate:.0%} (log likelihood "
                f"ratio): {remedy.for_kind(kind)}",
            )
    return None


def share_alarms(
    reference: NDArray[np.float64],
    window: NDArray[np.float64],
    kinds: Sequence[str],
    *,
    since: float,
    remedy: Remedy,
) -> tuple[Alarm, ...]:
    """Return an alarm for each kind whose share of what comes is another than it was.

    Args:
        reference: the classifier's posteriors of what the policy was fitted on, m x K; a row for
            each conversation, over whole weeks.
        window: those of the latest, n x K, likewise.
        kinds: K names.
        since: Unix seconds of the window's first task.
        remedy: for the advice.
    """
    if len(reference) < LEAST_TASKS or len(window) < LEAST_TASKS:
        return ()
    old, new = _shares(reference), _shares(window)
    moved = (new - old) * np.log(new / old)
    noise = reference.var(axis=0) * (1 / len(reference) + 1 / len(window))
    # Near the old share, (new - old) log(new / old) is (new - old)^2 / old.
    thresholds = np.maximum(LEAST_PSI, SHARE_Z**2 * noise / old)
    return tuple(
        Alarm(
            what="input share",
            kind=kind,
            key=None,
            measured=float(moved[at]),
            threshold=float(thresholds[at]),
            since=since,
            advice=f"{kind} went from {old[at]:.0%} to {new[at]:.0%} of what comes (share of the "
            f"population stability index): {remedy.for_kind(kind)}",
        )
        for at, kind in enumerate(kinds)
        if moved[at] >= thresholds[at]
    )


def tier_share_alarms(
    reference: Mapping[str, Reference],
    window: Mapping[str, Reference],
    *,
    since: float,
    remedy: Remedy,
) -> tuple[Alarm, ...]:
    """Return an alarm for each key whose share of the dearest tier jumped up.

    Args:
        reference: by key, how many tasks the dearest tier had, of how many; a key that is new is
            measured against all keys together.
        window: the same of the latest tasks.
        since: Unix seconds of the window's first task.
        remedy: for the advice.
    """
    pooled = _together(reference.values())
    found: list[Alarm] = []
    for key, now in window.items():
        before = reference.get(key, pooled)
        jump, threshold = now.rate - before.rate, _jump_threshold(before, now)
        if now.count >= LEAST_TASKS and jump >= threshold:
            found.append(
                Alarm(
                    what="tier share",
                    kind=None,
                    key=key,
                    measured=jump,
                    threshold=threshold,
                    since=since,
                    advice=f"the dearest tier has {now.rate:.0%} of key {key}'s tasks, before "
                    f"{before.rate:.0%}: look at what it asks, lower its cap on that tier, and "
                    f"freeze the policy to version {remedy.version} if the tasks are as before",
                )
            )
    return tuple(found)


def prefix_alarms(sightings: Iterable[Sighting], remedy: Remedy) -> tuple[Alarm, ...]:
    """Return an alarm for each key with one beginning on unlike prompts that moves the tier.

    A template begins alike too: only one whose tasks go to the dearest tier far more often than the
    key's other tasks is an alarm.
    """
    by_key: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        by_key.setdefault(sighting.key, []).append(sighting)
    found = (_worst_prefix(key, rows, remedy) for key, rows in by_key.items())
    return tuple(alarm for alarm in found if alarm is not None)


def _sides(reference: Reference) -> Mapping[str, Sum]:
    """Look for a rise and a fall, each from as near to it as the reference may truly be.

    A rate so near its end that it could hardly move is not watched on that side.
    """
    rate, doubt = reference.rate, UNSURE * reference.error
    high, low = min(rate + doubt, 0.99), max(rate - doubt, 0.01)
    ways = {
        "up": (high, min(high + SHIFT, (1 + high) / 2)),
        "down": (low, max(low - SHIFT, low / 2)),
    }
    return {
        way: Sum.between(old, new)
        for way, (old, new) in ways.items()
        if abs(new - old) >= LEAST_SHIFT
    }


def _shares(posteriors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean posteriors, none of them 0: half a task is added to each kind."""
    count, kinds = posteriors.shape
    return (posteriors.sum(axis=0) + 0.5) / (count + 0.5 * kinds)


def _together(references: Iterable[Reference]) -> Reference:
    pool = tuple(references)
    return Reference(true=sum(one.true for one in pool), count=sum(one.count for one in pool))


def _jump_threshold(before: Reference, now: Reference) -> float:
    """Return how far apart two shares of one rate would hardly ever be."""
    rate = _together((before, now)).rate
    error = sqrt(rate * (1 - rate) * (1 / (before.count + 1) + 1 / (now.count + 1)))
    return max(LEAST_JUMP, JUMP_Z * error)


def _worst_prefix(key: str, rows: Sequence[Sighting], remedy: Remedy) -> Alarm | None:
    total = Reference(true=sum(row.is_strong for row in rows), count=len(rows))
    worst: Alarm | None = None
    for group in _groups(rows):
        inside = Reference(true=sum(row.is_strong for row in group), count=len(group))
        outside = Reference(true=total.true - inside.true, count=total.count - inside.count)
        jump, threshold = inside.rate - outside.rate, _jump_threshold(outside, inside)
        is_worst = worst is None or jump > worst.measured
        if jump < threshold or not is_worst or _likeness(group) >= LEAST_ALIKE:
            continue
        worst = Alarm(
            what="prefix",
            kind=None,
            key=key,
            measured=jump,
            threshold=threshold,
            since=min(row.at for row in group),
            advice=f"{len(group)} unlike tasks of key {key} begin alike, and the dearest tier has "
            f"{inside.rate:.0%} of them, of the others {outside.rate:.0%}: lower the key's cap on "
            f"that tier, have the beginning left out of what the classifier reads, and train no "
            f"policy after version {remedy.version} on them",
        )
    return worst


def _groups(rows: Sequence[Sighting]) -> Iterable[Sequence[Sighting]]:
    """Return tasks whose beginnings share a least hash: alike ones share most of the `HASHES`."""
    groups: dict[tuple[int, int], list[Sighting]] = {}
    for row in rows:
        for number in range(HASHES if row.prefix else 0):
            groups.setdefault((number, _least(row.prefix, number)), []).append(row)
    return [group for group in groups.values() if len(group) >= LEAST_TASKS]


def _least(hashes: frozenset[int], number: int) -> int:
    """Return the least of the hashes, hashed again by the `number`th of a family."""
    factor, offset = (
        6_364_136_223_846_793_005 * (2 * number + 1),
        1_442_695_040_888_963_407 * number,
    )
    return min((one * factor + offset) % _MERSENNE for one in hashes)


def _likeness(rows: Sequence[Sighting]) -> float:
    """Return the mean likeness of pairs of bodies, each with one half the group away."""
    half = len(rows) // 2
    pairs = zip(rows[:half], rows[half:], strict=False)
    likes = [
        len(one.body & other.body) / len(one.body | other.body) if one.body | other.body else 1.0
        for one, other in pairs
    ]
    return sum(likes) / len(likes)
