"""Everything machines are rented with, on the fake cloud and a ledger of its own."""

import asyncio
import shutil
import time
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from fakes.rented_cloud import KEY, Site, inside

from cluster.doorstep import NodeFile
from cluster.providers.choosing import provider_of
from cluster.rentals.opening import RentalSite, doorstep_of
from cluster.rentals.rentals import Rentals
from deployments.ledger import Ledger
from router.gpu.settling import Settled, settle
from tercet.budget import Caps
from tercet.config import PROJECT
from tercet.leases import Lease, Span
from tercet.rental_file import load_rental
from tercet.rental_rules import RentalCaps, RentalRules, RentalTimes

TIMES = {"restart_s": 0.5, "create_s": 10, "boot_s": 100, "keep_disk_s": 1_000, "watch_s": 0.05}
DAYS_LATER = 3 * 86_400.0
"""After which every bill is whole."""


def as_node(_lease_id: str, node_id: str) -> NodeFile:
    return NodeFile(
        node_id=node_id, tags={}, forwards=[], reach=[], command=["true"], environment={}
    )


def write_config(folder: Path, url: str, **changes: Any) -> Path:
    """Copy the project's configuration, with machines rented from this cloud.

    `changes` are keys of rental.yaml; `rental_caps` is its `caps`.
    """
    config = folder / "config"
    shutil.copytree(PROJECT / "config", config)
    key = folder / "key"
    key.write_text(f"{KEY}\n")
    file = config / "rental.yaml"
    told = yaml.safe_load(file.read_text())
    told |= {"provider": "fake", "url": url, "key_file": str(key)}
    told["head"] |= {"host": "head.example"}
    told["times"] |= TIMES
    for told_name, value in changes.items():
        name = told_name.removeprefix("rental_")
        told[name] = {**told[name], **value} if isinstance(value, dict) else value
    file.write_text(yaml.safe_dump(told))
    return config


def rules() -> RentalRules:
    """Return rules with round numbers, whatever the project's configuration says."""
    with TemporaryDirectory() as folder:
        told = load_rental(write_config(Path(folder), "http://127.0.0.1:9"))
    assert told is not None
    times = RentalTimes(
        warm_up_s=300,
        least_run_s=600,
        create_s=300,
        restart_s=60,
        boot_s=900,
        linger_s=300,
        keep_disk_s=10_000,
        unserved_s=900,
        watch_s=10,
    )
    caps = RentalCaps(hours_a_day=12, creates_an_hour=4)
    return replace(told, provider="vast", times=times, caps=caps, on_release="stop")


@dataclass
class Estate:
    """A site; `later_s` moves its clock on, but not the cloud's."""

    cloud: Site
    config: Path
    site: RentalSite
    clock: "Clock"
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    strangers: set[str] = field(default_factory=set)
    """Labels of instances that are somebody else's."""

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    def again(self) -> Rentals:
        """Return the rentals as another process has them."""
        site = self.site
        return Rentals(site.provider, site.ledger, site.doorstep, site.rules, self.clock)

    def rent(self) -> Any:
        return self.run(self.again().rent(as_node))

    def look(self) -> Any:
        return self.run(self.again().look())

    def leases(self) -> Sequence[Lease]:
        return self.run(self.site.ledger.leases(open_only=False))

    def lease(self) -> Lease:
        """Return the newest."""
        return self.leases()[0]

    def spans(self, lease_id: str) -> Sequence[Span]:
        return self.run(self.site.ledger.spans(lease_id))

    def instances(self) -> list[dict]:
        return [one for one in self.ever() if one["phase"] != "gone"]

    def ever(self) -> list[dict]:
        return [one for one in self.cloud.ever() if one["label"] not in self.strangers]

    def running(self) -> Lease:
        """Rent a machine and wait until the ledger says that it runs."""
        rented = self.rent()
        self.until(lambda: self.look() is not None and self.lease().state == "running")
        assert self.lease().lease_id == rented.lease_id
        return self.lease()

    def until(self, is_so: Any) -> None:
        give_up_at = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < give_up_at, (self.leases(), self.cloud.ever())
            time.sleep(0.02)

    def settle(self) -> Sequence[Settled]:
        return self.run(settle(self.site, self.clock() + DAYS_LATER))

    def check(self) -> None:
        """No instance without an open lease, no open span without one, nothing held for none."""
        leases = {lease.lease_id: lease for lease in self.leases()}
        there = {one["label"] for one in self.instances()}
        assert {one["label"] for one in self.ever()} <= leases.keys()
        assert there <= {name for name, lease in leases.items() if lease.ended_at is None}
        for lease in leases.values():
            is_open = [span.until_ns is None for span in self.spans(lease.lease_id)]
            if lease.ended_at is not None:
                assert not any(is_open)
                assert lease.held_nano_usd == 0
            else:
                assert is_open.count(True) == 1

    def check_money(self) -> None:
        """Give all back, and compare the ledger with the cloud's own bill."""
        for lease in self.leases():
            if lease.ended_at is None:
                self.run(self.again().destroy(lease.lease_id, "the test is over"))
        self.clock.later_s += 2 * TIMES["create_s"]
        self.look()  # ends what never was
        self.check()
        assert self.instances() == []
        assert ("unknown" in {one.fate for one in self.settle()}) == bool(self.strangers)
        booked = {lease.lease_id: lease.spent_nano_usd for lease in self.leases()}
        billed = dict.fromkeys(booked, 0)
        for line in self.cloud.bill()["lines"]:
            if line["label"] not in self.strangers:
                billed[line["label"]] += line["nano_usd"]
        assert booked == billed


def until_noon() -> float:
    """Return how far the noon of this UTC day is: no test runs into the next day."""
    return 43_200 - time.time() % 86_400


@dataclass
class Clock:
    later_s: float = field(default_factory=until_noon)

    def __call__(self) -> float:
        return time.time() + self.later_s


@contextmanager
def estate(
    folder: Path, caps: Caps | None = None, world: dict | None = None, **changes: Any
) -> Generator[Estate]:
    """Make one; `changes` are of rental.yaml, and at the end its books are checked."""
    (folder / "cloud").mkdir(parents=True)
    with inside(folder / "cloud", **(world or {})) as cloud:
        config = write_config(folder, cloud.url, **changes)
        rules = load_rental(config)
        assert rules is not None
        clock = Clock()
        ledger = Ledger(folder / "ledger.sqlite3", caps or {}, clock=clock)
        doorstep = doorstep_of(rules, folder)
        provider = provider_of("fake", KEY, cloud.url)
        site = RentalSite(
            rules=rules,
            caps=caps or {},
            provider=provider,
            ledger=ledger,
            doorstep=doorstep,
            rentals=Rentals(provider, ledger, doorstep, rules, clock),
        )
        made = Estate(cloud, config, site, clock)
        try:
            yield made
            made.check_money()
        finally:
            made.run(provider.close())
            made.runner.close()
            ledger.close()
