"""Every page as a browser sees it: there, escaped, and in words where there is nothing to show."""

import asyncio
import sqlite3
from contextlib import closing
from html import unescape
from pathlib import Path

import httpx2
import pytest
from fakes.console import SCRIPT, WITH_LOCAL, browsing, fill, site, twin
from fakes.postgres import Postgres
from fakes.postgres import postgres as postgres

from router.console.site import MAKERS, Site

PATHS = ["", *(f"/{name}" for name in MAKERS if name != "overview"), "/playground"]
"""The pages that there always are."""


def get(console: Site, path: str) -> httpx2.Response:
    async def ask() -> httpx2.Response:
        async with browsing(console) as client:
            return await client.get(f"/console{path}")

    return asyncio.run(ask())


@pytest.mark.parametrize("path", [*PATHS, "/requests/req_0", "/", "/login", "/gpu?days=31"])
def test_a_page_of_a_filled_ledger_is_there(console: Site, path: str) -> None:
    async def ask() -> httpx2.Response:
        async with browsing(console) as client:
            return await client.get(f"/console{path}", follow_redirects=True)

    reply = asyncio.run(ask())
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "</html>" in reply.text


@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_an_empty_ledger_is_there_too(empty: Path, path: str) -> None:
    reply = get(site(empty), path)
    assert reply.status_code == 200, reply.text
    assert "</html>" in reply.text


@pytest.mark.parametrize("path", [*PATHS, "/requests/req_0"])
def test_every_page_has_a_twin_in_json(console: Site, path: str) -> None:
    told = get(console, f"{path}?format=json").json()
    assert told["page"] == (path.split("/")[1] if path else "overview").replace(
        "requests", "request" if path.count("/") == 2 else "requests"
    )
    assert told["warnings"] == []
    assert told["view"]


def test_amounts_in_json_are_whole_nano_dollars_and_dollars_in_text(console: Site) -> None:
    month = twin(console, "")["month"]
    assert month["spent_nano_usd"] == 670_000_400
    assert month["spent_usd"] == "0.670000400"


@pytest.mark.parametrize(
    "path", ["", "/requests", "/requests?part=1", "/requests/req_4", "/requests?kind=%3Cscript%3E"]
)
def test_what_callers_wrote_is_escaped(console: Site, path: str) -> None:
    page = get(console, path).text
    assert "<script>alert" not in page
    assert "<script>alert(1)" in unescape(page) or "kind=" in path
    assert 'value="<script>' not in page


def test_a_filter_may_hold_anything(console: Site) -> None:
    page = get(console, f'/requests?kind=">{SCRIPT}&tier=\'"%00&outcome=x&before=-1').text
    assert "<script>alert" not in page


def test_a_part_is_not_the_whole_page(console: Site) -> None:
    part = get(console, "/requests?part=1")
    assert part.status_code == 200
    assert "<html" not in part.text
    assert "req_0" in part.text
    assert get(console, "/keys?part=1").status_code == 404


def test_a_request_that_is_not_there_is_told_so(console: Site) -> None:
    reply = get(console, f"/requests/{SCRIPT}")
    assert reply.status_code == 404
    reply = get(console, "/requests/req_nothing")
    assert reply.status_code == 404
    assert "req_nothing" in reply.text


def test_a_ledger_that_is_not_there_is_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "none.sqlite3"
    for path in PATHS[:-1]:
        reply = get(site(file), path)
        assert reply.status_code == 503
        assert "does not exist" in reply.text
        assert "Traceback" not in reply.text
    assert not file.exists()


def test_a_damaged_ledger_is_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    file.write_bytes(b"no database at all, and long enough to be read as one" * 100)
    reply = get(site(file), "/requests")
    assert reply.status_code == 503
    assert "cannot be read" in reply.text
    assert "Traceback" not in reply.text


def test_a_database_of_something_else_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
        connection.commit()
    reply = get(site(file), "/requests")
    assert reply.status_code == 503
    assert "is no ledger" in reply.text


def test_a_bug_is_a_page_without_its_insides(console: Site) -> None:
    def broken() -> None:
        raise RuntimeError("secret insides")

    reply = get(site(console.viewer._database.file, local=broken), "/gpu")
    assert reply.status_code == 500
    assert "secret insides" not in reply.text
    assert "default-src 'self'" in reply.headers["content-security-policy"]


def test_no_page_names_a_secret(console: Site) -> None:
    for path in PATHS:
        page = get(console, path).text
        assert "admin-key-of-the-tests" not in page
        assert "043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89" not in page


def test_every_page_is_there_on_postgres_too(postgres: Postgres) -> None:
    url = postgres.new_database()
    fill(url)
    shown = site(url, WITH_LOCAL)
    for path in [*PATHS, "/requests/req_0", "/requests?kind=lookup&outcome=answered&key=default"]:
        assert get(shown, path).status_code == 200
    assert [row["id"] for row in twin(shown, "/requests", "&kind=lookup")["rows"]] == ["req_0"]
    assert twin(shown, "/quality")["compared"][0]["difference"] == 0.25
    shown.viewer.close()


def test_what_is_being_read_is_said(filled: Path) -> None:
    fresh = site(filled)
    fresh.reader.books = fresh.reader.books.__class__(
        tally=fresh.reader.books.tally, outlook=fresh.reader.books.outlook, read_share=0.4
    )
    assert "reading the ledger: 40%" in get(fresh, "").text


def test_before_anything_was_read_the_page_comes_by_itself(filled: Path) -> None:
    fresh = site(filled)
    fresh.reader.books = fresh.reader.books.__class__(tally=fresh.reader.books.tally)
    reply = get(fresh, "")
    assert reply.status_code == 503
    assert reply.headers["refresh"] == "2"
    assert get(fresh, "/requests").status_code == 200


def test_health_is_told_to_anybody_and_says_nothing_of_money(console: Site) -> None:
    async def ask() -> httpx2.Response:
        async with browsing(console, signed_in=False) as client:
            return await client.get("/console/healthz")

    assert asyncio.run(ask()).json() == {"status": "ok", "ledger": "ok", "read": 1.0}
