import xml.etree.ElementTree as ET  # our own text
from dataclasses import replace
from itertools import combinations

import pytest

from router.plan.chart import chart
from router.plan.curves import Curves, curves
from router.plan.economics import Demand, Rent
from router.plan.picture import HEIGHT, WIDTH, picture
from router.plan.planning import WHILE_IT_PAYS, Plan
from router.plan.workload import WORKING_HOURS

CENT = 10_000_000
RENT = Rent(hourly_nano_usd=25 * CENT, stopped_hourly_nano_usd=CENT, start_s=300, least_run_s=600)
DEMAND = Demand(per_day=240, shape=WORKING_HOURS, capacity=1000, saved_nano_usd=CENT // 2)
SVG = "{http://www.w3.org/2000/svg}"
# Seen in the picture: everything is inside it and nothing written over anything else.
CASES = {
    "the break-even is far from the workload": DEMAND,
    "the workload is at the break-even": replace(DEMAND, per_day=600),
    "the card ends just after the break-even": replace(DEMAND, per_day=588, capacity=52),
    "the card ends before the break-even": replace(DEMAND, capacity=20),
    "much more is asked than the card can": replace(DEMAND, per_day=60_000, capacity=150),
    "almost nothing is asked": replace(DEMAND, per_day=0.1),
    "nothing is asked": replace(DEMAND, per_day=0),
    "nothing is answered": replace(DEMAND, capacity=0),
    "requests are dear": replace(DEMAND, saved_nano_usd=100 * CENT),
    "requests are cheap": replace(DEMAND, saved_nano_usd=CENT // 10_000),
}


class Half:
    """The part of a plan that is drawn."""

    def __init__(self, demand: Demand | None) -> None:
        self.demand = demand
        self.rent = RENT


def drawn(demand: Demand) -> Curves:
    found = curves(half(demand))
    assert found is not None
    return found


def half(demand: Demand | None) -> Plan:
    return Half(demand)  # type: ignore[return-value]


def parsed(demand: Demand) -> ET.Element:
    return ET.fromstring(picture(drawn(demand), "A & B <title>", "and a line"))  # noqa: S314


def boxes(root: ET.Element) -> list[tuple[float, float, float, float, str]]:
    """Return left, right, top and bottom of each text, reckoned generously."""
    found = []
    for text in root.iter(f"{SVG}text"):
        size = float(text.get("font-size", "13"))
        said = text.text or ""
        width = len(said) * size * 0.6
        x, y = float(text.get("x", "0")), float(text.get("y", "0"))
        left = {"start": x, "middle": x - width / 2, "end": x - width}[
            text.get("text-anchor", "start")
        ]
        found.append((left, left + width, y - size * 0.8, y + size * 0.2, said))
    return found


@pytest.mark.parametrize("demand", CASES.values(), ids=CASES)
def test_every_text_is_inside_and_over_no_other(demand: Demand) -> None:
    root = parsed(demand)
    found = boxes(root)

    assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    outside = [said for left, right, top, bottom, said in found
               if left < 0 or right > WIDTH or top < 0 or bottom > HEIGHT]  # fmt: skip
    over = [(a[4], b[4]) for a, b in combinations(found, 2)
            if a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]]  # fmt: skip
    assert (outside, over) == ([], [])


@pytest.mark.parametrize("demand", CASES.values(), ids=CASES)
def test_every_line_stays_inside(demand: Demand) -> None:
    root = parsed(demand)
    paths = [path.get("d", "") for path in root.iter(f"{SVG}path") if path.get("fill") == "none"]
    places = [
        tuple(map(float, place.split()))
        for path in paths
        for place in path.removeprefix("M").split("L")
    ]

    assert len(paths) == 6
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


def test_the_break_even_is_marked_where_the_lines_cross() -> None:
    root = parsed(DEMAND)
    [mark] = [one for one in root.iter(f"{SVG}circle") if one.get("id") == "break-even"]
    said = [box[4] for box in boxes(root)]

    # 0.25 / 0.005 = 50 of 80 an hour, between 76 and 700; 180 of 302.4 USD, between 452 and 152.
    assert float(mark.get("cx", "")) == pytest.approx(76 + 624 * 50 / 80, abs=0.1)
    assert float(mark.get("cy", "")) == pytest.approx(452 - 300 * 180 / 302.4, abs=0.1)
    assert "break-even 50 an hour" in said
    assert "your busiest hour: 20" in said
    assert {"API alone", "rented, always on", "rented while it pays", "light, 2 h a day"} <= {*said}


def test_a_break_even_out_of_reach_is_said_to_be() -> None:
    said = [box[4] for box in boxes(parsed(replace(DEMAND, capacity=20)))]

    assert "break-even 50 an hour: more than the card can answer" in said
    assert "the card's full speed: 20" in said


def test_the_best_policy_is_never_dearer_than_the_api_or_a_pattern() -> None:
    found = drawn(replace(DEMAND, capacity=60))

    for rate in (0, 10, 49, 50, 51, 60, 79):
        least = min(curve(rate) for curve in found.by_name.values())
        assert found.by_name[WHILE_IT_PAYS](rate) <= least + 1e-6


def test_past_the_cards_speed_always_on_pays_the_api_too() -> None:
    always = drawn(replace(DEMAND, capacity=60)).by_name["always on"]

    # 180 USD, and 20 requests an hour of half a cent for 720 hours.
    assert always(60) == pytest.approx(180)
    assert always(80) == pytest.approx(180 + 72)


def test_nothing_is_drawn_of_what_is_not_known_or_costs_nothing() -> None:
    assert curves(half(None)) is None
    assert curves(half(replace(DEMAND, saved_nano_usd=0))) is None


@pytest.mark.parametrize("demand", CASES.values(), ids=CASES)
def test_the_chart_for_the_terminal_is_narrow_and_marks_the_break_even(demand: Demand) -> None:
    lines = chart(drawn(demand)).splitlines()

    assert max(map(len, lines)) <= 100
    assert len(lines) == 18
    assert "break-even" in lines[15]
    assert "^" in lines[15]
