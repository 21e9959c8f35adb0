"""What no policy can know: the cheapest that was possible, and what knowing the rates is worth."""

from collections.abc import Sequence
from itertools import accumulate

from tercet.keep_alive.policy import MINUTE_S, Economics


def clairvoyant(saved: Sequence[float], economics: Economics) -> float:
    """Return the least that could have been paid, by one who knows every minute beforehand.

    `saved`: what the API costs for each minute. All money is nano-USD. The least time of a run is
    left out, so that it is a bound for policies with and without one.
    """
    wanted = clairvoyant_minutes(saved, economics)
    return cost_of(wanted, saved, economics)


def clairvoyant_minutes(saved: Sequence[float], economics: Economics) -> list[bool]:
    """Return the minutes in which the GPU is on, or starting, in the cheapest course.

    Off, or warm at the end of a minute: a start is one step of its whole length, since to break it
    off is never cheaper than not to begin it.
    """
    gpu, start = economics.minute_nano_usd, minutes_to_start(economics)
    before = [0.0, *accumulate(saved)]
    off, warm, began, ended = [0.0], [float("inf")], [False], [False]
    for minute, api in enumerate(saved, start=1):
        kept = warm[-1] + gpu
        since = minute - start - 1
        fresh = float("inf")
        if since >= 0:
            fresh = off[since] + (start + 1) * gpu + before[minute - 1] - before[since]
        began.append(fresh < kept)
        warm.append(min(fresh, kept))
        stays = off[-1] + api
        ended.append(warm[-1] < stays)
        off.append(min(stays, warm[-1]))
    return _walked(began, ended, start, is_warm=False)


def cost_of(wanted: Sequence[bool], saved: Sequence[float], economics: Economics) -> float:
    """Return what a course costs."""
    gpu, start = economics.minute_nano_usd, minutes_to_start(economics)
    cost, on_min = 0.0, 0
    for on, api in zip(wanted, saved, strict=True):
        on_min = on_min + 1 if on else 0
        cost += (gpu if on else 0) + (0 if on_min > start else api)
    return cost


def minutes_to_start(economics: Economics) -> int:
    """Return the minutes that are billed and answer nothing."""
    return -int(-economics.start_s // MINUTE_S)


def _walked(began: list[bool], ended: list[bool], start: int, *, is_warm: bool) -> list[bool]:
    """Go back from the end: `ended` says that off is reached from warm within the same minute."""
    minute = len(began) - 1
    wanted = [False] * minute
    while minute > 0:
        if not is_warm and not ended[minute]:
            minute -= 1
            continue
        length = start + 1 if began[minute] else 1
        wanted[minute - length : minute] = [True] * length
        is_warm = not began[minute]
        minute -= length
    return wanted
