"""The guard as ASGI middleware, with an application behind it that only says whose key came."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from starlette.requests import Request

from router.guard import KeyGuard, key_id_of
from router.keyring import Keyring
from router.surfaces.refusal import Refusal
from router.turnstile import Turnstile
from tercet.keys import Key, sha256

TEXT, OTHER_TEXT = (f"tct_{handle}_{'a' * 43}" for handle in ("team2345", "rest2345"))
TEAM = Key(id="team", handle="team2345", sha256=sha256(TEXT.encode()))
REST = Key(id="rest", handle="rest2345", sha256=sha256(OTHER_TEXT.encode()))
HOSTILE = [
    "' OR '1'='1' --",
    "tct_team2345_'; DROP TABLE keys; --",
    "../../etc/passwd",
    "{{7*7}}",
    "%00",
    "t\u00e9am\u00ff",
    "Bearer Bearer",
    "tct_team2345_" + "b" * 43,
    "k" * 10_000,
]


class NoBooks:
    async def key(self, handle: str) -> Key | None:
        del handle
        return None


@dataclass
class Site:
    """A guard, and what it has let through."""

    keys: tuple[Key, ...] = (TEAM, REST)
    passed: list = field(default_factory=list)
    sent: list = field(default_factory=list)
    body: Callable[[], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        keyring = Keyring(None, NoBooks(), Turnstile(lambda: 1, lambda: 0.0), lambda: 0.0)
        keyring.replace(self.keys)
        self.guard = KeyGuard(self.app, keyring, error_body)

    async def app(self, scope, receive, send) -> None:
        if scope["type"] != "http" or scope["path"] == "/healthz":
            self.passed.append(scope["type"])
            return
        self.passed.append(key_id_of(Request(scope)))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if self.body is not None:
            await self.body()
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, *headers: tuple[str, str], **scope) -> int:
        """Return the status that was sent."""
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        whole = {"type": "http", "method": "GET", "path": "/v1/models", "headers": pairs, **scope}
        self.sent = []

        async def receive():
            raise AssertionError("the guard reads no body")

        async def send(message) -> None:
            self.sent.append(message)

        await self.guard(whole, receive, send)
        return self.sent[0].get("status", 0) if self.sent else 0

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def error_body(path: str, refusal: Refusal) -> bytes:
    return f"{path} {refusal.code}".encode()


def bearer(text: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {text}")


@pytest.mark.parametrize(
    ("headers", "key_id"),
    [
        ([bearer(TEXT)], "team"),
        ([("authorization", f"bearer   {TEXT} ")], "team"),
        ([("x-api-key", TEXT)], "team"),
        ([("x-api-key", OTHER_TEXT), bearer(TEXT)], "team"),
        ([("x-api-key", TEXT), ("authorization", "Basic abc")], "team"),
        ([("x-api-key", TEXT), ("authorization", "Bearer ")], "team"),
    ],
)
def test_either_header_opens_and_authorization_counts_before_the_other(headers, key_id) -> None:
    site = Site()
    assert asyncio.run(site.ask(*headers)) == 200
    assert site.passed == [key_id]


def test_a_wrong_bearer_is_not_made_good_by_the_other_header() -> None:
    site = Site()
    assert asyncio.run(site.ask(bearer("wrong"), ("x-api-key", TEXT))) == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "TRACE", "NONE"])
@pytest.mark.parametrize("path", ["/", "/v1/models", "/healthz/", "//healthz", "/v2", "/healthz/x"])
def test_every_method_and_path_is_closed_without_a_key(method: str, path: str) -> None:
    site = Site()
    assert asyncio.run(site.ask(method=method, path=path)) == 401
    assert (site.passed, site.headers[b"www-authenticate"]) == ([], b"Bearer")


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_no_hostile_key_opens(header: str, hostile: str) -> None:
    site = Site()
    value = f"Bearer {hostile}" if header == "authorization" else hostile
    assert asyncio.run(site.ask((header, value))) == 401
    assert site.sent[1]["body"] == b"/v1/models invalid_api_key"


def test_the_health_check_and_the_servers_own_life_pass() -> None:
    site = Site()
    asyncio.run(site.ask(path="/healthz"))
    asyncio.run(site.ask(type="lifespan"))
    assert site.passed == ["http", "lifespan"]


@pytest.mark.parametrize("headers", [(), (bearer(TEXT),)])
def test_a_websocket_is_closed(headers) -> None:
    site = Site()
    asyncio.run(site.ask(*headers, type="websocket"))
    assert (site.passed, site.sent) == ([], [{"type": "websocket.close", "code": 1008}])


@pytest.mark.parametrize("more", [[(f"x-{n}", "") for n in range(100)], [("x-long", "a" * 32_768)]])
@pytest.mark.parametrize("path", ["/v1/models", "/healthz"])
def test_too_many_or_too_long_headers_are_refused(more, path: str) -> None:
    site = Site()
    assert asyncio.run(site.ask(bearer(TEXT), *more, path=path)) == 431
    assert site.sent[1]["body"] == f"{path} headers_too_large".encode()


def test_what_is_over_a_rate_is_refused_with_the_time_to_retry() -> None:
    site = Site(keys=(replace(TEAM, requests_per_minute=2), replace(REST, requests_per_minute=2)))

    async def scenario() -> list[int]:
        return [await site.ask(bearer(TEXT)) for _ in range(3)]

    assert asyncio.run(scenario()) == [200, 200, 429]
    assert (site.headers[b"retry-after"], site.passed) == (b"60", ["team", "team"])
    assert site.sent[1]["body"] == b"/v1/models rate_limit_exceeded"
    assert asyncio.run(site.ask(bearer(OTHER_TEXT))) == 200


def test_a_request_counts_as_under_way_until_its_body_has_ended() -> None:
    site = Site(keys=(replace(TEAM, concurrent=1), REST))

    async def scenario() -> list[int]:
        ending = asyncio.Event()
        site.body = ending.wait
        first = asyncio.create_task(site.ask(bearer(TEXT)))
        await asyncio.sleep(0)
        second = await site.ask(bearer(TEXT))
        ending.set()
        await first
        return [second, await site.ask(bearer(TEXT)), await site.ask(bearer(OTHER_TEXT))]

    assert asyncio.run(scenario()) == [429, 200, 200]


def test_a_caller_who_leaves_and_a_bug_make_room_for_the_next() -> None:
    site = Site(keys=(replace(TEAM, concurrent=1),))

    async def bug() -> None:
        raise ValueError("scripted")

    async def scenario() -> int:
        site.body = asyncio.Event().wait
        leaving = asyncio.create_task(site.ask(bearer(TEXT)))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        site.body = bug
        with pytest.raises(ValueError, match="scripted"):
            await site.ask(bearer(TEXT))
        site.body = None
        return await site.ask(bearer(TEXT))

    assert asyncio.run(scenario()) == 200
