"""Before a Ray pod ends: have Ray place nothing here any more, and wait until all is answered.

`drain.py` where the whole cluster goes; `drain.py ADDRESS` on a worker, with the head's address.
Kubernetes takes the pod out of its services meanwhile, and kills it when its grace period is over.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from urllib.error import URLError
from urllib.request import urlopen

COUNTERS = {
    # Of this node's replicas, by Ray's own agent; and of this node's HAProxy, which may be sending
    # what replicas elsewhere say.
    "http://127.0.0.1:8080/metrics": "ray_serve_replica_processing_queries",
    "http://127.0.0.1:9101/metrics": "haproxy_backend_current_sessions",
}
EVERY_S = 3.0
STEADY_S = 20.0
"""Replicas report every 10 s."""
GIVE_UP_S = 625.0
"""An answer may take 620 s; the pods' grace period is 660."""


def under_way(pages: Sequence[str]) -> float:
    """Return the sum of the counters on the pages of metrics; a page may be empty."""
    lines = "\n".join(pages).splitlines()
    patterns = [re.compile(rf"{name}(?:{{.*}})? (\S+)$") for name in COUNTERS.values()]
    found = (pattern.match(line) for line in lines for pattern in patterns)
    return sum(float(match[1]) for match in found if match is not None)


def wait(
    read: Callable[[], Sequence[str]],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until nothing was under way for `STEADY_S`; `False` after `GIVE_UP_S`."""
    begin = clock()
    busy_at = begin
    while (now := clock()) - begin < GIVE_UP_S:
        if under_way(read()) > 0:
            busy_at = now
        elif now - busy_at >= STEADY_S:
            return True
        sleep(EVERY_S)
    return False


def drain_command(address: str) -> list[str]:
    """Return what asks Ray to drain the node it runs on: Serve then moves its replicas."""
    return [
        *("ray", "drain-node", "--address", address),
        *("--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "its pod ends"),
        *("--deadline-remaining-seconds", str(int(GIVE_UP_S))),
    ]


def pages() -> list[str]:
    """Read the metrics there are."""
    return [_page(url) for url in COUNTERS]


def _page(url: str) -> str:
    try:
        with urlopen(url, timeout=2) as page:  # noqa: S310  a constant
            return page.read().decode()
    except (URLError, TimeoutError, ConnectionError):
        return ""


if __name__ == "__main__":
    if sys.argv[1:]:
        subprocess.run(drain_command(sys.argv[1]), check=False)  # noqa: S603
    if not wait(pages):
        sys.exit(f"requests were still under way after {GIVE_UP_S:.0f} s")
