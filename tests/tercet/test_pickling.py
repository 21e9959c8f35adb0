"""Ray sends these values between processes by pickling them."""

import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass
from datetime import date
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest

import tercet
from tercet.accrual import Accrued
from tercet.answer import Answer, NoAnswer, Progress, Speaking, Step, completions
from tercet.budget import Ask, Balance, Denied, Granted
from tercet.call import (
    Call,
    Completion,
    Delta,
    Failure,
    Prompt,
    Raw,
    Retry,
    ThoughtDelta,
    ToolDelta,
)
from tercet.catalog import Alias, Catalog, Model, Tier, TierSeat
from tercet.config import Config, PriceRow, Settings
from tercet.config_checks import Files
from tercet.config_files import (
    BudgetFile,
    ModelsFile,
    PricesFile,
    RoutesFile,
    TaxonomyFile,
    UpstreamsFile,
)
from tercet.content import (
    Controls,
    Media,
    OutputFormat,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Verbatim,
)
from tercet.drawing import Draw
from tercet.errors import ConfigError
from tercet.forecast import Forecast, Rest
from tercet.keep_alive.settings import KeepAliveSettings
from tercet.keys import Key
from tercet.learning import (
    Label,
    LabelCount,
    LearningRules,
    Lock,
    PolicyMove,
    PolicyVersion,
)
from tercet.leases import (
    Arrivals,
    Decided,
    Lease,
    LeaseCharged,
    LeaseEnded,
    LeaseOpened,
    LeaseSeen,
    Span,
)
from tercet.ledger import (
    Claim,
    Claimed,
    InProgress,
    Kept,
    Mismatch,
    RequestClosed,
    RequestOpened,
    Reservation,
    Sent,
    Settlement,
    Spending,
)
from tercet.local_file import ConfigJson, load_local
from tercet.migration import (
    Assignment,
    JudgeAudit,
    Look,
    Migration,
    MigrationRules,
    Sample,
    Transition,
)
from tercet.outlook import Outlook
from tercet.priors import Belief, KindPriors, Priors
from tercet.readiness import LocalReport, Readiness, Start
from tercet.rental_rules import HeadAddress, RentalCaps, RentalRules, RentalTimes
from tercet.renting import Charge, Instance, MachineSpec, Offer, RentFailure, Want
from tercet.route import Refused, Route, Seat
from tercet.rules import (
    BudgetRules,
    Fleet,
    Limits,
    LocalRules,
    OutputLimits,
    Rules,
    UpstreamRules,
)
from tercet.task import Hints, Profile, Task, turn
from tercet.taxonomy import BUILT_IN
from tercet.usage import Usage

