"""Several API keys over HTTP: who may pass, and what each sees."""

from dataclasses import replace

import pytest
from fakes.gateway import JUNIOR, KEYS, TEAM, Books, Says, run

PATHS = (
    "/readyz",
    "/openapi.json",
    "/v1/models",
    "/v1/models/auto",
    "/v1/requests/req_1",
    "/v1/feedback",
    "/v1/budget",
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/responses/resp_1",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/docs",
)
HOSTILE = (
    "",
    KEYS["team"][:-1],
    KEYS["team"] + "a",
    f"tct_teamteam_{'x' * 43}",
    "teamteam",
    "' OR '1'='1",
    "tct_teamteam_'; DROP TABLE keys; --",
    "caf\xe9",
    "k" * 10_000,
)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEYS['team']}"},
        {"authorization": f"bearer  {KEYS['team']}"},
        {"x-api-key": KEYS["team"]},
        {"x-api-key": KEYS["default"]},
        {"authorization": f"Bearer {KEYS['default']}", "x-api-key": "wrong"},
    ],
)
def test_every_key_opens_in_either_header(headers) -> None:
    async def scenario(site):
        return (await site.http.get("/v1/models", headers=headers)).status_code

    assert run(scenario) == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE"])
@pytest.mark.parametrize("path", PATHS)
def test_no_path_but_the_health_check_opens_without_a_key(path, method) -> None:
    async def scenario(site):
        return await site.http.request(method, path), await site.http.get("/healthz")

    refused, healthy = run(scenario)

    assert (refused.status_code, healthy.status_code) == (401, 200)
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "x-tercet-budget" not in refused.headers


@pytest.mark.parametrize("given", HOSTILE)
@pytest.mark.parametrize("path", PATHS)
def test_every_wrong_key_is_told_the_same_everywhere(path, given) -> None:
    async def scenario(site):
        headers = {"x-api-key": given.encode("latin-1")}
        return (await site.http.post(path, headers=headers, content=b"{")).status_code

    assert run(scenario) == 401


def test_a_wrong_key_is_told_in_openais_envelope() -> None:
    async def scenario(site):
        return await site.http.get("/v1/models", headers={"x-api-key": "wrong"})

    assert run(scenario).json()["error"]["code"] == "invalid_api_key"


def test_a_key_that_the_ledger_alone_knows_opens_at_once_and_one_that_was_revoked_does_not() -> (
    None
):
    async def scenario(site):
        told = [(await site.get("/v1/models", "team")).status_code]
        site.books.known = []
        await site.watch.look()
        return [*told, (await site.get("/v1/models", "team")).status_code]

    assert run(scenario) == [200, 401]


def test_while_the_ledger_is_away_a_key_that_was_never_read_is_asked_to_wait() -> None:
    async def scenario(site):
        site.books.down = True
        return await site.get("/v1/models", "team"), await site.get("/v1/models")

    unknown, default = run(scenario)

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert default.status_code == 200


def test_one_key_at_its_limit_is_refused_before_anything_is_read_and_others_are_served() -> None:
    books = Books(known=[replace(TEAM, requests_per_minute=1), JUNIOR])

    async def scenario(site):
        first, second = await site.ask(key="team"), await site.ask(key="team")
        return first, second, await site.ask(key="junior", model="tier3"), len(site.books.opened)

    first, second, other, opened = run(scenario, books=books)

    assert (first.status_code, second.status_code, other.status_code) == (200, 429, 200)
    assert second.json()["error"] == {
        "message": "the key team may make 1 request a minute; retry in 60 s",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert (second.headers["retry-after"], opened) == ("60", 2)


def test_what_is_asked_carries_the_id_of_the_key_and_never_the_key() -> None:
    async def scenario(site):
        await site.ask(key="team")
        return site.books.opened

    (row,) = run(scenario, call := Says())

    assert row.key_id == "team"
    assert [asked.key_id for asked in call.calls] == ["team"]
    assert KEYS["team"] not in repr(row) + repr(call.calls)


def test_a_key_is_refused_a_tier_it_may_not_use() -> None:
    async def scenario(site):
        return await site.ask(key="junior", model="tier1")

    reply = run(scenario, call := Says())

    assert (reply.status_code, call.calls) == (403, [])
    assert reply.json()["error"] == {
        "message": "the key junior may use tier3 alone, not tier1",
        "type": "permission_error",
        "param": None,
        "code": "model_not_allowed",
    }


def test_a_receipt_is_only_for_the_key_that_asked() -> None:
    async def scenario(site):
        task_id = (await site.ask(key="team")).headers["x-tercet-request-id"]
        path = f"/v1/requests/{task_id}"
        return (await site.get(path, "team")).status_code, await site.get(path, "default")

    mine, theirs = run(scenario)

    assert mine == 200
    assert theirs.status_code == 404
    assert theirs.json()["error"]["message"] == "there is no request of yours with this id"


def test_a_receipt_that_cannot_be_read_is_the_ledgers_fault() -> None:
    async def scenario(site):
        site.books.down = True
        return await site.get("/v1/requests/req_1")

    reply = run(scenario)

    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "ledger_unavailable")
