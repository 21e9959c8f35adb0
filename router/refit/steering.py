"""Versions moved: by the gate, or by an operator."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.learning.cold import arms_of_catalog
from router.learning.document import to_bytes
from router.learning.drift import Remedy
from router.learning.gating import Judgement, judge
from router.refit.alarming import alarms_of
from router.refit.books import PUBLIC, Desk, cold, move_of, policy_of, read, store
from router.refit.bounding import at_every_look, bound
from router.refit.judging import trial_of
from router.refit.making import Given, make, name_of
from router.refit.tuning import refined
from tercet.errors import ConfigError
from tercet.learning import Lock, PolicyMove, PolicyVersion

OPERATOR: Final = "operator"
REFIT_S: Final = 2 * 3600.0
"""Longest that a refit may take: then another one may begin."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a night."""

    said: tuple[str, ...]
    version: str | None = None
    """The candidate that was made, if one was."""
    judged: str | None = None
    """The version that was judged, if one was."""
    judgement: Judgement | None = None


async def fit(ledger: Ledger, desk: Desk, say: Say) -> PolicyVersion:
    """Fit a candidate and store it.

    Raises:
        ConfigError: there is nothing to fit, or a version of this second is there.
    """
    given = read(desk)
    say(f"read {len(given.labels)} labels and {len(given.tasks)} tasks")
    if given.left_out:
        say(f"labels left out, as simulated and real upstreams do not mix: {given.left_out}")
    try:
        made = refined(make(given), given)
    except ValueError as error:
        raise ConfigError(f"nothing was fitted: {error}") from error
    row = await store(ledger, made, to_bytes(made.policy), desk.now)
    if row is None:
        raise ConfigError(f"version {made.policy.version} is there already; ask again in a second")
    say(f"made {row.version}")
    return row


async def night(ledger: Ledger, desk: Desk, say: Say) -> Outcome:
    """Judge what is under way, else fit a candidate and judge that; one process at a time."""
    if desk.config.learning.policy == "plan":
        return Outcome(said=("learning.yaml says `policy: plan`: nothing is fitted",))
    mine = Lock(
        name="refit",
        owner=ledger.writer_id,
        until=desk.now + REFIT_S,
        why="nightly",
        at=desk.now,
    )
    if not await ledger.take_lock(mine):
        return Outcome(said=("another process is at it",))
    try:
        return await _at_night(ledger, desk, say)
    finally:
        await ledger.give_back_lock("refit", mine.owner)


async def promote(ledger: Ledger, version: str, share: float | None, why: str, at: float) -> None:
    """Put a version in force, or on a share of the tasks, whatever the gate says.

    Raises:
        ConfigError: there is no such version, or it moved meanwhile.
    """
    row = await _version(ledger, version)
    to = "in_force" if share is None else "canary"
    await _moved(ledger, [move_of(row, to, 1.0 if share is None else share, why, at)])


async def roll_back(ledger: Ledger, why: str, at: float) -> str:
    """End the canary, or else the version in force, whose predecessor comes back; say which.

    Raises:
        ConfigError: none routes, or it moved meanwhile.
    """
    rows = await ledger.policies()
    by_state = {row.state: row for row in rows}
    ended = by_state.get("canary") or by_state.get("in_force")
    if ended is None:
        raise ConfigError("no version routes anything; the plan's rule is in force")
    moves = [move_of(ended, "rolled_back", 0.0, why, at)]
    said = f"{ended.version} is rolled back"
    if ended.state == "canary":
        await _moved(ledger, moves)
        return said
    earlier = [row for row in rows if row.state == "retired" and row.in_force_at is not None]
    last = max(earlier, key=lambda row: row.in_force_at or 0.0, default=None)
    if last is not None:
        moves.append(move_of(last, "in_force", 1.0, f"{ended.version} was rolled back", at))
    await _moved(ledger, moves)
    name = "the plan's rule" if last is None else last.version
    return f"{said}; {name} is in force"


async def freeze(ledger: Ledger, why: str, at: float) -> None:
    """Have nothing fitted and nobody promoted until `thaw`; canaries may still be rolled back."""
    await ledger.take_lock(Lock(name="freeze", owner=OPERATOR, until=None, why=why, at=at))


async def thaw(ledger: Ledger) -> bool:
    """End a freeze; say whether there was one."""
    return await ledger.give_back_lock("freeze", OPERATOR)