MESSAGE = turn("user", "Grüße, 世界 🌍")
PROMPT = Prompt(system="Be brief.", messages=(MESSAGE,), max_output_tokens=100, stop=("END",))
USAGE = Usage(fresh_input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5, thinking=1)
LOCAL = load_local()
START = Start(at=1_795_000_000.0, phases={"import": 16.5}, total_s=64.0, node="vps_1")
TOOL = Tool(name="ls", schema={"type": "object"})
COMPLETION = Completion(
    attempt_id="att_1",
    model="claude-opus-5-5",
    parts=(Text("Hello"),),
    finish="stop",
    usage=USAGE,
    cost_nano_usd=24_000_000,
    first_token_s=0.5,
    latency_s=1.5,
    simulated=True,
)
FAILURE = Failure(
    model="gemini-4-argon",
    kind="rate_limited",
    message="slow down",
    attempt_id="att_2",
    cost_nano_usd=7,
    retry_after_s=2.0,
)
STEP = Step(role="brain", round=1, outcome=COMPLETION)
SEAT = Seat(role="brain", tier="tier1", model="claude-opus-5-5", alternates=("gemini-4-argon",))
MODEL = Model(
    name="claude-opus-5-5", provider="anthropic", window_tokens=1_000_000, max_output_tokens=128_000
)
TIER_SEAT = TierSeat(role="brain", model="claude-opus-5-5")
TIER = Tier(name="tier1", composition="memory_brain", seats=(TIER_SEAT,))
CATALOG = Catalog(models={"claude-opus-5-5": MODEL}, tiers={"tier1": TIER})
LIMITS = Limits(deadline_s=600, connect_s=5, first_event_s=120, between_events_s=60)
OUTPUT = OutputLimits(answer=16_384, member=4_096, advice=2_048)
UPSTREAMS = UpstreamRules(
    attempts_per_call=3,
    backoff_base_s=0.25,
    backoff_cap_s=8,
    longest_wait_s=30,
    purse_capacity=50,
    purse_per_call=0.1,
    purse_per_s=1,
    breaker_failures=5,
    probe_every_s=5,
    probe_at_least_every_s=20,
    throttle_k=2,
    throttle_window_s=120,
    concurrency=128,
    concurrency_wait_s=2,
    on_disconnect={"google": "cancel"},
    drains=64,
    drain_s=120,
)
RULES = Rules(
    memory_from_tokens=10_500,
    junior_from_tokens=1_000,
    max_rounds=3,
    prefer={"security": "claude-haiku-5-5"},
    on_disagreement={"question": "escalate"},
    escalate_to="tier2",
    output=OUTPUT,
    local=LocalRules(held=32, answer_s=30, first_event_s=30),
    limits=LIMITS,
    upstreams=UPSTREAMS,
)
BUDGET = BudgetRules(
    caps={"month": 180_000_000_000},
    spent_from={2: 0.8},
    forecast_from={2: 1.0},
    margin=0.02,
    pace_bucket=0.05,
    weight_per_bucket=0.5,
    most_weight=4,
    premium_kinds=frozenset({"security"}),
    cheapest="claude-haiku-5-5",
)
KEY = Key(id="batch", sha256="0f" * 32, tiers=frozenset({"tier3"}))
FORECAST = Forecast(low=1, middle=2, high=3, days=20, method="days drawn again")
ASK = Ask(fixed_nano_usd=10, token_nano_usd=3, output_tokens=100)
BALANCE = Balance(spent=1, held=2)
PRICE_ROW = PriceRow(
    model="gemini-4-carbon",
    valid_from=date(2026, 12, 1),
    fresh_input=Decimal("4.00"),
    cache_read=Decimal("0.20"),
    output=Decimal("20.00"),
    source="announcement",
    read_on=date(2026, 11, 23),
)
LEARNING = LearningRules(
    policy="auto",
    exploration_floor=0.05,
    exploration_nano_usd=250_000_000,
    margin=0.03,
    margins={"chat": 0.05},
    quality_per_nano_usd=None,
    canary_shares=(0.05, 0.25),
    refit_hour=3,
    window_s=2_592_000.0,
    least_labels=100,
    kept_s=15_552_000.0,
)
ASSIGNMENT = Assignment(
    kind="lookup", state="canary", side="held_out", propensity=0.225, conversation="0f" * 12
)
MIGRATIONS = MigrationRules(
    phase="migrate",
    kinds=("routine_code", "lookup"),
    hold_out=0.1,
    salt="tercet",
    canary_shares=(0.1, 0.25, 0.5),
    margin=0.05,
    margins={"lookup": 0.03},
    least_baseline=200,
    least_pairs=100,
    shadow_share=0.4,
    watch_share=0.1,
    watch_closely_share=0.5,
    composition_share=0.02,
    evidence_nano_usd=12_000_000_000,
    judges={"google": "claude-haiku-5-5"},
    slower_by=1.5,
    slower_s=30.0,
    suspicion=4.0,
    alarm=200.0,
)
BELIEF = Belief(quality=0.9, labels=15, source="a published result")
KIND_PRIORS = KindPriors(output_tokens=400, agree=0.5, beliefs={"claude-opus-5-5": BELIEF})
HINTS = Hints(tier="tier1", kind="security", is_critical=True, strict=True)
OFFER = Offer(
    provider="vast",
    offer_id="17",
    gpu="RTX 3090",
    hourly_nano_usd=180_000_000,
    stopped_hourly_nano_usd=8_000_000,
    interruptible=True,
    trusted=True,
)
SPAN = Span(
    lease_id="lease_1",
    seq=1,
    state="running",
    since_ns=1_795_000_000_000_000_000,
    until_ns=None,
    accrued_ns=1_795_000_020_000_000_000,
    hourly_nano_usd=180_000_000,
    nano_usd=1_000_000,
    month="2026-11",
    reason="",
)
WANT = Want(gpus=("RTX 3090",), disk_gb=60, interruptible=True)
RENTAL = RentalRules(
    provider="vast",
    url=None,
    key_file=Path("var/rental.key"),
    want=WANT,
    image="vllm@sha256:0f",
    volume=None,
    on_release="stop",
    mode="ray_worker",
    head=HeadAddress(host="head.example", port=2222, user="tercet"),
    times=RentalTimes(
        warm_up_s=300,
        least_run_s=600,
        create_s=300,
        restart_s=60,
        boot_s=900,
        linger_s=300,
        keep_disk_s=604_800,
        unserved_s=900,
        watch_s=10,
    ),
    caps=RentalCaps(hours_a_day=12, creates_an_hour=4),
    keep_alive=KeepAliveSettings(),
    minute_s=60.0,
)

