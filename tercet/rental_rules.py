"""How machines for the local model are rented, by `config/rental.yaml`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tercet.keep_alive.settings import KeepAliveSettings
from tercet.renting import ProviderOfMachines, Want

Mode = Literal["ray_worker", "remote_http"]
"""`ray_worker`: the machine joins the Ray cluster, and is trusted with it. `remote_http`: it runs
vLLM's own server alone, and is reached through the tunnel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RentalTimes:
    """Seconds."""

    warm_up_s: float
    """From the create to the first answer, as long as no start was seen."""
    least_run_s: float
    """How long a machine is kept at least once it runs; with the warm-up, what is held for it."""
    create_s: float
    """How long an instance whose create seemed to fail may take to show up."""
    restart_s: float
    """How long a stopped instance may take to have its card back; then another is rented."""
    boot_s: float
    """How long a machine may take from the create to its first word over the tunnel."""
    linger_s: float
    """How long a machine is kept on which no replica is wanted. Ray stops an idle node sooner."""
    keep_disk_s: float
    """How long a stopped instance's disk is paid for."""
    unserved_s: float
    """How long a machine may run without an answer before that is an alert."""
    watch_s: float
    """How often the provider is asked what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RentalCaps:
    """What no decision goes past; money is capped by `config/budget.yaml`, scope `gpu`."""

    hours_a_day: float
    """Of running, by the UTC day."""
    creates_an_hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadAddress:
    """Where machines find the head's sshd."""

    host: str
    port: int
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RentalRules:
    """All of it; there are none where no machine is rented."""

    provider: ProviderOfMachines
    url: str | None
    """Of the provider's API; `None`: its own."""
    key_file: Path
    """The account's key, which is in no environment."""
    want: Want
    image: str
    volume: str | None
    on_release: Literal["stop", "destroy"]
    mode: Mode
    head: HeadAddress
    times: RentalTimes
    caps: RentalCaps
    keep_alive: KeepAliveSettings
    minute_s: float
    """How long a minute of the keep-alive policies is: 60 but in a rehearsal."""
