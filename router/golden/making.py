"""`tercet golden run`: suites and arms into labels, through a gateway that runs."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router import prompts
from router.golden.arms import Arm, arms_named
from router.golden.asking import TIMEOUT_S, Gateway
from router.golden.checking import Workbench
from router.golden.expecting import expected_by, profile_of, task_of
from router.golden.judging import Judge
from router.golden.running import Result, Scene, Unit, left, run
from router.golden.showing import SIMULATED, as_document, as_text, rows_of
from router.golden.suites import load_suites
from router.golden.tasks import Suites
from router.labelling import Opinion, label_of
from router.learning.cold import ArmSpec, arms_of_catalog
from router.refit.books import Desk, cold
from tercet.config import PROJECT, Config, load, settings
from tercet.errors import ConfigError
from tercet.learning import Label
from tercet.usage import NANO_USD_PER_USD

RESUMED_S = 86_400.0
"""What was labelled in the last day is not asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an operator asks for."""

    arms: Sequence[str]
    suites: Sequence[Path]
    """None: all of the configuration."""
    kinds: Sequence[str]
    """None: all."""
    repeat: int
    again: bool
    """Also what was labelled in the last day."""
    url: str
    most_nano_usd: int
    at_once: int
    folder: Path | None
    """Of the configuration; `None`: the checkout's."""
    ledger: str
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to do."""

    config: Config
    units: Sequence[Unit]
    judge_of: Callable[[Arm], str]
    """The model that judges an arm's answers."""
    earlier: Sequence[Label]
    """What is known already."""

    @property
    def expected_nano_usd(self) -> int:
        """Of all of it."""
        return sum(unit.expected_nano_usd for unit in self.units)


def golden_run(wanted: Wanted, now: Callable[[], float]) -> int:
    """Run and print; return 0.

    Raises:
        ConfigError: suites, arms or the gateway are not as they should be.
        LedgerError: the ledger cannot be read or written.
    """
    config = load(wanted.folder)
    suites = load_suites(config.taxonomy, wanted.suites, wanted.folder)
    with closing(Ledger(wanted.ledger)) as ledger:
        plan = planned(wanted, config, suites, now())
        _announce(plan, wanted)
        results = asyncio.run(_through(wanted, plan, ledger, now))
    _print(plan, results, wanted, now())
    return 0


def planned(wanted: Wanted, config: Config, suites: Suites, now: float) -> Plan:
    """Return what is to be asked, without what was labelled in the last day.

    Raises:
        ConfigError: an arm or a kind is not there.
    """
    if unknown := config.taxonomy.unknown(wanted.kinds):
        raise ConfigError(
            f"{unknown[0]!r} is no kind of task; kinds are {', '.join(config.taxonomy.names)}"
        )
    specs = arms_of_catalog(config.catalog, config.rules)
    arms = arms_named(wanted.arms, specs)
    tasks = [task for task in suites.tasks if not wanted.kinds or task.kind in wanted.kinds]
    if not tasks:
        raise ConfigError("there is no golden task to ask; see --suite and --kind")
    desk = Desk(ledger=wanted.ledger, config=config, folder=wanted.folder, now=now)
    judge_of = judges(config)
    expected = expected_by(
        cold(desk, specs).estimates, config.taxonomy, lambda arm: _judge_arm(judge_of(arm), specs)
    )
    units = [
        Unit(task=task, arm=arm, time=time, expected_nano_usd=expected(task, arm))
        for time in range(1, wanted.repeat + 1)
        for task in tasks
        for arm in arms
    ]
    earlier = {} if wanted.again else _earlier(wanted.ledger, units, now)
    return Plan(
        config=config,
        units=[unit for unit in units if (unit.task_id, unit.arm.id) not in earlier],
        judge_of=judge_of,
        earlier=list(earlier.values()),
    )


def judges(config: Config) -> Callable[[Arm], str]:
    """Return who judges an arm: a model of another family than the one that answers."""
    by_provider = config.migrations.judges

    def judge_of(arm: Arm) -> str:
        provider = config.catalog.models[arm.spec.models[0]].provider
        return by_provider.get(provider) or next(iter(by_provider.values()))

    return judge_of


def _judge_arm(model: str, specs: Sequence[ArmSpec]) -> Arm:
    return arms_named([model], specs)[0]


def _earlier(ledger: str, units: Sequence[Unit], now: float) -> dict[tuple[str, str], Label]:
    wanted = {(unit.task_id, unit.arm.id) for unit in units}
    with inspected(ledger) as books:
        labels = books.labels(now - RESUMED_S)
    return {
        (label.task_id, label.arm): label
        for label in labels
        if label.source in ("test", "judge") and (label.task_id, label.arm) in wanted
    }


