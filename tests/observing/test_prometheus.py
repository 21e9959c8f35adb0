"""A real Prometheus over a running system: every expression of rules and dashboards is asked."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fakes.running import free_port, wait_until
from observing.watched import FOLDER, Asked, asked, asked_by_dashboards

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

QUESTIONS = [
    ("tier1", "What is 17 * 23?"),
    ("tier3", "What is 6 * 7? sim:disagree"),
    ("tier3", "hello sim:overloaded@claude"),
    ("auto", "Fix this bug: the function crashes with IndexError when the list is empty."),
    ("claude-haiku-5-5", "What is 2 + 2?"),
]
NOT_HERE = {
    "ALERTS": "only while an alert fires",
    "ray_tercet_gpu_hourly_usd": "a rented machine",
    "ray_tercet_gpu_idle_seconds": "a rented machine",
    "ray_tercet_gpu_running_seconds": "a rented machine",
    "ray_tercet_gpu_state": "a rented machine",
    "ray_tercet_hold_or_spill_total": "a local model",
    "ray_tercet_migration_share": "a kind that moved",
    "ray_tercet_reconciliation_delta_ratio": "the bill of a rented machine",
    "ray_tercet_spans_dropped_total": "a collector that is away",
    "ray_vllm_generation_tokens_total": "a local model",
    "ray_vllm_kv_cache_usage_perc": "a local model",
    "ray_vllm_num_requests_running": "a local model",
    "ray_vllm_num_requests_waiting": "a local model",
    "ray_vllm_prefix_cache_hits_total": "a local model",
    "ray_vllm_prefix_cache_queries_total": "a local model",
    "ray_vllm_prompt_tokens_total": "a local model",
    "ray_vllm_time_to_first_token_seconds_bucket": "a local model",
    "tercet_gpu_watch_alerts": "gpu_watch.sh, beside a node_exporter",
    "tercet_gpu_watch_round_timestamp_seconds": "gpu_watch.sh, beside a node_exporter",
}
"""Metrics that a system on this machine does not have, and what it would need for them."""
EMPTY = {"money.json: Moved and held out"}
"""Panels of metrics that are here, but not with these labels: a kind would have to move."""


@dataclass(frozen=True, kw_only=True)
class Watching:
    """A Prometheus that has seen traffic."""

    url: str

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        return httpx2.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30).json()

    def values(self, expr: str) -> list[float]:
        return [float(one["value"][1]) for one in self.get("query", query=expr)["data"]["result"]]

    def names(self) -> set[str]:
        return set(self.get("label/__name__/values")["data"])


@pytest.fixture(scope="module")
def watching(system, prometheus, tmp_path_factory) -> Iterator[Watching]:
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    configure(folder, system.banner)
    command = [prometheus, f"--config.file={folder}/prometheus.yml", "--log.level=warn"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        made = Watching(url=f"http://127.0.0.1:{port}")
        assert wait_until(lambda: is_ready(made.url)), (folder / "log").read_text()
        # A rate is of two values: what is counted has to grow while it is looked at.
        ask(system)
        assert wait_until(lambda: made.values("ray_tercet_requests_total"), 90)
        ask(system)
        assert wait_until(
            lambda: max(made.values("sum(tier:tercet_attempts:rate10m)"), default=0), 90
        )
        assert wait_until(lambda: made.values("ray_tercet_month_forecast_usd"), 90)
        yield made
    finally:
        process.terminate()
        process.wait(30)


def configure(folder: Path, banner: str) -> None:
    """Put the shipped files there, with this run's address and token, and in a hurry."""
    dashboard, token = re.search(r"dashboard +(\S+) \(token (\w+)\)", banner).groups()
    shutil.copy(FOLDER / "rules.yml", folder)
    (folder / "ray_token").write_text(f"{token}\n")
    text = (FOLDER / "prometheus.yml").read_text()
    assert text.count("http://127.0.0.1:8265") == 1
    text = text.replace("http://127.0.0.1:8265", dashboard).replace(
        "_interval: 15s", "_interval: 1s"
    )
    (folder / "prometheus.yml").write_text(text)


def is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/-/ready", timeout=5).is_success
    except httpx2.TransportError:
        return False


def ask(system) -> None:
    for model, text in QUESTIONS:
        for surface in ("/v1/chat/completions", "/v1/messages"):
            body = {
                "model": model,
                "max_tokens": 100,
                "messages": [{"role": "user", "content": text}],
            }
            with system.http() as http:
                assert http.post(surface, json=body).status_code == 200


def test_every_target_that_ray_names_is_scraped(watching) -> None:
    targets = watching.get("targets")["data"]["activeTargets"]

    assert len(targets) >= 3
    assert {(one["labels"]["job"], one["health"], one["lastError"]) for one in targets} == {
        ("ray", "up", "")
    }


def test_every_rule_is_evaluated_without_an_error(watching) -> None:
    groups = watching.get("rules")["data"]["groups"]
    found = [(rule["name"], rule["health"]) for group in groups for rule in group["rules"]]

    assert len(found) == 22
    assert [name for name, health in found if health != "ok"] == []


def test_every_expression_is_answered(watching) -> None:
    answers = {one: watching.get("query", query=one.expr) for one in asked()}

    assert {one: said for one, said in answers.items() if said["status"] != "success"} == {}


def test_every_metric_that_is_named_is_scraped_or_needs_what_is_not_here(watching) -> None:
    named = set[str]().union(*(one.metrics for one in asked()))

    assert named - watching.names() - NOT_HERE.keys() == set()
    assert NOT_HERE.keys() <= named


def test_every_panel_has_data_unless_it_needs_what_is_not_here(watching) -> None:
    here = [one for one in asked_by_dashboards() if not one.metrics & NOT_HERE.keys()]

    assert len({one.by for one in here}) > 40
    assert wait_until(lambda: without_data(watching, here) == EMPTY, 60), without_data(
        watching, here
    )


def without_data(watching: Watching, expressions: list[Asked]) -> set[str]:
    filled = {one.by for one in expressions if has_data(watching, one)}
    return {one.by for one in expressions} - filled


def has_data(watching: Watching, one: Asked) -> bool:
    return not all(isnan(value) for value in watching.values(one.expr))


def test_what_prometheus_has_is_what_the_gateway_says(system, watching) -> None:
    with system.http() as http:
        spent = float(http.get("/v1/budget").json()["scopes"]["month"]["spent_usd"])

    assert spent > 0
    assert wait_until(
        lambda: (
            watching.values('max(ray_tercet_month_spent_usd{scope="month"})')
            == [pytest.approx(spent)]
        )
    )


def test_the_alert_that_nothing_is_seen_is_not_even_pending(watching) -> None:
    assert watching.values('ALERTS{alertname="TercetNotSeen"}') == []
