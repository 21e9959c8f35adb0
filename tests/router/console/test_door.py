"""Sign-in and refusal over HTTP, and the headers of every answer."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from fakes.console import ADMIN, HOST, NOW, POSTED, browsing, fill, sign_in, site

from router.console.door import local_path
from router.console.pages import PAGES
from router.console.site import Site


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Site:
    file = tmp_path_factory.mktemp("console") / "ledger.sqlite3"
    fill(file)
    return site(file)


def get(console: Site, path: str, *, signed_in: bool = False, **headers: str) -> httpx2.Response:
    async def ask() -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with browsing(console, signed_in=signed_in) as client:
            return await client.get(path, headers=named)

    return asyncio.run(ask())


def post(console: Site, path: str, headers: Mapping[str, str], **form: str) -> httpx2.Response:
    async def ask() -> httpx2.Response:
        async with browsing(console, signed_in=False) as client:
            return await client.post(path, data=form, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("page", [one for one in PAGES.values() if one.is_in_nav])
def test_a_page_leads_to_the_sign_in_and_back(console: Site, page) -> None:
    reply = get(console, f"{page.href}?days=7")
    assert reply.status_code == 303
    there = httpx2.URL(reply.headers["location"])
    assert there.path == "/console/login"
    assert there.params["next"] == f"{page.href}?days=7"


def test_what_machines_ask_for_is_refused_with_a_status(console: Site) -> None:
    asked = [
        get(console, "/console?format=json"),
        get(console, "/console", accept="application/json"),
        get(console, "/console/requests?part=1"),
        get(console, "/console/requests", hx_request="true"),
        post(console, "/console/playground/ask", POSTED),
        post(console, "/console/logout", POSTED),
    ]
    assert [reply.status_code for reply in asked] == [401] * 6
    assert asked[0].headers["hx-redirect"] == "/console/login"
    assert "month" not in asked[0].text


@pytest.mark.parametrize(
    "cookie", ["", "x", "9999999999.forged", "9999999999", "1795424400.AAAA", "é" * 9]
)
def test_a_forged_cookie_opens_nothing(console: Site, cookie: str) -> None:
    reply = get(console, "/console", cookie=f"tercet_console={cookie}".encode())  # type: ignore[arg-type]
    assert reply.status_code == 303


def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_do_not_get(console: Site) -> None:
    reply = post(console, "/console/login", POSTED, key=ADMIN, next="/console/gpu?days=1")
    assert reply.status_code == 303
    assert reply.headers["location"] == "/console/gpu?days=1"
    parts = reply.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/console", "Max-Age=43200"} <= set(parts)
    assert "Secure" not in parts
    assert ADMIN not in reply.headers["set-cookie"]


def test_behind_tls_the_cookie_is_for_tls_alone(console: Site) -> None:
    headers = {**POSTED, "x-forwarded-proto": "https"}
    reply = post(console, "/console/login", headers, key=ADMIN)
    assert "Secure" in reply.headers["set-cookie"].split("; ")


def test_a_wrong_key_is_told_so_and_the_sixth_try_waits(tmp_path: Path) -> None:
    fill(tmp_path / "l.sqlite3")
    fresh = site(tmp_path / "l.sqlite3")
    first = post(fresh, "/console/login", POSTED, key="wrong", next="/console/keys")
    assert first.status_code == 401
    assert "that is not the admin key" in first.text
    assert 'value="/console/keys"' in first.text
    assert "set-cookie" not in first.headers
    tries = [post(fresh, "/console/login", POSTED, key="wrong").status_code for _ in range(5)]
    assert tries == [401, 401, 401, 401, 429]
    refused = post(fresh, "/console/login", POSTED, key=ADMIN)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "61"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": HOST}, 303),
        ({"sec-fetch-site": "cross-site", "origin": HOST}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(console: Site, headers, status: int) -> None:
    assert post(console, "/console/login", headers, key=ADMIN).status_code == status


def test_signing_out_takes_the_cookie_back(console: Site) -> None:
    async def leave() -> tuple[int, int]:
        async with browsing(console) as client:
            left = await client.post("/console/logout", headers=POSTED)
            return left.status_code, (await client.get("/console")).status_code

    assert asyncio.run(leave()) == (303, 303)


@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.test", "//evil.test", "/\\evil.test", "/console//evil.test", "/consolex",
        "/console/../v1/models", "/console/\n/x", "javascript:alert(1)", "", "/", "/v1/models",
        "/console\\@evil.test", "http:/console",
    ],
)  # fmt: skip
def test_nobody_is_led_out_of_the_console(console: Site, asked: str) -> None:
    assert local_path(asked) == "/console"
    reply = post(console, "/console/login", POSTED, key=ADMIN, next=asked)
    assert reply.headers["location"] == "/console"


@pytest.mark.parametrize("asked", ["/console", "/console/gpu?days=1", "/console/requests/req_1"])
def test_a_page_of_the_console_is_gone_back_to(asked: str) -> None:
    assert local_path(asked) == asked


def test_every_answer_carries_the_headers_that_shut_others_out(console: Site) -> None:
    replies = [
        get(console, "/console/login"),
        get(console, "/console"),
        get(console, "/console?format=json"),
        get(console, "/console", signed_in=True),
        get(console, "/console/nothing", signed_in=True),
        get(console, "/console/static/console.css"),
    ]
    assert [reply.status_code for reply in replies] == [200, 303, 401, 200, 404, 200]
    for reply in replies:
        policy = reply.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
    assert {reply.headers["cache-control"] for reply in replies[:5]} == {"no-store"}


def test_a_static_file_is_kept_for_ever_under_the_name_of_its_content(console: Site) -> None:
    page = get(console, "/console/login").text
    address = page.split('href="/console/static/console.css')[1].split('"')[0]
    named = get(console, f"/console/static/console.css{address}")
    assert named.status_code == 200
    assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert get(console, "/console/static/console.css?v=0").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["%2e%2e/site.py", "..%2fsite.py", "", "nothing.css", "/etc/passwd"]
)
def test_no_file_beside_the_static_ones_is_served(console: Site, path: str) -> None:
    assert get(console, f"/console/static/{path}").status_code == 404


def test_the_prefix_that_serve_tells_apart_changes_nothing(console: Site) -> None:
    async def ask() -> httpx2.Response:
        app = console.app()
        transport = httpx2.ASGITransport(app=app, root_path="/console")
        async with httpx2.AsyncClient(transport=transport, base_url=HOST) as client:
            await sign_in(client)
            return await client.get("/console/keys")

    reply = asyncio.run(ask())
    assert reply.status_code == 200
    assert NOW == 1_795_424_400.0
    assert "team" in reply.text