VALUES: tuple[object, ...] = (
    MESSAGE,
    HINTS,
    Task(
        id="req_1",
        key_id="default",
        model="auto",
        messages=(MESSAGE,),
        max_output_tokens=10,
        stop=("END",),
        hints=HINTS,
        deadline_at=1_795_000_600.0,
    ),
    Profile(
        kind="question",
        requires_design=False,
        is_critical=True,
        requires_implementation=False,
        is_routine=False,
        size_tokens=12,
        confidence=0.75,
        reasons=("asks what",),
    ),
    SEAT,
    Route(
        name="tier1",
        composition="memory_brain",
        seats=(SEAT,),
        max_rounds=2,
        stops_on_agreement=False,
        degraded=("memory:unreachable",),
        reason="critical",
        deadline_at=1_795_000_600.0,
        assignment=ASSIGNMENT,
    ),
    ASSIGNMENT,
    MIGRATIONS,
    Migration(kind="lookup", state="canary", share=0.25, since=1_795_000_000.0, seq=3),
    Transition(
        kind="lookup",
        seq=3,
        come_from="canary",
        to="canary",
        share=0.25,
        why="the quality holds",
        by="gate",
        evidence="{}",
        at=1_795_000_000.0,
    ),
    Look(kind="lookup", is_suspected=True, document="{}", at=1_795_000_000.0),
    Sample(
        task_id="req_1",
        tested_arm="local",
        purpose="migration",
        conversation="0f" * 12,
        kind="lookup",
        side="waiting",
        probability=0.4,
        base_arm="gemini-3.8-flash",
        state="judged",
        by="judge",
        judge="claude-haiku-5-5",
        base_quality=1.0,
        tested_quality=0.5,
        is_consistent=True,
        judge_nano_usd=7,
        tested_s=1.5,
        at=1_795_000_000.0,
    ),
    JudgeAudit(
        item="maths-1",
        judge="claude-haiku-5-5",
        kind="maths",
        judged=0.5,
        truth=1.0,
        is_consistent=True,
        at=1_795_000_000.0,
    ),
    BUILT_IN,
    BUILT_IN.kinds[0],
    LEARNING,
    Label(
        task_id="req_1",
        group_id="g",
        kind="chat",
        kinds={"chat": 1.0},
        is_declared=True,
        arm="gemini-3.8-flash",
        quality=0.5,
        source="judge",
        cost_nano_usd=7,
        size_tokens=40,
        sketch=b"\x01\x00\x02",
        policy_version="v1",
        propensity=0.25,
        at=1_795_000_000.0,
    ),
    LabelCount(
        kind="chat",
        arm="gemini-3.8-flash",
        source="judge",
        count=3,
        quality=0.5,
        latest_at=1_795_000_000.0,
    ),
    PolicyVersion(
        version="v1",
        made_at=1_795_000_000.0,
        state="in_force",
        share=1.0,
        document=b"a document",
        summary="{}",
        why="good",
        changed_at=1_795_000_001.0,
        in_force_at=1_795_000_001.0,
    ),
    PolicyMove(
        version="v1",
        come_from="canary",
        to="in_force",
        share=1.0,
        why="good",
        at=1_795_000_001.0,
    ),
    Lock(name="refit", owner="a", until=None, why="nightly", at=1_795_000_000.0),
    Draw(
        arm="tier3",
        propensities={"tier2": 0.1, "tier3": 0.9},
        is_forced=False,
        seed=7,
        extra_nano_usd=0,
        reason="drawn",
    ),
    PROMPT,
    Call(
        task_id="req_1",
        key_id="default",
        tier="tier1",
        model="claude-opus-5-5",
        role="brain",
        round=1,
        prompt=PROMPT,
        deadline_at=1_795_000_600.0,
        wants_deltas=True,
    ),
    Delta("Hel"),
    COMPLETION,
    FAILURE,
    Retry(failure=FAILURE, model="claude-opus-5-5"),
    STEP,
    Progress("asking the memory"),
    Speaking(model="claude-opus-5-5", degraded=("memory:timeout",)),
    Answer(
        parts=(Text("Hello"),),
        model="claude-opus-5-5",
        finish="stop",
        steps=(STEP,),
        degraded=("memory:timeout",),
        settled_by="one seat",
        changed_outcome=False,
    ),
    ThoughtDelta(text="Hm", signature="c2ln", by="google"),
    ToolDelta(index=0, id="call_1", name="ls", arguments="{}"),
    Raw(b"event: ping\n\n"),
    Alias(pattern="gpt-*", model="auto"),
    TOOL,
    Controls(tools=(TOOL,), output=OutputFormat(schema={"type": "object"})),
    OutputFormat(),
    Sampling(temperature=0.5),
    ToolChoice(mode="one", name="ls"),
    Text("Hi", "5m"),
    Media(kind="image", mime="image/png", data="AA=="),
    ToolUse(id="call_1", name="ls", arguments="{}"),
    ToolResult(id="call_1", parts=(Text("a.txt"),)),
    Thought(text="Hm", by="google"),
    Verbatim(provider="anthropic", body=b"{}", headers={}, stream=True),
    NoAnswer(failures=(FAILURE,), steps=(Step(role="brain", round=1, outcome=FAILURE),)),
    USAGE,
    MODEL,
    TIER_SEAT,
    TIER,
    CATALOG,
    LIMITS,
    OUTPUT,
    RULES,
    RULES.local,
    Fleet(providers=frozenset({"anthropic"}), simulated=True),
    PRICE_ROW,
    UPSTREAMS,
    BUDGET,
    KEY,
    FORECAST,
    Rest(low=1.0, middle=2.0, high=3.0, method="days drawn again"),
    Outlook(
        month="2026-11",
        cap_nano_usd=180_000_000_000,
        spent_nano_usd=1,
        held_nano_usd=2,
        forecast=FORECAST,
        step=2,
        why="much is spent",
        cost_weight=1.5,
        resets_at=1_796_083_200.0,
    ),
    Refused(reason="all is spent", resets_at=1_796_083_200.0),
    ASK,
    BALANCE,
    Granted(nano_usd=310, output_tokens=100),
    Denied(scope="month", left_nano_usd=5, is_spent=False),
    Config(
        catalog=CATALOG,
        rules=RULES,
        prices=(PRICE_ROW,),
        budget=BUDGET,
        learning=LEARNING,
        migrations=MIGRATIONS,
    ),
    Files(
        models=ModelsFile.model_construct(),
        routes=RoutesFile.model_construct(),
        prices=PricesFile.model_construct(),
        upstreams=UpstreamsFile.model_construct(),
        budget=BudgetFile.model_construct(),
        taxonomy=TaxonomyFile.model_construct(),
        local=LOCAL,
    ),
    Settings(
        callers_key="key",
        ledger="/srv/ledger.sqlite3",
        state=Path("/srv"),
        anthropic_key="a",
        anthropic_url=None,
        gemini_key=None,
        gemini_url="http://127.0.0.1:1",
        simulated=False,
        local="cpu",
    ),
    Reservation(
        attempt_id="att_1",
        task_id="req_1",
        key_id="default",
        tier="tier1",
        provider="anthropic",
        model="claude-opus-5-5",
        role="brain",
        round=1,
        ask=ASK,
        price_source="genai-prices",
        simulated=True,
        deadline_at=1_795_000_600.0,
        at=1_795_000_000.0,
    ),
    Settlement(
        attempt_id="att_1",
        state="settled",
        outcome="complete",
        usage=USAGE,
        usage_source="provider",
        settled_nano_usd=24_000_000,
        upstream_id="msg_1",
        first_token_s=None,
        latency_s=1.5,
        at=1_795_000_001.5,
    ),
    RequestOpened(
        task_id="req_1",
        key_id="default",
        asked_model="auto",
        profile="{}",
        route="{}",
        at=1_795_000_000.0,
    ),
    RequestClosed(task_id="req_1", outcome="answered", answer="{}", at=1_795_000_002.0),
    Sent(attempt_id="att_1", usage=USAGE, upstream_id="msg_1", bound_nano_usd=20_000_000),
    Claim(
        key_id="default",
        idempotency_key="order-7",
        fingerprint="0f" * 32,
        task_id="req_1",
        at=1_795_000_000.0,
        lease_until=1_795_000_660.0,
    ),
    Claimed(),
    InProgress(),
    Mismatch(),
    Kept(task_id="req_1", document="{}"),
    Spending(month="2026-11", balances={"month": BALANCE}, hours={498_000: 5}),
    LOCAL,
    LOCAL.profiles["gpu"],
    LOCAL.profiles["gpu"].architecture,
    LOCAL.profiles["gpu"].quantization,
    LOCAL.profiles["gpu"].resources,
    next(iter(LOCAL.cards.values())),
    Readiness(kind="warming", since=1_795_000_000.0, why="its weights are loading"),
    START,
    LOCAL.lifecycle,
    LocalReport(readiness=Readiness(kind="ready", why="it runs"), starts=(START,)),
    OFFER,
    WANT,
    RENTAL,
    RENTAL.head,
    RENTAL.times,
    RENTAL.caps,
    MachineSpec(label="lease_1", image="vllm@sha256:0f", disk_gb=60, environment={}, command="run"),
    Instance(
        provider="vast",
        instance_id="9",
        label="lease_1",
        state="running",
        gpu="RTX 3090",
        hourly_nano_usd=180_000_000,
        stopped_hourly_nano_usd=8_000_000,
        interruptible=True,
    ),
    Charge(instance_id="9", kind="gpu", since=1_795_000_000.0, until=1_795_000_060.0, nano_usd=3),
    RentFailure(kind="no_offer", message="none fits", retry_after_s=2.0),
    LeaseOpened(lease_id="lease_1", offer=OFFER, reserve_s=900.0, at=1_795_000_000.0),
    LeaseSeen(
        lease_id="lease_1",
        instance_id="9",
        state="running",
        hourly_nano_usd=180_000_000,
        begins_boot=True,
        at=1_795_000_020.0,
    ),
    LeaseEnded(lease_id="lease_1", end="destroyed", reason="idle", at=1_795_000_020.0),
    LeaseCharged(
        lease_id="lease_1",
        month="2026-11",
        charged_nano_usd=5,
        reason="the bill",
        at=1_795_000_020.0,
    ),
    Lease(
        lease_id="lease_1",
        provider="vast",
        instance_id="9",
        gpu="RTX 3090",
        state="running",
        since=1_795_000_000.0,
        rate_nano_usd=180_000_000,
        hourly_nano_usd=180_000_000,
        stopped_hourly_nano_usd=8_000_000,
        interruptible=True,
        runs=1,
        opened_at=1_795_000_000.0,
        ended_at=None,
        end=None,
        spent_nano_usd=1_000_000,
        held_nano_usd=45_000_000,
    ),
    SPAN,
    Accrued(spans=(SPAN,), grown_nano_usd=1_000_000),
    Decided(
        at=1_795_000_020.0,
        policy="rate",
        wants_on=True,
        is_in_force=False,
        why="enough comes",
        numbers={"rate_an_hour": 40.5},
    ),
    Arrivals(
        minute=29_916_666,
        count=3,
        api_nano_usd=7,
        local_count=2,
        local_input_tokens=11,
        local_output_tokens=13,
    ),
    BELIEF,
    KIND_PRIORS,
    Priors(
        kinds={"question": KIND_PRIORS}, tiers={"claude-opus-5-5": "tier1"}, advice_tokens=1_500
    ),
    ConfigJson(architecture=LOCAL.profiles["gpu"].architecture, quantization=None),
)

