"""`tercet route`: what is read for it, and what is written."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployments.ledger.inspection import Inspection, file_of, inspected
from router.asking.document import as_json
from router.asking.explaining import Known, explained
from router.asking.request import Request, task_of
from router.asking.text import as_text
from router.choices import Choices, Migrations
from router.learning.cold import arms_of_catalog
from router.learning.document import DamagedPolicyError, Policy
from router.lessons import Lessons
from router.refit.books import Desk, cold, policy_of
from router.waking import Held, LoadTimes, Local
from tercet.config import Config, Settings, fleet, load, settings
from tercet.errors import ConfigError
from tercet.keys import DEFAULT_KEY, Key
from tercet.learning import PolicyVersion
from tercet.migration import Migration, Transition
from tercet.outlook import Outlook, outlook
from tercet.readiness import Readiness
from tercet.rules import Fleet
from tercet.task import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an operator asks; `None`: the default."""

    text: str | None
    file: Path | None
    said: Mapping[str, str]
    """Hints by name."""
    model: str | None
    offers_tools: bool
    key: str | None
    version: str | None
    ledger: str | None
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Books:
    """What the ledger says."""

    keys: Sequence[Key] = ()
    outlook: Outlook
    moved: Mapping[TaskKind, Migration] = field(default_factory=dict[TaskKind, Migration])
    in_force: Policy | None = None
    canary: Policy | None = None
    canary_share: float = 0.0
    remarks: tuple[str, ...] = ()


def make(wanted: Wanted, default_ledger: Path | str, now: float) -> int:
    """Print what would be done and return 0.

    Raises:
        ConfigError: what is asked for is no task, or not there.
        DamagedPolicyError: the version that is asked for is of no use.
        LedgerError: a ledger that is there cannot be read.
    """
    chosen = settings()
    config = load(chosen=chosen)
    books = _books(wanted, default_ledger, config, now)
    key_id = _key(wanted.key, books.keys)
    request = Request(
        text=wanted.text,
        file=wanted.file,
        said=wanted.said,
        model=wanted.model,
        offers_tools=wanted.offers_tools,
    )
    task = task_of(request, config, key_id, now)
    found = explained(task, _known(books, config, chosen, now))
    document = json.dumps(as_json(found), indent=2, allow_nan=False) + "\n"
    sys.stdout.write(document if wanted.as_json else as_text(found))
    return 0


def _books(wanted: Wanted, default: Path | str, config: Config, now: float) -> _Books:
    ledger = default if wanted.ledger is None else wanted.ledger
    file = file_of(ledger)
    if wanted.ledger is None and file is not None and not file.exists():
        if wanted.version is not None:
            raise ConfigError("there is no ledger yet, so no version; name one with --ledger")
        return _Books(
            outlook=Outlook.normal(now),
            remarks=("there is no ledger yet: no version is in force and nothing is spent",),
        )
    with inspected(ledger) as books:
        read = _Books(
            keys=books.every_key(),
            outlook=outlook(books.spending(now), config.budget, now),
            moved={row.kind: row.migration for row in sorted(books.transitions(), key=_number)},
        )
        if wanted.version is not None:
            return replace(read, in_force=_named(books, wanted.version))
        return _routing(books, read)


def _number(row: Transition) -> int:
    return row.seq


def _named(books: Inspection, version: str) -> Policy:
    policy = policy_of(books, version)
    if policy is None:
        known = ", ".join(row.version for row in books.policies()) or "none yet"
        raise ConfigError(f"there is no version {version[:100]!r}; there are {known}")
    return policy


def _routing(books: Inspection, read: _Books) -> _Books:
    """Add the versions that route, as a replica would."""
    remarks: list[str] = []
    found: dict[str, tuple[PolicyVersion, Policy]] = {}
    for row in books.policies():
        if row.state not in {"in_force", "canary"}:
            continue
        try:
            policy = policy_of(books, row.version)
        except DamagedPolicyError as error:
            remarks.append(f"version {row.version} is not used: {error}")
            continue
        if policy is not None:
            found[row.state] = row, policy
    canary = found.get("canary")
    return replace(
        read,
        in_force=found["in_force"][1] if "in_force" in found else None,
        canary=None if canary is None else canary[1],
        canary_share=0.0 if canary is None else canary[0].share,
        remarks=tuple(remarks),
    )


def _key(name: str | None, keys: Sequence[Key]) -> str:
    if name is None or name == DEFAULT_KEY:
        return DEFAULT_KEY
    key = next((key for key in keys if key.id == name), None)
    if key is None:
        known = ", ".join([DEFAULT_KEY, *(key.id for key in keys if key.revoked_at is None)])
        raise ConfigError(f"there is no key {name[:100]!r}; there are {known}")
    if key.revoked_at is not None:
        raise ConfigError(f"the key {name} is revoked; name another")
    return name


def _known(books: _Books, config: Config, chosen: Settings, now: float) -> Known:
    specs = arms_of_catalog(config.catalog, config.rules)
    reachable, remarks = _fleet(config, chosen)
    lessons = Lessons(
        in_force=books.in_force,
        canary=books.canary,
        canary_share=books.canary_share,
        rules=config.learning,
        taxonomy=config.taxonomy,
        specs={spec.id: spec for spec in specs},
        left_nano_usd=config.learning.exploration_nano_usd,
    )
    choices = Choices(
        catalog=config.catalog,
        rules=config.rules,
        budget=config.budget,
        fleet=reachable,
        keys={key.id: key for key in books.keys},
        outlook=books.outlook,
        local=_local(config, now),
        migrations=Migrations(rules=config.migrations, moved=books.moved),
        lessons=lessons,
        at=now,
    )
    if config.local is not None:
        remarks += ("the local model is taken for ready, for nobody is asked",)
    desk = Desk(ledger="", config=config, folder=None, now=now)
    return Known(
        choices=choices,
        lessons=lessons,
        taxonomy=config.taxonomy,
        public=cold(desk, specs),
        remarks=(*books.remarks, *remarks),
    )


def _fleet(config: Config, chosen: Settings) -> tuple[Fleet, tuple[str, ...]]:
    if chosen.anthropic_key or chosen.gemini_key:
        return fleet(config, chosen), ()
    every = {model.provider for model in config.catalog.models.values()}
    why = "no provider's key is set: both are taken for there, as `tercet run` simulates them"
    return Fleet(providers=frozenset(every)), (why,)


def _local(config: Config, now: float) -> Local | None:
    if config.local is None:
        return None
    return Local(
        readiness=Readiness(kind="ready", why="taken for ready"),
        loads=LoadTimes(),
        queue=Held(count=0, most=config.rules.local.held),
        now=now,
    )
