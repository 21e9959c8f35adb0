import json
import re
import xml.etree.ElementTree as ET  # our own text
from collections.abc import Callable
from itertools import combinations, pairwise

import pytest

from router.report.blocks import (
    Band,
    Bar,
    Bars,
    Document,
    Listing,
    Picture,
    Point,
    Section,
    Sentence,
    Shape,
    Stay,
    Table,
    Timeline,
    Whisker,
    Whiskers,
)
from router.report.drawing import WIDTH, drawing, ticks
from router.report.html import as_html
from router.report.making import WRITERS
from router.report.markdown import as_markdown
from router.report.report import Report
from router.report.sketches import sketch
from router.report.text import as_text

Reported = Callable[..., Report]
MONTHS = ("2026-09", "2026-10", "2026-11")
DAY = 86_400.0
NO_ROWS = Table(title="T", headings=("a",), rows=())
SHAPES: dict[str, Shape] = {
    "bars": Bars(
        bars=(
            Bar(label="routine_code", parts=(("tier3", 1.25), ("local", 0.5))),
            Bar(label="a kind with a long name of its own", parts=(("tier2", 12_345.678),)),
            Bar(label="nothing", parts=()),
        ),
        unit="USD",
        names=("tier1", "tier2", "tier3", "local"),
    ),
    "band": Band(
        points=(
            Point(at=0.0, value=-3.0, low=-9.0, high=3.0),
            Point(at=DAY, value=1.0, low=-2.0, high=4.0),
            Point(at=9 * DAY, value=120.0, low=60.0, high=240.0),
        ),
        unit="USD",
        lines=(("target", 180.0), ("cap", 200.0)),
        ahead_from=DAY,
    ),
    "whiskers": Whiskers(
        whiskers=(
            Whisker(label="lookup", value=-0.01, low=-0.04, high=0.02, least=-0.05),
            Whisker(label="routine_code", value=0.2, low=-1.0, high=1.0, least=-0.03),
        ),
        unit="local model less API",
    ),
    "timeline": Timeline(
        rows=(
            ("lookup", (
                Stay(state="baseline", since=0, until=DAY),
                Stay(state="shadow", since=DAY, until=DAY + 1),
                Stay(state="canary", since=DAY + 1, until=4 * DAY),
                Stay(state="promoted", since=4 * DAY, until=5 * DAY),
                Stay(state="rolled_back", since=5 * DAY, until=9 * DAY),
            )),
        ),
        since=0,
        until=9 * DAY,
    ),
}  # fmt: skip
EMPTY: dict[str, Shape] = {
    "bars": Bars(bars=(), unit="USD", names=()),
    "band": Band(points=(), unit="USD"),
    "whiskers": Whiskers(whiskers=(), unit=""),
    "timeline": Timeline(rows=(), since=0, until=DAY),
}


def picture(shape: Shape) -> Picture:
    return Picture(name="p", title="A & B <title>", says="what is seen", shape=shape, table=NO_ROWS)


def page(report: Report) -> ET.Element:
    text = WRITERS["html"](report)
    assert text.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314


