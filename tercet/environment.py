"""The environment: the only reader of it."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from tercet.config_files import Usd
from tercet.errors import ConfigError
from tercet.local_model import ProfileName
from tercet.migration import Phase
from tercet.usage import NANO_USD_PER_USD

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout, where `config/` and `serve_config.yaml` are."""

MOST_REPLICAS = 8

GivenKey = str | Path | None
"""A key, or the file that has it: read by `read_key` where the key is used, and nowhere else."""

KEY_FILES: Mapping[str, str] = {
    "ANTHROPIC_API_KEY": "ANTHROPIC_API_KEY_FILE",
    "GEMINI_API_KEY": "GEMINI_API_KEY_FILE",
    "TERCET_API_KEY": "TERCET_API_KEY_FILE",
    "TERCET_ADMIN_KEY": "TERCET_ADMIN_KEY_FILE",
}
"""The variables with a key, and those with the path of a file that has it, which win."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says. Secrets stay in here and in the clients made from it."""

    callers_key: GivenKey
    """The key callers present, which `api_key` reads."""
    ledger: str
    """A URL, or the path of an SQLite file."""
    state: Path
    """TERCET_STATE: folder of what a run keeps; else that of the ledger's file, or `var/`."""
    anthropic_key: GivenKey
    anthropic_url: str | None
    gemini_key: GivenKey
    gemini_url: str | None
    simulated: bool
    """The base URLs lead to the project's own simulated upstreams."""
    local: ProfileName | Literal["off"] | None = None
    """TERCET_LOCAL: overrides `local.profile` of routes.yaml."""
    phase: Phase | None = None
    """TERCET_PHASE: overrides `phase` of migrations.yaml."""
    local_idle_s: float | None = None
    """TERCET_LOCAL_IDLE_S: overrides `lifecycle.idle_s` of local.yaml."""
    vps_1: Path | None = None
    """TERCET_VPS_1: the environment with vLLM that `make run` starts the node VPS_1 from; else
    `.vps_1`. `None`: no node is started."""
    month_cap_nano_usd: int | None = None
    """TERCET_MONTH_CAP_USD, dollars such as 180 or 19.99: overrides `caps.month` of budget.yaml."""
    replicas: int = 1
    """TERCET_REPLICAS: how many of each deployment `make run` starts."""
    console_key: GivenKey = None
    """Signs in to the console, as `admin_key` reads it; without one, `api_key` does."""
    faults: Path | None = None
    """Folder of the faults that a chaos test sets; see `deployments.faults`."""

    def __repr__(self) -> str:
        """Name no secret."""
        return f"Settings(state={str(self.state)!r}, simulated={self.simulated})"

    @property
    def api_key(self) -> str | None:
        """The key callers present.

        Raises:
            ConfigError: its file cannot be used.
        """
        return read_key(self.callers_key)

    @property
    def admin_key(self) -> str | None:
        """The key that signs in to the console.

        Raises:
            ConfigError: its file cannot be used.
        """
        return read_key(self.console_key)


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment of this process, or the one given."""
    env = os.environ if environment is None else environment
    ledger = env.get("TERCET_LEDGER") or str(PROJECT / "var" / "ledger.sqlite3")
    return Settings(
        callers_key=_key(env, "TERCET_API_KEY"),
        ledger=ledger,
        state=_state(env.get("TERCET_STATE"), ledger),
        anthropic_key=_key(env, "ANTHROPIC_API_KEY"),
        anthropic_url=env.get("ANTHROPIC_BASE_URL") or None,
        gemini_key=_key(env, "GEMINI_API_KEY"),
        gemini_url=env.get("GOOGLE_GEMINI_BASE_URL") or None,
        simulated=env.get("TERCET_SIMULATED") == "1",
        local=_local(env),
        phase=_phase(env),
        local_idle_s=_seconds(env, "TERCET_LOCAL_IDLE_S"),
        vps_1=_vps_1(env.get("TERCET_VPS_1") or str(PROJECT / ".vps_1")),
        month_cap_nano_usd=_nano_usd(env, "TERCET_MONTH_CAP_USD"),
        replicas=_count(env, "TERCET_REPLICAS"),
        console_key=_key(env, "TERCET_ADMIN_KEY"),
        faults=Path(env["TERCET_FAULTS"]) if env.get("TERCET_FAULTS") else None,
    )


def read_key(given: GivenKey) -> str | None:
    """Return the key itself; a file is read now, whatever it said before.

    Raises:
        ConfigError: the file cannot be used; it is named, and nothing of what it holds.
    """
    if not isinstance(given, Path):
        return given
    try:
        mode = given.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"the key file {given} is no file; name one with the key in it")
        if mode & stat.S_IRWXO:
            raise ConfigError(f"the key file {given} is open to everybody here; `chmod o= {given}`")
        text = given.read_text(encoding="ascii").strip()
    except OSError as error:
        why = f"the key file {given} cannot be read ({error.strerror})"
        raise ConfigError(f"{why}; make it, or let this user read it") from None
    except UnicodeError:
        text = ""
    if not text or " " in text or not text.isprintable():
        raise ConfigError(f"the key file {given} must hold one key alone: a line without spaces")
    return text


def _key(env: Mapping[str, str], name: str) -> GivenKey:
    """Return the file where one is named, and the variable's own value only where none is."""
    file = env.get(KEY_FILES[name])
    return Path(file) if file and not _is_left_out(Path(file)) else env.get(name) or None


