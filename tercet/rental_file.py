"""The reading of `config/rental.yaml`."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tercet.config_files import Strict, Usd, read
from tercet.environment import PROJECT
from tercet.errors import ConfigError
from tercet.keep_alive.settings import KeepAliveSettings, PolicyName, policy_of
from tercet.rental_rules import HeadAddress, Mode, RentalCaps, RentalRules, RentalTimes
from tercet.renting import ProviderOfMachines, Want
from tercet.usage import NANO_USD_PER_USD

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _WantRow(Strict):
    cards: list[str] = Field(min_length=1)
    disk_gb: int = Field(gt=0)
    interruptible: bool
    trusted: bool
    most_hourly_usd: Usd | None = None
    regions: tuple[str, ...] = ()


class _HeadRow(Strict):
    host: str | None = None
    port: int = Field(ge=1, le=65535)
    user: str


class _CapsRow(Strict):
    hours_a_day: float = Field(gt=0, le=24)
    creates_an_hour: int = Field(gt=0)


class _TimesRow(Strict):
    warm_up_s: Seconds
    least_run_s: Seconds
    create_s: Seconds
    restart_s: Seconds
    boot_s: Seconds
    linger_s: Seconds
    keep_disk_s: Seconds
    unserved_s: Seconds
    watch_s: Seconds


class _KeepAliveRow(Strict):
    policy: PolicyName
    half_life_min: Seconds | None = None
    start_at: Seconds | None = None
    stop_at: Seconds | None = None
    idle_s: Seconds = 600.0
    schedule: str = "mon-fri 08:00-18:00"
    minute_s: Seconds = 60.0

    @model_validator(mode="after")
    def _makes_sense(self) -> "_KeepAliveRow":
        policy_of(self.settings())
        return self

    def settings(self) -> KeepAliveSettings:
        return KeepAliveSettings(**self.model_dump(exclude={"minute_s"}))


class RentalFile(Strict):
    """`rental.yaml`."""

    provider: ProviderOfMachines | None = None
    url: str | None = None
    key_file: Path
    want: _WantRow
    image: str | None = None
    volume: str | None = None
    on_release: Literal["stop", "destroy"]
    mode: Mode
    head: _HeadRow
    caps: _CapsRow
    times: _TimesRow
    keep_alive: _KeepAliveRow

    @model_validator(mode="after")
    def _is_whole(self) -> "RentalFile":
        if self.provider is None:
            return self
        if self.head.host is None:
            raise ValueError(
                "head.host: say at which name or address rented machines find this one"
            )
        if self.provider != "fake" and "@sha256:" not in (self.image or ""):
            raise ValueError("image: name it by its digest, as name@sha256:...")
        if self.provider == "runpod" and self.want.interruptible:
            raise ValueError("want.interruptible: RunPod rents none any more; set it to false")
        if self.provider == "fake" and self.url is None:
            raise ValueError("url: say where the fake cloud is")
        return self


def load_rental(folder: Path | None = None) -> RentalRules | None:
    """Read `rental.yaml`; `None`: no machine is rented, as where there is no such file.

    Raises:
        ConfigError: listing every problem with its file and key.
    """
    problems: list[str] = []
    path = (folder or PROJECT / "config") / "rental.yaml"
    if not path.exists():
        return None
    file = read(path, RentalFile, problems)
    if file is None:
        raise ConfigError("\n".join(problems))
    return None if file.provider is None else _rules(file, file.provider)


def _rules(file: RentalFile, provider: ProviderOfMachines) -> RentalRules:
    head, want = file.head, file.want
    most = want.most_hourly_usd
    return RentalRules(
        provider=provider,
        url=file.url,
        key_file=PROJECT / file.key_file,
        want=Want(
            gpus=tuple(want.cards),
            disk_gb=want.disk_gb,
            interruptible=want.interruptible,
            trusted=want.trusted,
            most_hourly_nano_usd=None if most is None else _nano_usd(most),
            regions=want.regions,
        ),
        image=file.image or "",
        volume=file.volume,
        on_release=file.on_release,
        mode=file.mode,
        head=HeadAddress(host=head.host or "", port=head.port, user=head.user),
        times=RentalTimes(**file.times.model_dump()),
        caps=RentalCaps(**file.caps.model_dump()),
        keep_alive=file.keep_alive.settings(),
        minute_s=file.keep_alive.minute_s,
    )


def _nano_usd(dollars: Decimal) -> int:
    return int(dollars * NANO_USD_PER_USD)
