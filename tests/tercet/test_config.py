import re
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tercet.catalog import Model, TierSeat
from tercet.config import PROJECT, Config, Settings, fleet, load, settings
from tercet.errors import ConfigError
from tercet.local_file import load_local
from tercet.rules import Fleet, Limits, LocalRules, OutputLimits

FILES = (
    "budget.yaml",
    "learning.yaml",
    "migrations.yaml",
    "taxonomy.yaml",
    "local.yaml",
    "models.yaml",
    "prices.yaml",
    "routes.yaml",
    "upstreams.yaml",
)

# File, what is replaced in it, the replacement, the problem.
BROKEN: dict[str, tuple[str, str, str, str]] = {
    "a seat of an unknown model": (
        "models.yaml",
        "member, model: gemini-3.8-flash}",
        "member, model: gemini-9}",
        r"models.yaml: tiers.tier3.seats: 'gemini-9' is not a model; models are \['claude-haiku",
    ),
    "a model that no tier seats": (
        "models.yaml",
        "role: member, model: gemini-3.8-flash}",
        "role: member, model: gemini-4-argon}",
        "models.yaml: models.gemini-3.8-flash: no tier seats it, so no one could call it; seat it",
    ),
    "an alias of nothing": (
        "models.yaml",
        'match: "gpt-*mini*", model: tier3',
        'match: "gpt-*mini*", model: tier9',
        r"models.yaml: aliases.gpt-\*mini\*: there is no 'tier9'; name a model, a tier, auto or",
    ),
    "a skill nobody knows": (
        "models.yaml",
        "takes: [images, documents, tools, serial_tools, schemas, effort, forced_tools]}",
        "takes: [smell]}",
        "models.yaml: models.claude-haiku-5-5.takes.0: Input should be 'images', 'documents'",
    ),
    "the answering seat second": (
        "models.yaml",
        "{role: brain, model: claude-opus-5-5}\n      - {role: memory, model: gemini-4-argon}",
        "{role: memory, model: gemini-4-argon}\n      - {role: brain, model: claude-opus-5-5}",
        r"models.yaml: tiers.tier1.seats: roles are \['memory', 'brain'\]; memory_brain seats "
        r"\['brain', 'memory'\] in this order",
    ),
    "a consensus of one": (
        "models.yaml",
        "      - {role: member, model: gemini-3.8-flash}\n",
        "",
        r"models.yaml: tiers.tier3.seats: roles are \['member'\]; consensus seats "
        r"\['member', 'member'\] in this order",
    ),
    "a tier under another name": (
        "models.yaml",
        "  tier2:",
        "  second:",
        "models.yaml: tiers: tier2 is missing; the plan's routes need tier1, tier2 and tier3",
    ),
    "an unknown key of a model": (
        "models.yaml",
        "gemini-4-argon:\n    {provider: google,",
        "gemini-4-argon:\n    {provider: google, colour: red,",
        "models.yaml: models.gemini-4-argon.colour: Extra inputs are not permitted",
    ),
    "an unknown provider": (
        "models.yaml",
        "claude-opus-5-5:\n    {provider: anthropic",
        "claude-opus-5-5:\n    {provider: claude",
        "models.yaml: models.claude-opus-5-5.provider: Input should be 'anthropic', 'google' or",
    ),
    "a window of nothing": (
        "models.yaml",
        "gemini-4-argon:\n    {provider: google, window_tokens: 1048576",
        "gemini-4-argon:\n    {provider: google, window_tokens: 0",
        "models.yaml: models.gemini-4-argon.window_tokens: Input should be greater than 0",
    ),
    "an unknown key of the routes": (
        "routes.yaml",
        "junior_from_tokens:",
        "yunior_from_tokens:",
        "routes.yaml: yunior_from_tokens: Extra inputs are not permitted",
    ),
    "a profile of the local model that is none": (
        "routes.yaml",
        "profile: null",
        "profile: tpu",
        r"routes.yaml: local.profile: Input should be 'gpu' or 'cpu'",
    ),
    "a local model by the name of another": (
        "local.yaml",
        "model: tiny-llama",
        "model: claude-haiku-5-5",
        r"local.yaml: profiles.cpu.model: models.yaml has a 'claude-haiku-5-5' too; rename one",
    ),
    "a tier by the name of the local one": (
        "models.yaml",
        "  tier3:",
        "  local: {composition: single, seats: [{role: single, model: m}]}\n  tier3:",
        r"models.yaml: tiers.local: this tier is made of config/local.yaml",
    ),
    "a preferred member that is none": (
        "routes.yaml",
        "prefer: {}",
        "prefer: {question: gemini-4-argon}",
        "routes.yaml: consensus.prefer.question is 'gemini-4-argon'; members are",
    ),
    "a way out of a disagreement that there is not": (
        "routes.yaml",
        "on_disagreement: {}",
        "on_disagreement: {question: toss_a_coin}",
        "routes.yaml: consensus.on_disagreement.question: Input should be 'critique', 'prefer' or",
    ),
    "what follows a disagreement on a kind of task there is not": (
        "routes.yaml",
        "on_disagreement: {}",
        "on_disagreement: {poetry: escalate}",
        "routes.yaml: consensus.on_disagreement: 'poetry' is no kind of task",
    ),
    "an escalation to a tier there is not": (
        "routes.yaml",
        "escalate_to: tier2",
        "escalate_to: tier9",
        "routes.yaml: consensus.escalate_to is 'tier9'; tiers are",
    ),
    "a deadline in words": (
        "routes.yaml",
        "deadline_s: 600",
        "deadline_s: ten minutes",
        "routes.yaml: limits.deadline_s: Input should be a valid number",
    ),
    "four rounds": (
        "routes.yaml",
        "max_rounds: 3",
        "max_rounds: 4",
        "routes.yaml: consensus.max_rounds: Input should be less than or equal to 3",
    ),
    "a preference for a kind of task there is not": (
        "routes.yaml",
        "prefer: {}",
        "prefer: {poetry: claude-haiku-5-5}",
        "routes.yaml: consensus.prefer: 'poetry' is no kind of task; kinds are security, archit",
    ),
    "a price below zero": (
        "prices.yaml",
        'fresh_input: "1.50"',
        'fresh_input: "-1.50"',
        "prices.yaml: rows.0.fresh_input: Input should be greater than or equal to 0",
    ),
    "a price from no day of the calendar": (
        "prices.yaml",
        "valid_from: 2026-12-01",
        "valid_from: 2026-13-01",
        "prices.yaml: month must be in 1..12",
    ),
    "a file that is not YAML": (
        "prices.yaml",
        "- model: gemini-4-hydrogen",
        "- model: [gemini-4-hydrogen",
        "prices.yaml: while parsing a flow sequence",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(PROJECT / "config" / name, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def shipped() -> Config:
    return load()


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load(folder)
    return str(refusal.value).split("\n")


def with_keys(*, anthropic: str | None = None, gemini: str | None = None) -> Settings:
    keys = {"ANTHROPIC_API_KEY": anthropic or "", "GEMINI_API_KEY": gemini or ""}
    return settings(keys)


def test_the_shipped_files_seat_the_models_of_the_plan(shipped: Config) -> None:
    tiers = shipped.catalog.tiers
    assert list(tiers) == ["tier1", "tier2", "tier3"]
    assert tiers["tier1"].seats == (
        TierSeat(role="brain", model="claude-opus-5-5"),
        TierSeat(role="memory", model="gemini-4-argon"),
    )
    assert tiers["tier2"].seats == (
        TierSeat(role="lead", model="claude-sonnet-5-5"),
        TierSeat(role="junior", model="gemini-4-argon"),
    )
    assert tiers["tier3"].seats == (
        TierSeat(role="member", model="claude-haiku-5-5"),
        TierSeat(role="member", model="gemini-3.8-flash"),
    )


def test_a_model_carries_its_name_and_limits(shipped: Config) -> None:
    assert shipped.catalog.models["gemini-4-argon"] == Model(
        name="gemini-4-argon",
        provider="google",
        window_tokens=1_048_576,
        max_output_tokens=65_536,
        takes=frozenset(
            {
                "images",
                "documents",
                "tools",
                "forced_tools",
                "schemas",
                "effort",
                "temperature",
                "top_p",
                "top_k",
                "presence_penalty",
                "frequency_penalty",
                "seed",
            }
        ),
    )


def test_a_model_is_hosted_by_every_tier_that_seats_it(shipped: Config) -> None:
    assert shipped.catalog.hosts_of("gemini-4-argon") == ("tier1", "tier2")
    assert shipped.catalog.hosts_of("claude-haiku-5-5") == ("tier3",)
    assert shipped.catalog.hosts_of("gemini-4-carbon") == ()


def test_the_shipped_rules_are_read(shipped: Config) -> None:
    rules = shipped.rules
    assert (rules.memory_from_tokens, rules.junior_from_tokens) == (10_500, 1_000)
    assert (rules.max_rounds, rules.prefer) == (3, {})
    assert rules.output == OutputLimits(answer=16_384, member=4_096, advice=2_048)
    assert rules.local == LocalRules(held=32, answer_s=30, first_event_s=30)
    assert rules.limits == Limits(
        deadline_s=600, connect_s=5, first_event_s=120, between_events_s=60
    )


def test_prices_are_exact_and_earliest_first_whatever_their_order_in_the_file(
    folder: Path,
) -> None:
    file = folder / "prices.yaml"
    rows = re.split(r"^(?=- )", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    file.write_text("".join([rows[0], *reversed(rows[1:])]), encoding="utf-8")
    prices = load(folder).prices
    carbon = [row for row in prices if row.model == "gemini-4-carbon"]
    assert [row.valid_from for row in carbon] == [date(2026, 11, 1), date(2026, 12, 1)]
    assert [row.cache_read for row in carbon] == [Decimal("0.10"), Decimal("0.20")]


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_file_and_key(folder: Path, case: str) -> None:
    name, old, new, problem = BROKEN[case]
    edit(folder / name, old, new)
    said = "\n".join(problems_of(folder))
    assert re.search(problem, said), said


def test_an_unreadable_file_is_a_problem_and_no_crash(folder: Path) -> None:
    (folder / "routes.yaml").write_bytes(b"memory_from_tokens: \xff")
    (problem,) = problems_of(folder)
    assert problem.startswith(f"{folder}/routes.yaml: 'utf-8' codec can't decode byte 0xff")


def test_a_missing_file_is_a_problem(folder: Path) -> None:
    (folder / "prices.yaml").unlink()
    (problem,) = problems_of(folder)
    assert problem.startswith(f"{folder}/prices.yaml cannot be read: No such file or directory")


def test_every_problem_of_every_file_is_listed_at_once(folder: Path) -> None:
    edit(folder / "models.yaml", "composition: consensus", "composition: choir")
    edit(folder / "routes.yaml", "max_rounds: 3", "max_rounds: 0")
    edit(folder / "routes.yaml", "connect_s: 5", "connect_s: -5")
    edit(folder / "prices.yaml", 'output: "7.50"', "output: cheap")
    problems = problems_of(folder)
    assert [re.sub(": Input.*", "", problem) for problem in problems] == [
        f"{folder}/models.yaml: tiers.tier3.composition",
        f"{folder}/routes.yaml: consensus.max_rounds",
        f"{folder}/routes.yaml: limits.connect_s",
        f"{folder}/prices.yaml: rows.0.output",
    ]


def test_every_contradiction_between_the_files_is_listed_at_once(folder: Path) -> None:
    models = folder / "models.yaml"
    edit(models, "role: junior, model: gemini-4-argon", "role: single, model: gemini-5")
    edit(models, "  tier3:", "  third:")
    problems = problems_of(folder)
    assert [problem.split(";")[0] for problem in problems] == [
        "models.yaml: tiers.tier2.seats: 'gemini-5' is not a model",
        "models.yaml: tiers.tier2.seats: roles are ['lead', 'single']",
        "models.yaml: tiers: tier3 is missing",
        "models.yaml: aliases.gpt-*mini*: there is no 'tier3'",
        "models.yaml: aliases.gpt-*nano*: there is no 'tier3'",
        "budget.yaml: caps.tiers: there is no tier 'tier3'",
    ]


def test_the_environment_is_read_variable_by_variable() -> None:
    read = settings(
        {
            "TERCET_API_KEY": "callers-key",
            "TERCET_LEDGER": "/srv/ledger.sqlite3",
            "ANTHROPIC_API_KEY": "claude-key",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:1",
            "GEMINI_API_KEY": "gemini-key",
            "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:2",
            "TERCET_SIMULATED": "1",
            "TERCET_LOCAL": "off",
            "TERCET_PHASE": "ungated",
            "TERCET_LOCAL_IDLE_S": "20",
            "TERCET_VPS_1": "/srv/vllm",
            "TERCET_MONTH_CAP_USD": "19.99",
            "TERCET_REPLICAS": "2",
        }
    )
    assert read == Settings(
        callers_key="callers-key",
        ledger="/srv/ledger.sqlite3",
        state=Path("/srv"),
        anthropic_key="claude-key",
        anthropic_url="http://127.0.0.1:1",
        gemini_key="gemini-key",
        gemini_url="http://127.0.0.1:2",
        simulated=True,
        local="off",
        phase="ungated",
        local_idle_s=20.0,
        vps_1=Path("/srv/vllm"),
        month_cap_nano_usd=19_990_000_000,
        replicas=2,
    )


@pytest.mark.parametrize("value", ["0", "9", "two", "-1"])
def test_a_number_of_replicas_that_cannot_be_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="TERCET_REPLICAS"):
        settings({"TERCET_REPLICAS": value})


@pytest.mark.parametrize("value", [None, ""])
def test_variables_that_are_absent_or_empty_leave_the_defaults(value: str | None) -> None:
    names = (
        "TERCET_API_KEY", "TERCET_LEDGER", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL",
        "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "TERCET_SIMULATED", "TERCET_LOCAL",
        "TERCET_PHASE", "TERCET_LOCAL_IDLE_S", "TERCET_VPS_1", "TERCET_MONTH_CAP_USD",
    )  # fmt: skip
    assert settings({} if value is None else dict.fromkeys(names, value)) == Settings(
        callers_key=None,
        ledger=str(PROJECT / "var" / "ledger.sqlite3"),
        state=PROJECT / "var",
        anthropic_key=None,
        anthropic_url=None,
        gemini_key=None,
        gemini_url=None,
        simulated=False,
        vps_1=PROJECT / ".vps_1",
    )


def test_without_an_argument_the_environment_of_the_process_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERCET_API_KEY", "callers-key")
    assert settings().api_key == "callers-key"


def test_a_local_profile_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^TERCET_LOCAL is 'yes'; set it to off, gpu or cpu"):
        settings({"TERCET_LOCAL": "yes"})


def test_a_phase_that_is_none_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"^TERCET_PHASE is 'shadow'; set it to baseline, migrate or ungated"
    ):
        settings({"TERCET_PHASE": "shadow"})


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon"])
def test_an_idle_time_that_is_no_whole_number_of_seconds_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^TERCET_LOCAL_IDLE_S"):
        settings({"TERCET_LOCAL_IDLE_S": value})


def test_no_environment_for_vps_1_means_that_no_node_is_started() -> None:
    assert settings({"TERCET_VPS_1": "none"}).vps_1 is None


def test_settings_show_no_secret_when_printed() -> None:
    secrets = {
        "TERCET_API_KEY": "s3cret-a",
        "ANTHROPIC_API_KEY": "s3cret-b",
        "GEMINI_API_KEY": "s3cret-c",
        "ANTHROPIC_BASE_URL": "http://user:s3cret-d@127.0.0.1",
        "GOOGLE_GEMINI_BASE_URL": "http://user:s3cret-e@127.0.0.1",
        "TERCET_LEDGER": "/srv/ledger",
    }
    shown = settings(secrets)
    expected = "Settings(state='/srv', simulated=False)"
    assert (repr(shown), str(shown), f"{shown}") == (expected, expected, expected)


@pytest.mark.parametrize(
    ("anthropic", "gemini", "providers"),
    [
        ("a", "g", {"anthropic", "google"}),
        ("a", None, {"anthropic"}),
        (None, "g", {"google"}),
    ],
)
def test_one_provider_key_is_enough_for_the_fleet(
    shipped: Config, anthropic: str | None, gemini: str | None, providers: set[str]
) -> None:
    known = fleet(shipped, with_keys(anthropic=anthropic, gemini=gemini))
    assert known == Fleet(providers=frozenset(providers), simulated=False)


def test_a_fleet_without_any_key_is_refused_with_the_remedy(shipped: Config) -> None:
    with pytest.raises(
        ConfigError, match=r"^tier1: no model of this tier has a provider key; set "
    ):
        fleet(shipped, with_keys())


@pytest.mark.parametrize("name", ["", "off"])
def test_as_shipped_there_is_no_local_model(name: str) -> None:
    chosen = settings({"GEMINI_API_KEY": "g", "TERCET_LOCAL": name})
    config = load(chosen=chosen)
    assert config.local is None
    assert list(config.catalog.tiers) == ["tier1", "tier2", "tier3"]
    assert fleet(config, chosen).providers == {"google"}


@pytest.mark.parametrize(
    ("profile", "model", "window"),
    [("gpu", "deepseek-coder-33b-instruct", 16_384), ("cpu", "tiny-llama", 4_096)],
)
def test_a_profile_makes_the_local_model_and_its_tier_the_least_capable(
    profile: str, model: str, window: int
) -> None:
    chosen = settings({"GEMINI_API_KEY": "g", "TERCET_LOCAL": profile})
    config = load(chosen=chosen)
    assert config.local is not None
    assert config.local.name == model
    assert list(config.catalog.tiers) == ["tier1", "tier2", "tier3", "local"]
    assert config.catalog.hosts_of(model) == ("local",)
    made = config.catalog.models[model]
    assert (made.provider, made.window_tokens) == ("local", window)
    assert "schemas" in made.takes
    assert not {"tools", "images", "effort"} & made.takes
    assert fleet(config, chosen).providers == {"google", "local"}


def test_the_routes_name_the_profile_and_the_environment_overrides_it(folder: Path) -> None:
    edit(folder / "routes.yaml", "profile: null", "profile: gpu")
    assert load(folder, settings({})).local == load_local(folder).profiles["gpu"]
    assert load(folder, settings({"TERCET_LOCAL": "off"})).local is None


def test_a_fleet_says_when_its_providers_are_simulated(shipped: Config) -> None:
    chosen = settings({"GEMINI_API_KEY": "g", "TERCET_SIMULATED": "1"})
    assert fleet(shipped, chosen).simulated