TYPES = [type(value) for value in VALUES]


def vocabulary() -> Iterator[type]:
    """Yield every public value type that a module of `tercet` defines."""
    for module in pkgutil.iter_modules(tercet.__path__, "tercet."):
        for name, kind in inspect.getmembers(import_module(module.name), inspect.isclass):
            is_value = is_dataclass(kind) or kind is PriceRow
            if is_value and kind.__module__ == module.name and not name.startswith("_"):
                yield kind


def test_every_value_type_of_the_vocabulary_has_an_example_here() -> None:
    assert set(vocabulary()) == set(TYPES)


@pytest.mark.parametrize("value", VALUES, ids=[kind.__name__ for kind in TYPES])
def test_a_value_comes_out_of_a_pickle_as_it_went_in(value: object) -> None:
    copy = pickle.loads(pickle.dumps(value))  # noqa: S301  what was pickled one call earlier
    assert (type(copy), copy) == (type(value), value)


@pytest.mark.parametrize(
    "value",
    [value for value in VALUES if is_dataclass(value)],
    ids=[kind.__name__ for kind in TYPES if is_dataclass(kind)],
)
def test_a_value_cannot_be_changed(value: object) -> None:
    assert is_dataclass(value)
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)


def test_a_configuration_error_keeps_its_message() -> None:
    error = ConfigError("models.yaml: tier2 is missing")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  what was pickled one call earlier
    assert isinstance(copy, ConfigError)
    assert str(copy) == "models.yaml: tier2 is missing"


def test_what_was_said_leaves_failures_out_and_keeps_the_order() -> None:
    failed = Step(role="memory", round=1, outcome=FAILURE)
    assert completions((failed, STEP, failed, STEP)) == (COMPLETION, COMPLETION)
