"""Metrics of a running system, as Prometheus would scrape them from Ray's own exporter."""

import json
import re
import time
from pathlib import Path

import httpx2
import pytest
from fakes.running import descendants, wait_until

from tercet.config import load, settings
from tercet.metrics import METRICS

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

SAMPLE = re.compile(r"^(\w+?)(_bucket|_sum|_count)?\{(.*)\} (\S+)$")
ALWAYS = {"tercet_requests_in_flight", "tercet_breaker_open", "tercet_ladder_step"}
EVERY_RUN = {
    "tercet_requests_total",
    "tercet_routes_total",
    "tercet_request_seconds",
    "tercet_requests_in_flight",
    "tercet_attempts_total",
    "tercet_tokens_total",
    "tercet_cost_nano_usd_total",
    "tercet_first_token_seconds",
    "tercet_attempt_seconds",
    "tercet_breaker_open",
    "tercet_month_spent_usd",
    "tercet_month_held_usd",
    "tercet_month_cap_usd",
    "tercet_month_forecast_usd",
    "tercet_ladder_step",
    "tercet_open_attempts",
    "tercet_estimated_share",
    "tercet_price_age_seconds",
    "tercet_look_age_seconds",
}


def targets(system) -> list[str]:
    """Return what Ray tells Prometheus to scrape."""
    for pid in descendants(system.process.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        folders = [word.split("=", 1)[1] for word in command if word.startswith("--temp-dir=")]
        if folders:
            (group,) = json.loads(
                (Path(folders[0]) / "prom_metrics_service_discovery.json").read_text()
            )
            return group["targets"]
    raise AssertionError("no process of Ray's names its folder")


def scrape(system) -> dict[tuple[str, str, frozenset], float]:
    """Return our samples: by metric, suffix and labels."""
    found = {}
    for target in targets(system):
        text = httpx2.get(f"http://{target}/metrics", timeout=30).text
        for line in text.splitlines():
            sample = SAMPLE.match(line)
            if sample and sample[1].startswith("ray_tercet_"):
                labels = frozenset(re.findall(r'(\w+)="([^"]*)"', sample[3]))
                found[sample[1].removeprefix("ray_"), sample[2] or "", labels] = float(sample[4])
    return found


def seen_within(system, seconds: float, wanted: set[str]):
    """Scrape until everything wanted is there."""
    give_up_at = time.monotonic() + seconds
    while True:
        samples = scrape(system)
        missing = wanted - {name for name, _, _ in samples}
        if not missing or time.monotonic() > give_up_at:
            assert missing == set()
            return samples
        time.sleep(2)


def total(samples, name, suffix="", **labels) -> float:
    wanted = set(labels.items())
    return sum(
        value
        for (metric, end, found), value in samples.items()
        if (metric, end) == (name, suffix) and wanted <= found
    )


def test_a_scrape_has_the_metrics_with_their_labels_and_they_count_what_was_done(system) -> None:
    before = scrape(system)
    for _ in range(3):
        reply = system.client.chat.completions.with_raw_response.create(
            model="claude-haiku-5-5",
            messages=[{"role": "user", "content": "What is 17 * 23?"}],
        )
    receipt = system.receipt(reply.headers["x-tercet-request-id"])
    asked = {"surface": "openai_chat", "route": "claude-haiku-5-5", "outcome": "answered"}
    seat = {"tier": "tier3", "model": "claude-haiku-5-5"}
    made = {**seat, "provider": "anthropic", "outcome": "complete", "usage_source": "provider"}

    def are_counted() -> bool:
        now = scrape(system)
        requests = grown(before, now, "tercet_requests_total", **asked)
        return requests == grown(before, now, "tercet_attempts_total", **made) == 3

    assert wait_until(are_counted, 90)
    after = seen_within(system, 90, EVERY_RUN)
    assert grown(before, after, "tercet_attempt_seconds", "_count", **seat) == 3
    (attempt,) = receipt["attempts"]
    cost = grown(before, after, "tercet_cost_nano_usd_total", **seat)
    assert cost == 3 * attempt["cost_nano_usd"]
    assert total(after, "tercet_month_spent_usd", scope="month") > 0
    assert total(after, "tercet_ladder_step") == 1
    assert 0 <= total(after, "tercet_look_age_seconds") < 60
    # Callers of other tests left: what they had asked for is read to its end.
    assert wait_until(lambda: total(scrape(system), "tercet_requests_in_flight") == 0, 90)


def grown(before, after, name, suffix="", **labels) -> float:
    return total(after, name, suffix, **labels) - total(before, name, suffix, **labels)


def test_every_sample_is_a_metric_of_ours_with_its_labels_and_nothing_unknown(system) -> None:
    samples = seen_within(system, 90, ALWAYS)
    for name, _, labels in samples:
        names = {label for label, _ in labels}
        assert set(METRICS[name].labels) <= names, name
        assert {"deployment", "replica", "application"} <= names, name
    models = {value for _, _, labels in samples for name, value in labels if name == "model"}
    assert models <= load(chosen=settings({})).catalog.models.keys()
    assert "tercet_gpu_state" not in {name for name, _, _ in samples}
