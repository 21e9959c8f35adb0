"""Telemetry's names are spelt in one place, and its page lists every metric as it is."""

import re
from pathlib import Path

import pytest

from tercet.metrics import METRICS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
CODE = [
    path
    for folder in ("tercet", "router", "deployments", "cluster")
    for path in (ROOT / folder).rglob("*.py")
]
ROWS = {
    name: (kind, re.findall(r"`(\w+)`", labels))
    for name, kind, labels in re.findall(
        r"^\| `ray_(tercet_\w+)` \| (\w+) \|([^|]*)\|", PAGE, re.MULTILINE
    )
}


def spelling(pattern: str) -> set[str]:
    found = re.compile(pattern)
    return {
        str(path.relative_to(ROOT))
        for path in CODE
        if found.search(path.read_text(encoding="utf-8"))
    }


def test_attributes_of_spans_are_spelt_in_one_module() -> None:
    module = "tercet/telemetry.py"
    ours = set(re.findall(r'"tercet\.\w+"', (ROOT / module).read_text(encoding="utf-8")))
    assert len(ours) > 10
    assert spelling("|".join(map(re.escape, (*ours, '"gen_ai.', '"error.type')))) == {module}


def test_metrics_are_spelt_in_one_module() -> None:
    assert spelling("|".join(METRICS)) == {"tercet/metrics.py"}


@pytest.mark.parametrize("name", sorted(METRICS))
def test_the_page_lists_every_metric_with_its_type_and_labels(name: str) -> None:
    assert ROWS[name] == (METRICS[name].kind, list(METRICS[name].labels))


def test_the_page_names_no_metric_that_there_is_not() -> None:
    assert set(re.findall(r"ray_(tercet_\w+)", PAGE)) == set(METRICS)