def _announce(plan: Plan, wanted: Wanted) -> None:
    if plan.earlier:
        sys.stderr.write(f"{len(plan.earlier)} answers of the last day stand (--again asks anew)\n")
    usd, most = (n / NANO_USD_PER_USD for n in (plan.expected_nano_usd, wanted.most_nano_usd))
    sys.stderr.write(
        f"{len(plan.units)} answers, about {usd:.4f} USD by public results; it stops at {most:g} "
        f"USD\nsandbox: {Workbench().isolation()}\n"
    )


async def _through(
    wanted: Wanted, plan: Plan, ledger: Ledger, now: Callable[[], float]
) -> Sequence[Result]:
    async with client(wanted.url, callers_key()) as http:
        return await answered(plan, http, ledger, now, wanted)


async def answered(
    plan: Plan,
    http: httpx2.AsyncClient,
    ledger: Ledger,
    now: Callable[[], float],
    wanted: Wanted,
) -> Sequence[Result]:
    """Ask a gateway for every answer of a plan, and write its labels as they come.

    Raises:
        ConfigError: no gateway answers.
        LedgerError: a label cannot be written.
    """
    await require_gateway(http)
    ask = Gateway(http).ask
    texts = prompts.load()

    async def note(result: Result) -> None:
        await ledger.note_labels([label_from(result, plan.config, now())])

    scene = Scene(
        ask=ask,
        judge_of=lambda arm: Judge(model=plan.judge_of(arm), ask=ask, texts=texts),
        bench=Workbench(),
        note=note,
        tell=_tell,
    )
    return await run(plan.units, scene, wanted.most_nano_usd, wanted.at_once)


def callers_key() -> str:
    """Return the key that callers present.

    Raises:
        ConfigError: there is none.
    """
    key, file = settings().api_key, PROJECT / "var" / "api_key"
    if key is None and file.exists():
        key = file.read_text(encoding="utf-8").strip()
    if not key:
        raise ConfigError("the gateway wants a key; set TERCET_API_KEY")
    return key


def client(url: str, key: str) -> httpx2.AsyncClient:
    """Return a client of the gateway at an address."""
    return httpx2.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {key}"},
        timeout=httpx2.Timeout(TIMEOUT_S, connect=10),
    )


async def require_gateway(
    http: httpx2.AsyncClient, remedy: str = "see that TERCET_API_KEY is one of its keys"
) -> None:
    """See that a gateway is there and takes our key; `remedy` is for where it does not.

    Raises:
        ConfigError: it is not, or does not.
    """
    try:
        status = (await http.get("/v1/models")).status_code
    except httpx2.HTTPError as error:
        raise ConfigError(
            f"no gateway answers at {http.base_url}: {type(error).__name__}; `make run` starts "
            "one, --url names another"
        ) from error
    if status != 200:
        raise ConfigError(f"the gateway at {http.base_url} answers {status}; {remedy}")


def label_from(result: Result, config: Config, now: float) -> Label:
    """Return the label of a result that has a quality; tasks of one golden task are one group."""
    unit = result.unit
    assert result.quality is not None  # noqa: S101  the others have no label
    opinion = Opinion(
        arm=unit.arm.id,
        quality=result.quality,
        source=result.source,
        cost_nano_usd=result.nano_usd,
        seconds=result.seconds,
    )
    profile = profile_of(unit.task, config.taxonomy)
    label = label_of(task_of(unit.task, now), profile, opinion, now)
    return replace(label, task_id=unit.task_id, group_id=unit.task.id)


def _tell(done: int, of: int, nano_usd: int) -> None:
    sys.stderr.write(f"{done} of {of}, {nano_usd / NANO_USD_PER_USD:.6f} USD\n")


def _print(plan: Plan, results: Sequence[Result], wanted: Wanted, now: float) -> None:
    found = [label_from(one, plan.config, now) for one in results if one.quality is not None]
    rows = rows_of([*plan.earlier, *found])
    spent = sum((one.nano_usd or 0) + one.judge_nano_usd for one in results)
    if any(one.is_simulated for one in results):
        sys.stderr.write(SIMULATED)
    if wanted.as_json:
        sys.stdout.write(f"{json.dumps(as_document(rows, left(results), spent))}\n")
    else:
        sys.stdout.write(as_text(rows, left(results), spent))
