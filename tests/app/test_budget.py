"""The budget over HTTP: a header on every answer, a document, and refusals that say until when."""

import pytest
from fakes.gateway import Books, Says, failing, run, spent

from tercet.ledger import Spending
from tercet.route import Refused

RESETS_AT = 1_796_083_200.0  # 2026-12-01 00:00 UTC
TO_THE_RESET = "658800"  # from 2026-11-23 09:00


def watched(scenario):
    """Let the budget be seen before the scenario begins."""

    async def after(site):
        await site.watch.look()
        return await scenario(site)

    return after


@pytest.mark.parametrize(
    ("month_usd", "header"),
    [
        (12.344, "step=1; spent=12.34; cap=180.00; resets=2026-12-01T00:00:00Z"),
        (145.0, "step=2; spent=145.00; cap=180.00; resets=2026-12-01T00:00:00Z"),
        (163.0, "step=3; spent=163.00; cap=180.00; resets=2026-12-01T00:00:00Z"),
        (171.0, "step=4; spent=171.00; cap=180.00; resets=2026-12-01T00:00:00Z"),
        (176.0, "step=5; spent=176.00; cap=180.00; resets=2026-12-01T00:00:00Z"),
        (180.0, "step=6; spent=180.00; cap=180.00; resets=2026-12-01T00:00:00Z"),
    ],
)
def test_every_answer_says_on_which_step_the_month_is(month_usd, header) -> None:
    async def scenario(site):
        replies = [
            await site.ask(),
            await site.ask(stream=True),
            await site.ask(model="no-such-model"),
            await site.get("/v1/models"),
            await site.get("/no-such-path"),
        ]
        return {reply.headers["x-tercet-budget"] for reply in replies}

    assert run(watched(scenario), books=Books(spent=spent(month_usd))) == {header}


def test_a_forecast_is_told_as_a_range() -> None:
    hours = {498_729 - back: 1_000_000_000 for back in range(1, 200)}
    known = Spending(month="2026-11", balances=spent(10).balances, hours=hours)

    async def scenario(site):
        return (await site.get("/v1/models")).headers["x-tercet-budget"]

    parts = run(watched(scenario), books=Books(spent=known)).split("; ")

    assert [part.split("=")[0] for part in parts] == ["step", "spent", "cap", "forecast", "resets"]
    low, high = parts[3].removeprefix("forecast=").split("..")
    assert 10 < float(low) <= float(high)


def test_the_budget_can_be_read_by_each_key_for_itself() -> None:
    async def scenario(site):
        return [(await site.get("/v1/budget", key)).json() for key in ("team", "default")]

    team, default = run(watched(scenario), books=Books(spent=spent(12.34, key_usd=3.5)))

    assert team == {
        "object": "tercet.budget",
        "month": "2026-11",
        "resets_at": "2026-12-01T00:00:00Z",
        "step": 1,
        "why": "6.9% of the month's cap is spent",
        "cost_weight": 1.0,
        "forecast": None,
        "scopes": {
            "month": {
                "spent_usd": "12.340000000",
                "held_usd": "2.000000000",
                "cap_usd": "180.000000000",
            },
            "key:team": {
                "spent_usd": "3.500000000",
                "held_usd": "1.000000000",
                "cap_usd": "20.000000000",
            },
        },
    }
    assert default["scopes"]["key:default"] == {
        "spent_usd": "0.000000000",
        "held_usd": "0.000000000",
        "cap_usd": None,
    }
    assert "key:team" not in default["scopes"]


def test_a_budget_never_read_is_not_made_up_and_holds_nobody_up() -> None:
    async def scenario(site):
        return await site.ask(), await site.get("/v1/budget")

    answered, unknown = run(scenario)

    assert answered.status_code == 200
    assert "x-tercet-budget" not in answered.headers
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "ledger_unavailable")


def test_a_policy_that_refuses_says_why_and_until_when() -> None:
    def closed(*_):
        return Refused(reason="the month's budget is spent", resets_at=RESETS_AT)

    async def scenario(site):
        return await site.ask()

    reply = run(scenario, call := Says(), policy=closed)

    assert (reply.status_code, call.calls) == (429, [])
    assert reply.content == (
        b'{"error":{"message":"the month\'s budget is spent","type":"rate_limit_error",'
        b'"param":null,"code":"insufficient_quota","reset_at":"2026-12-01T00:00:00Z"}}'
    )
    assert reply.headers["x-should-retry"] == "false"
    assert reply.headers["retry-after"] == TO_THE_RESET


def test_the_policy_is_shown_the_budget() -> None:
    shown = []

    def watching(_task, _profile, choices):
        shown.append(choices.outlook.spent_nano_usd)
        return Refused(reason="no", resets_at=RESETS_AT)

    async def scenario(site):
        await site.ask()
        site.books.spent = spent(20)
        await site.watch.look()
        await site.ask()

    run(watched(scenario), books=Books(spent=spent(12)), policy=watching)

    assert shown == [12_000_000_000, 20_000_000_000]


@pytest.mark.parametrize("stream", [False, True])
def test_a_scope_that_is_spent_is_told_with_the_reset(stream) -> None:
    call = failing("over_budget", message="the budget of key:team is spent")

    async def scenario(site):
        return await site.ask(key="team", stream=stream)

    reply = run(scenario, call)

    assert reply.status_code == 429
    assert reply.json() == {
        "error": {
            "message": "The budget is spent. "
            "claude-opus-5-5 (over_budget): the budget of key:team is spent",
            "type": "rate_limit_error",
            "param": None,
            "code": "insufficient_quota",
            "reset_at": "2026-12-01T00:00:00Z",
        }
    }
    assert reply.headers["x-should-retry"] == "false"
    assert reply.headers["retry-after"] == TO_THE_RESET


def test_a_scope_that_is_only_held_is_worth_asking_again_soon() -> None:
    call = failing(
        "over_budget", message="the month's budget is held by calls under way", retry_after_s=2.0
    )

    async def scenario(site):
        return await site.ask()

    reply = run(scenario, call)

    assert (reply.status_code, reply.headers["retry-after"]) == (429, "2")
    assert "x-should-retry" not in reply.headers
    assert reply.json()["error"]["code"] == "insufficient_quota"
    assert "reset_at" not in reply.json()["error"]


def test_a_ledger_that_cannot_be_written_is_a_503_worth_asking_again() -> None:
    async def scenario(site):
        return await site.ask()

    reply = run(scenario, failing("ledger", message="disk full"))

    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert "x-should-retry" not in reply.headers
    assert reply.json()["error"] == {
        "message": "The ledger cannot be reached, and nothing is paid for without a record; "
        "retry later. claude-opus-5-5 (ledger): disk full",
        "type": "server_error",
        "param": None,
        "code": "ledger_unavailable",
    }


def test_a_provider_that_failed_is_not_worth_asking_again() -> None:
    async def scenario(site):
        return await site.ask()

    reply = run(scenario, failing("overloaded"))

    assert (reply.status_code, reply.headers["x-should-retry"]) == (502, "false")