def boxes(root: ET.Element) -> list[tuple[float, float, float, float, str]]:
    """Return left, right, top and bottom of each text of a picture, reckoned generously."""
    found = []
    for text in root.iter("text"):
        said = text.text or ""
        width, x, y = len(said) * 13 * 0.58, float(text.get("x", "0")), float(text.get("y", "0"))
        left = {"start": x, "middle": x - width / 2, "end": x - width}[text.get("text-anchor", "")]
        found.append((left, left + width, y - 10, y + 3, said))
    return found


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_text_of_a_picture_is_inside_it_and_over_no_other(shape: Shape) -> None:
    root = ET.fromstring(drawing(picture(shape)))  # noqa: S314
    _, _, width, height = (float(number) for number in root.get("viewBox", "").split())
    found = boxes(root)
    outside = [one for one in found if one[0] < 0 or one[1] > width or one[3] > height]
    over = [
        (one[4], other[4])
        for one, other in combinations(found, 2)
        if one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
    ]
    assert width == WIDTH
    assert (outside, over) == ([], [])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_picture_tells_who_cannot_see_it_what_it_shows(shape: Shape) -> None:
    root = ET.fromstring(drawing(picture(shape)))  # noqa: S314
    assert root.get("role") == "img"
    named = {child.get("id"): child.text for child in root if child.get("id")}
    assert [named[name] for name in root.get("aria-labelledby", "").split()] == [
        "A & B <title>", "what is seen",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", EMPTY.values(), ids=EMPTY)
def test_of_nothing_there_is_no_picture_and_the_words_are_shown(shape: Shape) -> None:
    document = Document(
        title="t", subtitle="s", sections=(Section(title="x", blocks=(picture(shape),)),)
    )
    assert (drawing(picture(shape)), sketch(shape)) == ("", [])
    assert "what is seen" in as_text(document)
    assert "<p>what is seen</p>" in as_html(document)


def test_sketches_show_what_the_pictures_do() -> None:
    lookup, code, *_ = sketch(SHAPES["whiskers"])
    assert lookup == "lookup                             !o-"
    assert code == "routine_code -----------------------!----o-------------------"
    (row, *_) = sketch(SHAPES["timeline"])
    assert row == "lookup " + "·" * 5 + "c" * 16 + "P" * 6 + "x" * 21
    small, large, *_ = sketch(SHAPES["bars"])
    assert small == "routine_code                       ▏ 1.75 USD"
    assert (large.count("▓"), large.endswith(" 12,345.68 USD")) == (48, True)
    line, end, target, _ = sketch(SHAPES["band"])
    assert line == "12-31 ▁▁█ 01-09"
    assert end == "forecast 120.00 USD at the end (60.00 to 240.00)"
    assert target == "target: 180.00 USD"


def test_ticks_are_round_and_within() -> None:
    assert list(ticks(-0.04, 0.07)) == [0.0, 0.05]
    assert list(ticks(0, 200)) == [0, 50, 100, 150, 200]
    assert list(ticks(1, 1)) == []


@pytest.mark.parametrize("month", MONTHS)
def test_the_page_is_whole_and_refers_to_nothing_outside_itself(
    reported: Reported, month: str
) -> None:
    root = page(reported(month))
    refers = {"src", "href", "action", "data", "srcset", "poster"}
    outside = [
        (node.tag, value)
        for node in root.iter()
        for name, value in node.attrib.items()
        if name.split("}")[-1] in refers and not value.startswith("#")
    ]
    tags = {node.tag for node in root.iter()}
    style = root.findtext("head/style") or ""
    assert outside == []
    assert not tags & {"script", "link", "iframe", "img", "object", "embed"}
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


@pytest.mark.parametrize("month", MONTHS)
def test_every_picture_of_the_page_has_its_table_and_ids_are_unique(
    reported: Reported, month: str
) -> None:
    root = page(reported(month))
    figures = list(root.iter("figure"))
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(figures) >= 3
    for figure in figures:
        assert figure.find("figcaption") is not None
        assert figure.find(".//svg") is not None or figure.find("p") is not None
        assert figure.find(".//table") is not None or figure.find("p") is not None
    assert len(ids) == len(set(ids))
    anchors = [node.get("href", "")[1:] for node in root.iter("a")]
    assert len(anchors) == 8
    assert set(anchors) <= set(ids)


def test_a_page_of_all_three_months_has_the_pictures_of_each(reported: Reported) -> None:
    titles = {
        month: {title.get("id") for title in page(reported(month)).iter("title")} - {None}
        for month in MONTHS
    }
    assert titles["2026-09"] == {"cost-baseline-title", "migration-title", "spending-title"}
    assert titles["2026-10"] == {
        "cost-baseline-title", "cost-period-title", "saving-title", "quality-title",
        "migration-title", "spending-title",
    }  # fmt: skip


@pytest.mark.parametrize("month", MONTHS)
def test_markdown_tables_have_as_many_cells_in_every_row(reported: Reported, month: str) -> None:
    lines = WRITERS["markdown"](reported(month)).split("\n")
    bars = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    odd = [now for before, now in pairwise(bars) if before and now and before != now]
    assert odd == []
    assert lines[0] == f"# Tercet: what {month} cost, saved and was worth"
    assert sum(line.startswith("## ") for line in lines) == 8


def test_markdown_shows_words_as_they_are() -> None:
    table = Table(title="", headings=("a|b",), rows=(("*x_y*",),))
    said = Sentence(text="<b> & `c`", tone="warning")
    document = Document(
        title="t", subtitle="s", sections=(Section(title="x", blocks=(table, said)),)
    )
    text = as_markdown(document)
    assert "| a\\|b |" in text
    assert "| \\*x\\_y\\* |" in text
    assert "> **WARNING: \\<b\\> & \\`c\\`**" in text


def test_text_is_wrapped_and_warns_in_big_letters() -> None:
    said = Sentence(text=("word " * 40).strip(), tone="warning")
    document = Document(
        title="t",
        subtitle="s",
        sections=(Section(title="x", blocks=(said, Listing(points=("one", "two")))),),
    )
    lines = as_text(document).split("\n")
    assert max(map(len, lines)) <= 100
    assert lines[6].startswith("!!! WORD WORD")
    assert "- one" in lines


@pytest.mark.parametrize("month", MONTHS)
def test_json_has_every_figure_with_unit_and_basis(reported: Reported, month: str) -> None:
    document = json.loads(WRITERS["json"](reported(month)))
    assert document["object"] == "tercet.report"
    net = document["saving"]["net"]
    assert net.keys() == {"value", "unit", "basis", "low", "high", "many"}
    assert net["unit"] == "nano_usd"
    assert [item["status"] for item in document["items"]][:2] == ["met", "met"]


def test_the_same_verdict_is_in_every_format(reported: Reported) -> None:
    report = reported("2026-10")
    for name in ("text", "markdown", "html"):
        said = " ".join(WRITERS[name](report).split()).replace("\\", "")
        assert "Does the local model pay? Yes: net of its machine it saved 0.0500 USD" in said
    assert json.loads(WRITERS["json"](report))["saving"]["pays"] == "yes"
