"""The list of requests: paged, narrowed, and what a request opens to."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fakes.console import NOW, SCRIPT, site, task, twin
from fakes.rows import reservation

from deployments.ledger import Ledger
from deployments.ledger.viewing import Viewer, Wanted
from router.console.making import requests as making
from router.console.site import Site

MANY = 120


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A ledger of 120 requests, a second apart; each tenth is a bug fix of another key."""
    file = tmp_path_factory.mktemp("many") / "ledger.sqlite3"

    async def write() -> None:
        with closing(Ledger(file)) as ledger:
            for number in range(MANY):
                is_tenth = number % 10 == 0
                await task(
                    ledger,
                    f"req_{number}",
                    "bug_fix" if is_tenth else "lookup",
                    "tier2" if is_tenth else "tier3",
                    at=NOW - number,
                    key="team" if is_tenth else "default",
                    outcome="failed" if number == 50 else "answered",
                )

    asyncio.run(write())
    return site(file)


def ids(view: Any) -> list[str]:
    return [row["id"] for row in view["rows"]]


def follow(console: Site, address: str) -> Any:
    query = "".join(f"&{name}={value}" for name, value in parse_qsl(urlsplit(address).query))
    return twin(console, "/requests", query)


def test_the_newest_come_first_and_the_pages_have_each_once(many: Site) -> None:
    view = twin(many, "/requests")
    assert view["is_live"]
    seen = ids(view)
    while view["older"]:
        view = follow(many, view["older"])
        assert not view["is_live"]
        seen += ids(view)
    assert seen == [f"req_{number}" for number in range(MANY)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("&kind=bug_fix", range(0, MANY, 10)),
        ("&tier=tier2", range(0, MANY, 10)),
        ("&key=team", range(0, MANY, 10)),
        ("&outcome=failed", [50]),
        ("&outcome=failed&kind=lookup", []),
        ("&outcome=under_way", []),
        ("&kind=never", []),
        ("&kind=bug", []),
    ],
)
def test_a_list_is_narrowed(many: Site, query: str, found: Any) -> None:
    view = twin(many, "/requests", query)
    assert ids(view) == [f"req_{number}" for number in found]
    assert view["older"] is None
    assert view["looked_until"] is None


def test_a_filter_keeps_its_value_among_its_options(many: Site) -> None:
    filters = {one["name"]: one for one in twin(many, "/requests", "&kind=never")["filters"]}
    assert filters["kind"]["value"] == "never"
    assert {"never", "bug_fix", "lookup"} <= set(filters["kind"]["options"])
    assert filters["key"]["options"] == ["default", "team"]
    assert {"tier1", "tier3", "claude-haiku-5-5"} <= set(filters["tier"]["options"])


def test_so_many_are_looked_through_at_a_time(many: Site) -> None:
    with many.viewer.look() as view:
        wanted = Wanted(kind="bug_fix")
        first = view.tasks(wanted, round((NOW + 1) * 1e9), 50, 25)
        until_ns = view.looked_until(round((NOW + 1) * 1e9), 25)
        assert until_ns is not None
        then = view.tasks(wanted, until_ns, 50, 25)
    assert [row["task_id"] for row in first] == ["req_0", "req_10", "req_20"]
    assert [row["task_id"] for row in then] == ["req_30", "req_40"]


def test_what_makes_no_sense_is_left_out() -> None:
    assert making.asked_of({"before": "1e9", "x": "y"}) == making.Asked()
    assert making.asked_of({"before": "9" * 30}).before_ns is None
    assert making.asked_of({"before": "17"}).before_ns == 17


def test_a_row_says_who_was_asked_and_what_it_cost(many: Site) -> None:
    row = twin(many, "/requests")["rows"][0]
    assert row["models"] == ["claude-haiku-5-5", "gemini-4-argon"]
    assert (row["attempts"], row["nano_usd"], row["seconds"]) == (2, 80, 4.0)
    assert (row["route"], row["kind"], row["reason"]) == ("tier2", "bug_fix", "for bug_fix")


def test_a_receipt_opens_to_every_attempt_by_round(console: Site) -> None:
    view = twin(console, "/requests/req_1")
    assert [one["number"] for one in view["rounds"]] == [1, 2]
    attempt = view["rounds"][1]["attempts"][0]
    assert (attempt["model"], attempt["nano_usd"], attempt["after_s"]) == (
        "gemini-4-argon",
        40,
        0.0,
    )
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (10, 5)
    assert view["route"]["seats"][0]["nano_usd"] == 80
    assert "did not change" in view["answer"]["changed_words"]
    assert view["samples"][0]["difference"] == 0.25
    assert view["poll"] is None


def test_a_request_under_way_counts_at_what_is_held_and_is_asked_for_again(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"

    async def write() -> None:
        with closing(Ledger(file)) as ledger:
            await task(ledger, "req_1", "lookup", "tier3", at=NOW - 9)
            row = reservation("req_1_open", task_id="req_1", round=3, at=NOW - 1)
            await ledger.reserve(row)

    asyncio.run(write())
    view = twin(site(file), "/requests/req_1")
    assert view["nano_usd"] == 180
    assert view["rounds"][2]["attempts"][0]["is_open"]
    assert view["poll"] == "/console/requests/req_1?part=1"


def test_documents_that_cannot_be_read_are_empty(tmp_path: Path) -> None:
    from router.console.making.documents import part, read

    assert read("not json") == read("[1]") == read(None) == {}
    assert part({"a": 3}, "a") == part({}, "a") == {}


def test_a_kind_is_no_pattern(console: Site) -> None:
    assert ids(twin(console, "/requests", "&kind=look%25")) == []
    assert ids(twin(console, "/requests", f"&kind={SCRIPT}")) == ["req_4"]


def test_looking_writes_nothing(tmp_path: Path) -> None:
    with closing(Viewer(tmp_path / "none")) as viewer, pytest.raises(Exception, match="not exist"):
        viewer.task("req_1")
    assert list(tmp_path.iterdir()) == []
