import asyncio

import pytest

from deployments.local_proxy import LocalProxy, impatient
from tercet.call import Call, Failure, Prompt
from tercet.config import load, settings
from tercet.task import turn

OFF = load(chosen=settings({}))
ON = load(chosen=settings({"TERCET_LOCAL": "gpu"}))


def test_a_model_that_an_api_stands_in_for_is_asked_once_and_for_a_short_while() -> None:
    rules = impatient(ON).rules
    assert rules.upstreams.attempts_per_call == 1
    assert rules.upstreams.concurrency == 8  # twice what the engine works on at once
    assert rules.upstreams.concurrency_wait_s < 1
    assert rules.limits.first_event_s == ON.rules.local.first_event_s == 30
    assert rules.limits.between_events_s == ON.rules.limits.between_events_s


def test_a_caller_who_leaves_stops_it_while_answers_of_apis_are_read_on() -> None:
    assert impatient(ON).rules.upstreams.on_disconnect == {"local": "cancel"}
    assert ON.rules.upstreams.on_disconnect == {"anthropic": "drain", "google": "drain"}


def test_without_a_local_model_nothing_is_changed() -> None:
    assert impatient(OFF) == OFF


def test_without_a_local_model_its_proxy_says_so_and_makes_no_call(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))
    asked = Call(
        task_id="req_1",
        key_id="default",
        tier="local",
        model="tiny-llama",
        role="single",
        round=1,
        prompt=Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=8),
        deadline_at=2e9,
    )

    async def main() -> list:
        proxy = LocalProxy(OFF)
        reports = [await proxy.report(), await proxy.wake()]
        items = [item async for item in proxy.call(asked)]
        await proxy.close()
        return [*reports, *items]

    report, woken, failure = asyncio.run(main())
    assert (report.readiness.kind, report.readiness.why) == ("away", "there is no local model")
    assert woken == report
    assert isinstance(failure, Failure)
    assert failure.kind == "unauthorised"
