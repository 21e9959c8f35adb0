"""What the files of `cluster/observing` say, read as Prometheus and Grafana would."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tercet.config import PROJECT

FOLDER = PROJECT / "cluster" / "observing"
DASHBOARDS = sorted((FOLDER / "grafana").glob("*.json"))
METRIC = re.compile(r"\b(?:ray_\w+|tercet_gpu_watch_\w+|\w+:tercet_\w+:\w+|up|ALERTS)\b")
SELECTOR = re.compile(r"ray_(tercet_\w+?)(?:_bucket)?\{([^}]*)\}")


class Asked(NamedTuple):
    """An expression, and who asks it."""

    by: str
    expr: str

    @property
    def metrics(self) -> set[str]:
        return set(METRIC.findall(self.expr))


def rules(key: str) -> list[dict[str, Any]]:
    """Return the rules that have this key, `alert` or `record`."""
    groups = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if key in rule]


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """Return its panels but for the titles of rows."""
    found = json.loads(dashboard.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def asked_by_rules() -> Iterator[Asked]:
    for key in ("alert", "record"):
        yield from (Asked(rule[key], rule["expr"]) for rule in rules(key))


def asked_by_dashboards() -> Iterator[Asked]:
    for dashboard in DASHBOARDS:
        for panel in panels(dashboard):
            for target in panel["targets"]:
                expr = target["expr"].replace("$__rate_interval", "5m")
                yield Asked(f"{dashboard.name}: {panel['title']}", expr)


def asked() -> list[Asked]:
    return [*asked_by_rules(), *asked_by_dashboards()]


def selectors(expr: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each selection of a metric of ours: its name without `ray_`, and what labels match."""
    for name, inside in SELECTOR.findall(expr):
        yield name, dict(re.findall(r'(\w+)[=!~]+"([^"]*)"', inside))
