"""What each half hour of the day and of the week brings, learned as they pass."""

from dataclasses import dataclass
from typing import Literal, Self

from tercet.keep_alive.policy import Tick

Look = Literal["day", "week"]
SLOT_S = 1800
_NEW = 0.5
"""The weight of the latest day or week against those before it."""
_Curve = tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """Nano-USD saved a minute, by half hour (index: half hours since 1970, modulo the length)."""

    day: _Curve = (None,) * 48
    week: _Curve = (None,) * 336
    slot: int = 0
    """The one that is not over, and what it has had so far."""
    saved: int = 0
    minutes: int = 0

    def after(self, tick: Tick) -> Self:
        """Return the habit after a minute."""
        slot = int(tick.at // SLOT_S)
        if slot == self.slot:
            day, week, saved, minutes = self.day, self.week, self.saved, self.minutes
        else:
            day, week, saved, minutes = self._with(self.day), self._with(self.week), 0, 0
        return type(self)(
            day=day,
            week=week,
            slot=slot,
            saved=saved + tick.saved_nano_usd,
            minutes=minutes + 1,
        )

    def at(self, at: float, look: Look) -> float | None:
        """Return what the half hour of a moment brings; `None` while it has not been seen."""
        curve = self.day if look == "day" else self.week
        return curve[int(at // SLOT_S) % len(curve)]

    def _with(self, curve: _Curve) -> _Curve:
        if not self.minutes:
            return curve
        index, new = self.slot % len(curve), self.saved / self.minutes
        old = curve[index]
        mean = new if old is None else old + _NEW * (new - old)
        return (*curve[:index], mean, *curve[index + 1 :])
