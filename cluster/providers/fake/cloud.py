"""The fake cloud's rules: who has which card, what follows what, when. The time is told to it."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from cluster.providers.fake.world import (
    HOLDS_A_CARD,
    Dialect,
    Machine,
    Phase,
    Rented,
    Stretch,
    World,
)

FIRST_ID = 7001


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a create asks for, in either dialect."""

    dialect: Dialect
    label: str
    image: str
    environment: dict[str, str]
    command: str
    disk_gb: int
    volume: str | None = None
    bid: int | None = None
    disk_running: int
    """Nano-USD an hour, and so on."""
    disk_stopped: int
    injected: tuple[str, str] = field(default=("", ""))
    """Names of the variables for its id and its key."""


class Cloud:
    """One cloud; every method is told the time, Unix seconds, and first lets happen what is due."""

    def __init__(self, world: World) -> None:
        self.world = world

    def advance(self, now: float) -> None:
        """Let happen what is due."""
        for one in self.living():
            machine = self.machine(one.offer_id)
            if one.phase in HOLDS_A_CARD and _is_outbid(one, machine):
                one.due = None
                self.enter(one, "outbid", now)
            if one.phase in ("scheduling", "outbid") and self._may_run(one, machine):
                one.due = now + self.world.delays.start_s
                self.enter(one, "loading", now)
            while one.due is not None and one.due <= now:
                self._next(one, one.due)

    def living(self) -> list[Rented]:
        """Return the instances there are."""
        return [one for one in self.world.rented if one.phase != "gone"]

    def find(self, instance_id: str) -> Rented | None:
        """Return an instance there is."""
        return next((one for one in self.living() if one.instance_id == instance_id), None)

    def machine(self, offer_id: int) -> Machine:
        """Return a machine.

        Raises:
            KeyError: there is none.
        """
        for machine in self.world.machines:
            if machine.offer_id == offer_id:
                return machine
        raise KeyError(offer_id)

    def free(self) -> list[Machine]:
        """Return the machines whose card nobody has."""
        return [one for one in self.world.machines if not one.taken and not self._holder(one)]

    def create(self, machine: Machine, order: Order, now: float) -> Rented:
        """Rent a machine. A bid too low makes a stopped instance."""
        instance_id = str(FIRST_ID + len(self.world.rented))
        key = f"instance-{secrets.token_hex(16)}"
        id_name, key_name = order.injected
        one = Rented(
            instance_id=instance_id,
            dialect=order.dialect,
            offer_id=machine.offer_id,
            label=order.label,
            image=order.image,
            environment=order.environment | {id_name: instance_id, key_name: key},
            command=order.command,
            disk_gb=order.disk_gb,
            volume=order.volume,
            bid=order.bid,
            hourly=machine.hourly if order.bid is None else order.bid,
            disk_running=order.disk_running,
            disk_stopped=order.disk_stopped,
            key=key,
        )
        self.world.rented.append(one)
        if _is_outbid(one, machine):
            one.wants_to_run = False
            self.enter(one, "stopped", now)
        else:
            one.due = now + self.world.delays.create_s
            self.enter(one, "creating", now)
        return one

    def start(self, one: Rented, now: float) -> None:
        """Ask for the card back: without it the instance waits, at RunPod it is refused before."""
        if self.world.starts_ignored:
            self.world.starts_ignored -= 1
            return
        one.wants_to_run = True
        if one.phase == "stopped":
            self.enter(one, "scheduling", now)
        self.advance(now)

    def stop(self, one: Rented, now: float) -> None:
        """Give the card back and keep the disk."""
        one.wants_to_run, one.due = False, None
        if one.phase not in ("stopped", "offline"):
            self.enter(one, "stopped", now)

    def destroy(self, one: Rented, now: float) -> None:
        """End all billing."""
        one.wants_to_run, one.due = False, None
        self.enter(one, "gone", now)

    def die(self, one: Rented, phase: Phase, now: float) -> None:
        """Its process ended (`exited`), or its host is gone (`offline`)."""
        one.due = None
        self.enter(one, phase, now)

    def enter(self, one: Rented, phase: Phase, at: float) -> None:
        """Begin a stretch at the prices of its phase."""
        is_runpod, runs = one.dialect == "runpod", phase == "running"
        is_up = runs or (is_runpod and phase in HOLDS_A_CARD)
        disk = one.disk_running if phase in HOLDS_A_CARD else one.disk_stopped
        stretch = Stretch(
            phase=phase,
            since=at,
            gpu=one.hourly if is_up else 0,
            disk=0 if phase == "gone" else disk,
        )
        one.history.append(stretch)
        one.boots += runs

    def can_have_card(self, one: Rented) -> bool:
        """Say whether a stopped instance's card is free."""
        return self._may_run(one, self.machine(one.offer_id))

    def _next(self, one: Rented, at: float) -> None:
        if one.phase == "creating":
            one.due = at + self.world.delays.load_s
            self.enter(one, "loading", at)
        else:
            one.due = None
            self.enter(one, "running", at)

    def _holder(self, machine: Machine) -> Rented | None:
        return _first(
            one
            for one in self.living()
            if one.offer_id == machine.offer_id and one.phase in HOLDS_A_CARD
        )

    def _may_run(self, one: Rented, machine: Machine) -> bool:
        is_free = not machine.taken and self._holder(machine) is None
        return one.wants_to_run and is_free and not _is_outbid(one, machine)


def _is_outbid(one: Rented, machine: Machine) -> bool:
    return one.bid is not None and one.bid < machine.least_bid


def _first(found: Iterable[Rented]) -> Rented | None:
    return next(iter(found), None)
