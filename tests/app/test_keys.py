"""Several API keys over HTTP: who may pass, and what each sees."""

import pytest
from fakes.gateway import Says, run

PATHS = ("/readyz", "/v1/models", "/v1/models/auto", "/v1/requests/req_1", "/v1/budget", "/docs")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer key-of-team"},
        {"authorization": "bearer  key-of-team"},
        {"x-api-key": "key-of-team"},
        {"x-api-key": "key-of-default"},
    ],
)
def test_every_key_opens_in_either_header(headers) -> None:
    async def scenario(site):
        return (await site.http.get("/v1/models", headers=headers)).status_code

    assert run(scenario) == 200


@pytest.mark.parametrize("path", PATHS)
def test_no_path_but_the_health_check_opens_without_a_key(path) -> None:
    async def scenario(site):
        return await site.http.get(path), await site.http.get("/healthz")

    refused, healthy = run(scenario)

    assert (refused.status_code, healthy.status_code) == (401, 200)
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "x-tercet-budget" not in refused.headers


@pytest.mark.parametrize(
    "given", ["", "key-of-tea", "key-of-team ", "team", "' OR '1'='1", "caf\xe9", "k" * 10_000]
)
def test_every_wrong_key_is_told_the_same(given) -> None:
    async def scenario(site):
        headers = {"x-api-key": given.encode("latin-1")}
        reply = await site.http.get("/v1/models", headers=headers)
        return reply.status_code, reply.json()["error"]["code"]

    assert run(scenario) == (401, "invalid_api_key")


def test_what_is_asked_carries_the_id_of_the_key_and_never_the_key() -> None:
    async def scenario(site):
        await site.ask(key="team")
        return site.books.opened

    (row,) = run(scenario, call := Says())

    assert row.key_id == "team"
    assert [asked.key_id for asked in call.calls] == ["team"]
    assert "key-of-team" not in repr(row) + repr(call.calls)


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
