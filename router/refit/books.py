"""What a refit reads of the ledger and the configuration, and what it writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.ledger import Ledger
from deployments.ledger.inspection import Inspection, inspected
from router.learning.cold import ArmSpec, arms_of_catalog, cold_estimates
from router.learning.document import Policy, from_bytes
from router.plan.pricing import Prices, moment
from router.refit.choosing import Terms
from router.refit.inheriting import places_of
from router.refit.making import UNSEEN_PER_USD, Given, Made
from router.refit.tasks import came
from router.refit.upstreams import Upstreams, upstreams_of
from tercet.budget import MONTH
from tercet.config import Config
from tercet.learning import PolicyMove, PolicyState, PolicyVersion
from tercet.prior_file import load_priors
from tercet.usage import NANO_USD_PER_USD

PUBLIC = "public results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a refit works, and when."""

    ledger: Path | str
    config: Config
    folder: Path | None
    """Of the configuration; `None`: the checkout's."""
    now: float
    """Unix seconds."""


def read(desk: Desk) -> Given:
    """Read all that a refit needs, as it stood at one moment.

    Raises:
        LedgerError: the ledger cannot be read.
        ConfigError: `priors.yaml` is wrong.
        DamagedPolicyError: the version in force is of no use.
    """
    config, since = desk.config, desk.now - desk.config.learning.window_s
    specs = arms_of_catalog(config.catalog, config.rules)
    with inspected(desk.ledger) as books:
        asked = upstreams_of(books, since, desk.now)
        labels = books.labels(since)
        mine = [row for row in labels if asked.said(row)]
        return Given(
            labels=mine,
            left_out=len(labels) - len(mine),
            tasks=[
                task
                for task in came(books.tasks(round(since * 1e9)))
                if asked.answered(task.task_id)
            ],
            terms=Terms(
                specs={spec.id: spec for spec in specs},
                taxonomy=config.taxonomy,
                rules=config.learning,
            ),
            places=places_of(specs, config.catalog),
            in_force=_in_force(books, asked),
            cold=cold(desk, specs),
            cap_nano_usd=config.budget.caps.get(MONTH),
            now=desk.now,
        )


def cold(desk: Desk, specs: Sequence[ArmSpec]) -> Policy:
    """Return the public results as a policy of their own."""
    config = desk.config
    priors = load_priors(config.taxonomy, desk.folder)
    price = Prices(config, moment(None, desk.now)).call
    return Policy(
        version=PUBLIC,
        estimates=cold_estimates(specs, priors, price, config.taxonomy),
        quality_per_nano_usd=config.learning.quality_per_nano_usd
        or UNSEEN_PER_USD / NANO_USD_PER_USD,
        margins={kind: config.learning.margin_of(kind) for kind in config.taxonomy.names},
        places=places_of(specs, config.catalog),
    )


def policy_of(books: Inspection, version: str) -> Policy | None:
    """Return a version as it can be decided by."""
    row = books.policy(version)
    return None if row is None or row.document is None else from_bytes(row.document)


async def store(ledger: Ledger, made: Made, document: bytes, now: float) -> PolicyVersion | None:
    """Add a candidate, which takes the place of older ones; `None`: its name is taken."""
    version = made.policy.version
    row = PolicyVersion(
        version=version,
        made_at=now,
        state="candidate",
        share=0.0,
        document=document,
        summary=made.summary,
        why="fitted",
        changed_at=now,
    )
    older = [one for one in await ledger.policies() if one.state == "candidate"]
    if not await ledger.put_policy(row):
        return None
    for one in older:
        await ledger.move_policies([move_of(one, "retired", 0.0, f"{version} is newer", now)])
    return row


def move_of(row: PolicyVersion, to: PolicyState, share: float, why: str, at: float) -> PolicyMove:
    """Return a version's way from where it is."""
    return PolicyMove(version=row.version, come_from=row.state, to=to, share=share, why=why, at=at)


def _in_force(books: Inspection, asked: Upstreams) -> Policy | None:
    """Return the version in force, unless others answered when it was made."""
    found = [
        row.version
        for row in books.policies()
        if row.state == "in_force" and asked.learned(row.made_at)
    ]
    return policy_of(books, found[0]) if found else None