def _is_left_out(file: Path) -> bool:
    """Say whether `file` would be in the volume of a Kubernetes Secret that lacks this key.

    Pods name every key's file, and a Secret need not have them all. `..data` is what a kubelet
    makes in each such volume; anywhere else a file that is missing is an error.
    """
    try:
        return not file.exists() and (file.parent / "..data").is_dir()
    except OSError:  # whoever reads the key is told why
        return False


def _state(given: str | None, ledger: str) -> Path:
    if given:
        return Path(given)
    return PROJECT / "var" if "://" in ledger else Path(ledger).parent


def export(values: Mapping[str, str]) -> None:
    """Put `values` into this process's environment, for itself and the processes it starts."""
    os.environ.update(values)


def environment() -> Mapping[str, str]:
    """Return a copy of this process's environment."""
    return dict(os.environ)


def _local(env: Mapping[str, str]) -> ProfileName | Literal["off"] | None:
    match env.get("TERCET_LOCAL", ""):
        case "":
            return None
        case "off" | "gpu" | "cpu" as chosen:
            return chosen
        case value:
            raise ConfigError(f"TERCET_LOCAL is {value!r}; set it to off, gpu or cpu")


def _phase(env: Mapping[str, str]) -> Phase | None:
    match env.get("TERCET_PHASE", ""):
        case "":
            return None
        case "baseline" | "migrate" | "ungated" as chosen:
            return chosen
        case value:
            raise ConfigError(f"TERCET_PHASE is {value!r}; set it to baseline, migrate or ungated")


def _vps_1(value: str) -> Path | None:
    return None if value == "none" else Path(value)


def _seconds(env: Mapping[str, str], name: str) -> float | None:
    value = env.get(name) or None
    if value is None:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise ConfigError(f"{name} is {value!r}; set it to a whole number of seconds")
    return float(value)


def _count(env: Mapping[str, str], name: str) -> int:
    value = env.get(name) or "1"
    if not value.isdecimal() or not 1 <= int(value) <= MOST_REPLICAS:
        raise ConfigError(f"{name} is {value!r}; set it to a number from 1 to {MOST_REPLICAS}")
    return int(value)


def _nano_usd(env: Mapping[str, str], name: str) -> int | None:
    value = env.get(name, "")
    if not value:
        return None
    try:
        return int(TypeAdapter(Usd).validate_python(value) * NANO_USD_PER_USD)
    except ValidationError as error:
        raise ConfigError(f"{name} is {value!r}: {error.errors()[0]['msg']}") from None
