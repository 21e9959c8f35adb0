import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from fakes.rehearsed import World

from cluster.rehearsal.place import why_not
from cluster.rehearsal.site import Setting, rehearsed
from tercet.local_model import Resources

WORLD = {
    "machines": [
        {
            "offer_id": number,
            "gpu": "RTX 3090",
            "hourly": 220_000_000 + number * 1_000_000,
            "least_bid": 120_000_000 + number * 1_000_000,
            "storage_usd_gb_month": 0.15,
            "trusted": True,
            "region": "DE",
        }
        for number in (1, 2, 3)
    ],
    "delays": {"create_s": 0.2, "load_s": 1.0, "start_s": 0.5},
}
TIMES = {"watch_s": 1, "restart_s": 6, "boot_s": 90, "create_s": 10, "linger_s": 12}
SETTING = Setting(
    world=WORLD,
    rental={
        "times": TIMES,
        "caps": {"creates_an_hour": 50, "hours_a_day": 24},
        "keep_alive": {"policy": "off"},  # by hand: a call wakes it
    },
    wants=Resources(num_cpus=1, num_gpus=0, custom={"VPS_1": 1}),
    node_python=Path(sys.executable),
    delay_s=0.03,
    # Ray's own patience with a silent node is 89 s.
    head_environment={
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "5000",
        "RAY_health_check_failure_threshold": "4",
    },
    node_environment={"TERCET_BEAT_S": "1", "TERCET_SILENT_S": "40"},
)


@pytest.fixture(scope="module")
def world() -> Generator[World]:
    if (why := why_not()) is not None:
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="t-"))  # short: Unix sockets are made in it
    try:
        with rehearsed(folder, SETTING) as site:
            made = World(site)
            try:
                yield made
            finally:
                made.driver.close()
    except BaseException:
        sys.stderr.write(f"kept: {folder}\n")
        raise
    shutil.rmtree(folder, ignore_errors=True)
