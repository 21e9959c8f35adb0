"""`rules.yml`: what promtool says of it, and that every alert can be understood and acted upon."""

import re
import shutil
from typing import get_args

import pytest
import yaml
from observing.watched import FOLDER, asked, rules, selectors

from cluster.tunnel import NODE
from router.gpu.alerts import AlertKind
from tercet.call import FailureKind
from tercet.config import PROJECT
from tercet.metrics import METRICS

ALERTS = {rule["alert"]: rule for rule in rules("alert")}


def test_promtool_finds_no_fault_in_the_rules(promtool) -> None:
    done = promtool("check", "rules", "--lint-fatal", "rules.yml", within=FOLDER)

    assert done.returncode == 0, done.stderr
    assert f"{len(ALERTS) + len(rules('record'))} rules found" in done.stdout


def test_promtool_finds_no_fault_in_the_example_of_a_configuration(promtool, tmp_path) -> None:
    for name in ("prometheus.yml", "rules.yml"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "ray_token").touch()

    done = promtool("check", "config", "prometheus.yml", within=tmp_path)

    assert done.returncode == 0, done.stderr


def test_every_alert_fires_when_it_should_and_not_when_it_should_not(promtool) -> None:
    done = promtool("test", "rules", "rules_test.yml", within=FOLDER)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_moment_at_which_it_fires_and_one_at_which_it_does_not(alert) -> None:
    cases = yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]
    moments = [
        [sample["labels"] for sample in moment["exp_samples"]]
        for case in cases
        if re.match(rf"{alert}\b", case["name"])
        for moment in case["promql_expr_test"]
        if "ALERTS" in moment["expr"]
    ]

    assert any(f'{{alertname="{alert}"}}' in labels for labels in moments)
    assert any(not labels for labels in moments)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_how_bad_it_is_and_what_to_do(alert) -> None:
    rule = ALERTS[alert]
    summary = rule["annotations"]["summary"]
    document, anchor = rule["annotations"]["runbook_url"].split("#")
    headings = re.findall(r"^#+ (.*)$", (PROJECT / document).read_text(), re.MULTILINE)

    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert re.fullmatch(r"[^\n]{40,220}", summary)
    assert anchor in {slug(heading) for heading in headings}


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_the_table_of_alerts_in_the_documentation_is_that_of_the_rules() -> None:
    text = (PROJECT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(Tercet\w+)` \| (\w+) \| .* \| \[.*\]\((#.*)\) \|$", text, re.MULTILINE
    )

    assert rows == [
        (
            name,
            rule["labels"]["severity"],
            rule["annotations"]["runbook_url"].partition("docs/telemetry.md")[2],
        )
        for name, rule in ALERTS.items()
    ]


@pytest.mark.parametrize("one", asked(), ids=lambda one: one.by)
def test_every_metric_of_ours_is_spelt_as_it_is_exported(one) -> None:
    ours = {
        m.removeprefix("ray_").removesuffix("_bucket") for m in one.metrics if "ray_tercet" in m
    }

    assert ours <= METRICS.keys()
    for name, labels in selectors(one.expr):
        assert labels.keys() <= set(METRICS[name].labels)
        assert set(labels.get("outcome", "").split("|")) <= {
            *("", "answered", "failed"),
            *get_args(FailureKind),
        }


def test_what_the_rules_know_of_rented_machines_is_what_there_is() -> None:
    text = (FOLDER / "rules.yml").read_text()
    kinds = re.findall(r'tercet_gpu_watch_alerts\{kind=~"(.*?)"', text)

    assert sorted("|".join(kinds).split("|")) == sorted(get_args(AlertKind))
    assert NODE.replace(".", "[.]") in text
