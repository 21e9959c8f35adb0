"""Stop this machine when nobody wants it: watchdog.py COMMAND..., which asks the head.

It needs neither Ray nor a tunnel that stands nor anything else that runs here, and ends with the
machine. What it stops it with is the key the provider gave this one machine, never the account's.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

BEAT_S = 30.0
SILENT_S = 900.0
"""Longer than a head takes to be started anew, and than a network is usually away."""
MOST_S = 24 * 3600.0
"""However much it is wanted: something on the head that never ends must not bill for ever."""
TRY_AGAIN_S = 15.0


@dataclass(frozen=True)
class Times:
    """Seconds."""

    beat_s: float = BEAT_S
    silent_s: float = SILENT_S
    most_s: float = MOST_S


def reason_to_stop(
    *, now: float, booted_at: float, heard_at: float, is_wanted: bool, times: Times
) -> str | None:
    """Return why the machine is to be stopped now, or `None`. Times are of one clock."""
    if not is_wanted:
        return "the head does not want it"
    if now - heard_at > times.silent_s:
        return f"the head has been silent for {now - heard_at:.0f} s"
    if now - booted_at > times.most_s:
        return f"it has run for {(now - booted_at) / 3600:.1f} h, the most it may"
    return None


def ask(command: Sequence[str]) -> bool | None:
    """Ask the head whether this machine is wanted; `None`: no answer."""
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        return bool(json.loads(told.stdout)) if told.returncode == 0 else None
    except (subprocess.TimeoutExpired, OSError, ValueError):
        return None


def stop_request(environment: Mapping[str, str]) -> urllib.request.Request | None:
    """Return the request that stops this machine at its provider; `None`: it has no key for it."""
    if key := environment.get("CONTAINER_API_KEY"):
        base = environment.get("TERCET_PROVIDER_URL", "https://console.vast.ai")
        url = f"{base}/api/v0/instances/{environment['CONTAINER_ID']}/"
        return _request("PUT", url, key, {"state": "stopped"})
    if key := environment.get("RUNPOD_API_KEY"):
        base = environment.get("TERCET_PROVIDER_URL", "https://api.runpod.io")
        url = f"{base}/v2/pods/{environment['RUNPOD_POD_ID']}/action"
        return _request("POST", url, key, {"action": "stop"})
    return None


def _request(method: str, url: str, key: str, body: Mapping[str, str]) -> urllib.request.Request:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = json.dumps(body).encode()
    return urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310


def stop(environment: Mapping[str, str]) -> str:
    """Ask the provider once; return what came of it."""
    request = stop_request(environment)
    if request is None:
        return "the provider gave this machine no key to stop itself with"
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            return f"the provider answered {reply.status}"
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        return f"the provider did not do it: {error}"


def watch(
    command: Sequence[str],
    environment: Mapping[str, str],
    times: Times,
    say: Callable[[str], object],
) -> None:
    """Ask until there is a reason to stop, then ask the provider to, for ever."""
    booted_at = heard_at = time.monotonic()
    is_wanted = True
    while True:
        heard = ask(command)
        if heard is not None:
            heard_at, is_wanted = time.monotonic(), heard
        why = reason_to_stop(
            now=time.monotonic(),
            booted_at=booted_at,
            heard_at=heard_at,
            is_wanted=is_wanted,
            times=times,
        )
        if why is None:
            time.sleep(times.beat_s)
            continue
        # Before: this process ends with the machine.
        say(f"tercet watchdog: stopping this machine: {why}\n")
        # A stop that was answered with success may still not have happened: asked until it is over.
        say(f"tercet watchdog: {stop(environment)}\n")
        time.sleep(min(TRY_AGAIN_S, times.beat_s))


def main() -> None:
    """Watch by the environment the machine was created with."""
    environment = dict(os.environ)  # noqa: TID251
    times = Times(
        beat_s=float(environment.get("TERCET_BEAT_S", BEAT_S)),
        silent_s=float(environment.get("TERCET_SILENT_S", SILENT_S)),
        most_s=float(environment.get("TERCET_MOST_S", MOST_S)),
    )
    watch(sys.argv[1:], environment, times, sys.stderr.write)


if __name__ == "__main__":
    main()
