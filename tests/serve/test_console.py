"""The console beside the gateway, in a running system."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from fakes.running import KEY, wait_until

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]


@contextmanager
def signed_in(system) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=system.url, timeout=60) as browser:
        reply = browser.post("/console/login", data={"key": KEY}, headers={"origin": system.url})
        assert reply.status_code == 303, reply.text
        yield browser


def test_the_banner_leads_to_it_and_the_key_signs_in(system) -> None:
    found = re.search(r"console +(\S+) \(the key signs in\)", system.banner)
    assert found is not None
    assert found[1] == f"{system.url}/console"
    with httpx2.Client(timeout=60) as stranger:
        led = stranger.get(found[1])
    assert led.headers["location"] == "/console/login?next=%2Fconsole"
    with signed_in(system) as browser:
        page = browser.get("/console")
        assert page.status_code == 200
        assert "</html>" in page.text


def test_a_request_of_the_gateway_is_on_it_with_what_it_cost(system) -> None:
    with system.http() as http:
        body = {"model": "tier3", "messages": [{"role": "user", "content": "What is 6 * 7?"}]}
        task_id = http.post("/v1/chat/completions", json=body).headers["x-tercet-request-id"]
        paid = http.get(f"/v1/requests/{task_id}").json()["cost_nano_usd"]
    with signed_in(system) as browser:

        def shown() -> dict:
            return browser.get(f"/console/requests/{task_id}?format=json").json()["view"]

        assert wait_until(lambda: shown()["outcome"] == "answered")
        assert shown()["nano_usd"] == paid
        newest = browser.get("/console/requests?format=json").json()["view"]["rows"]
        assert task_id in [row["id"] for row in newest]

        def month() -> dict:
            return browser.get("/console?format=json").json()

        assert wait_until(lambda: month()["view"]["month"]["spent_nano_usd"] >= paid)
        told = month()
        days = told["view"]["days"]
        assert sum(day["nano_usd"] for day in days) == told["view"]["month"]["spent_nano_usd"]
        assert told["warnings"] == []


def test_the_gateway_keeps_its_own_paths(system) -> None:
    with system.http() as http:
        assert http.get("/healthz").json() == {"status": "ok"}
        assert http.get("/consoles").status_code == 404
        assert http.get("/console/healthz").json()["status"] == "ok"
        # A key of the gateway in a header opens nothing here.
        assert http.get("/console?format=json").status_code == 401