async def _at_night(ledger: Ledger, desk: Desk, say: Say) -> Outcome:
    rules = desk.config.learning
    if rules.policy == "learned" and not await ledger.policies():
        return await _begun(ledger, desk)
    forgotten = await ledger.forget_labels(desk.now - rules.kept_s)
    await ledger.forget_policies(desk.now - rules.window_s)
    said = [f"{forgotten} old labels forgotten"] if forgotten else []
    frozen = [lock.why for lock in await ledger.locks(desk.now) if lock.name == "freeze"]
    canary = await _one(ledger, "canary")
    if canary is not None:
        judgement = await _judged(ledger, desk, canary, is_frozen=bool(frozen))
        said.append(_told(canary, judgement))
        if judgement.to != "rolled_back" or frozen:
            return Outcome(said=tuple(said), judged=canary.version, judgement=judgement)
    if frozen:
        return Outcome(said=(*said, f"frozen: {frozen[0]}"))
    row = await _fitted(ledger, desk, say)
    if row is None:
        return Outcome(said=(*said, "no new labels: nothing is fitted"))
    judgement = await _judged(ledger, desk, row, is_frozen=False)
    said.append(_told(row, judgement))
    made = row.version if row.made_at == desk.now else None
    return Outcome(said=tuple(said), version=made, judged=row.version, judgement=judgement)


async def _begun(ledger: Ledger, desk: Desk) -> Outcome:
    """Put the public results in force: there has never been a version."""
    policy = replace(
        cold(desk, arms_of_catalog(desk.config.catalog, desk.config.rules)),
        version=name_of(desk.now),
    )
    row = PolicyVersion(
        version=policy.version,
        made_at=desk.now,
        state="candidate",
        share=0.0,
        document=to_bytes(policy),
        summary=json.dumps({"made_from": PUBLIC}),
        why="made",
        changed_at=desk.now,
    )
    await ledger.put_policy(row)
    why = f"learning.yaml says `policy: learned`, and the {PUBLIC} are all that is known"
    await _moved(ledger, [move_of(row, "in_force", 1.0, why, desk.now)])
    return Outcome(said=(f"{row.version} is in force: {why}",), version=row.version)


async def _fitted(ledger: Ledger, desk: Desk, say: Say) -> PolicyVersion | None:
    """Fit a candidate if there are new labels; else return the one that is there, if one is."""
    newest = max((row.made_at for row in await ledger.policies()), default=0.0)
    since = desk.now - desk.config.learning.window_s
    if await ledger.labels(max(newest, since)):
        return await fit(ledger, desk, say)
    return await _one(ledger, "candidate")


async def _judged(ledger: Ledger, desk: Desk, row: PolicyVersion, *, is_frozen: bool) -> Judgement:
    """Judge a version and do what follows; one that stays has the reason written to it."""
    judgement = _judge(desk, read(desk), row)
    is_on = judgement.to != row.state or judgement.share != row.share
    if is_frozen and judgement.to != "rolled_back":
        return judgement
    # A move to where it is would restart its time on its share.
    at = desk.now if is_on else row.changed_at
    await _moved(ledger, [move_of(row, judgement.to, judgement.share, judgement.why, at)])
    return judgement


def _judge(desk: Desk, given: Given, row: PolicyVersion) -> Judgement:
    with inspected(desk.ledger) as books:
        policy = policy_of(books, row.version)
    if policy is None:
        raise ConfigError(f"there is no version {row.version} any more")
    before = "of before" if given.in_force is None else given.in_force.version
    alarms = alarms_of(given.tasks, given.terms.taxonomy.names, row.made_at, Remedy(version=before))
    return judge(at_every_look(trial_of(row, policy, given, alarms)), desk.config.learning, bound)


def _told(row: PolicyVersion, judgement: Judgement) -> str:
    if judgement.to == row.state and judgement.share == row.share:
        return f"{row.version} stays {row.state}: {judgement.why}"
    share = f" with {judgement.share:.0%} of the tasks" if judgement.to == "canary" else ""
    return f"{row.version} goes from {row.state} to {judgement.to}{share}: {judgement.why}"


async def _one(ledger: Ledger, state: str) -> PolicyVersion | None:
    return next((row for row in await ledger.policies() if row.state == state), None)


async def _version(ledger: Ledger, version: str) -> PolicyVersion:
    rows = await ledger.policies()
    for row in rows:
        if row.version == version:
            return row
    known = ", ".join(row.version for row in rows) or "none yet; make one with `tercet policy fit`"
    raise ConfigError(f"there is no version {version[:100]!r}; there are {known}")


async def _moved(ledger: Ledger, moves: Sequence[PolicyMove]) -> None:
    if not await ledger.move_policies(moves):
        raise ConfigError(
            f"{moves[0].version} was moved by another process meanwhile; see `tercet policy list`"
        )
