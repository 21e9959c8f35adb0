"""The dashboards, as far as that can be said without a Grafana."""

import itertools
import json

import pytest
from observing.watched import DASHBOARDS, panels

NAMES = [path.name for path in DASHBOARDS]
EVERY = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=NAMES)


def test_there_are_two_and_no_two_have_an_id_in_common() -> None:
    assert NAMES == ["money.json", "traffic.json"]
    assert len({json.loads(path.read_text())["uid"] for path in DASHBOARDS}) == len(DASHBOARDS)


@EVERY
def test_a_dashboard_asks_whichever_prometheus_is_chosen(dashboard) -> None:
    board = json.loads(dashboard.read_text())
    [variable] = board["templating"]["list"]
    wanted = {"type": "prometheus", "uid": f"${{{variable['name']}}}"}

    assert "id" not in board  # Grafana's own number of it
    assert board["schemaVersion"] == 42  # the last of the classic model, which 10 to 13 import
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    for panel in panels(dashboard):
        assert [panel["datasource"], *(t["datasource"] for t in panel["targets"])] == [wanted] * (
            1 + len(panel["targets"])
        )


@EVERY
def test_every_panel_has_a_title_a_description_a_unit_and_an_expression(dashboard) -> None:
    ids = [panel["id"] for panel in json.loads(dashboard.read_text())["panels"]]

    assert len(set(ids)) == len(ids)
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert all(target["expr"] for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@EVERY
def test_no_panel_covers_another_or_leaves_the_page(dashboard) -> None:
    places = [panel["gridPos"] for panel in json.loads(dashboard.read_text())["panels"]]

    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in itertools.combinations(places, 2) if overlap(*pair)] == []


def overlap(one, other) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "w"), ("y", "h"))
    )
