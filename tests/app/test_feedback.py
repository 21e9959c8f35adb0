"""What callers say of their answers, over HTTP, to the labels in a real ledger."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fakes import taught
from fakes.gateway import CONFIG, KEYS, NOW, TEAM, Says, Site, failing, gateway, run
from fakes.learned import version
from fakes.taught import FLASH, HAIKU, QUALITY

from deployments.ledger import Ledger
from router.feedback import label_of
from router.learned import route_as_learned
from router.learning.cold import arms_of_catalog
from router.learning.document import to_bytes
from router.lesson_feed import LessonFeed
from router.lessons import conversation_of
from router.refit.steering import promote
from tercet.learning import Label
from tercet.ledger import RequestClosed, RequestOpened
from tercet.task import Task, turn

CAPITAL = "What is the capital of Australia?"


def with_ledger(path: Path, scenario: Callable[[Site], Awaitable[Any]], call=None) -> Any:
    """Run a scenario with a real ledger; return what it returns, and the labels then."""

    async def whole() -> Any:
        with closing(Ledger(path)) as ledger:
            await ledger.create_key(TEAM)
            async with gateway(call or Says(), ledger) as site:
                found = await scenario(site)
                return found, await ledger.labels(0)

    return asyncio.run(whole())


async def answered(site: Site, content: str = CAPITAL, key: str = "default", **fields: Any) -> str:
    """Ask, and return the request's id."""
    answer = await site.ask(content, key, model="auto", **fields)
    assert answer.status_code == 200
    return answer.headers["x-tercet-request-id"]


async def say(site: Site, key: str = "default", **body: Any) -> httpx2.Response:
    headers = {"authorization": f"Bearer {KEYS[key]}"}
    return await site.http.post("/v1/feedback", json=body, headers=headers)


def error(reply: httpx2.Response) -> tuple[int, str, str | None]:
    told = reply.json()["error"]
    return reply.status_code, told["code"], told["param"]


def test_a_score_is_kept_as_a_label_of_the_arm_that_answered(tmp_path: Path) -> None:
    async def scenario(site: Site):
        task_id = await answered(site)
        return task_id, await say(site, request_id=task_id, score=0.25)

    (task_id, reply), labels = with_ledger(tmp_path / "ledger.sqlite3", scenario)

    assert reply.status_code == 200
    assert reply.json() == {
        "object": "tercet.feedback", "request_id": task_id, "kind": "question", "quality": 0.25,
    }  # fmt: skip
    (label,) = labels
    asked = Task(
        id=task_id, key_id="default", model="auto", messages=(turn("user", CAPITAL),),
        deadline_at=0.0,
    )  # fmt: skip
    assert label == Label(
        task_id=task_id,
        group_id=conversation_of(asked),
        kind="question",
        kinds=label.kinds,
        is_declared=False,
        arm="tier3(claude-haiku-5-5)",
        quality=0.25,
        source="feedback",
        cost_nano_usd=0,
        size_tokens=label.size_tokens,
        sketch=None,
        policy_version=None,
        propensity=None,
        at=NOW,
        seconds=0.0,
    )
    assert label.size_tokens > 0
    assert sum(label.kinds.values()) == pytest.approx(1)


@pytest.mark.parametrize(("rating", "quality"), [("up", 1.0), ("down", 0.0)])
def test_a_rating_is_all_or_nothing(tmp_path: Path, rating: str, quality: float) -> None:
    async def scenario(site: Site):
        return await say(site, request_id=await answered(site), rating=rating)

    reply, labels = with_ledger(tmp_path / "ledger.sqlite3", scenario)

    assert reply.json()["quality"] == quality
    assert [label.quality for label in labels] == [quality]


def test_of_two_answers_the_preferred_one_is_good_and_the_other_is_not(tmp_path: Path) -> None:
    async def scenario(site: Site):
        good, bad = await answered(site), await answered(site, "Who wrote Faust?")
        return good, bad, await say(site, request_id=good, preferred_to=bad)

    (good, bad, reply), labels = with_ledger(tmp_path / "ledger.sqlite3", scenario)

    assert (reply.json()["request_id"], reply.json()["quality"]) == (good, 1.0)
    assert {label.task_id: label.quality for label in labels} == {good: 1.0, bad: 0.0}


def test_whoever_says_it_again_has_changed_their_mind(tmp_path: Path) -> None:
    async def scenario(site: Site) -> None:
        task_id = await answered(site)
        await say(site, request_id=task_id, rating="up")
        await say(site, request_id=task_id, score=0.5)

    _, labels = with_ledger(tmp_path / "ledger.sqlite3", scenario)

    assert [label.quality for label in labels] == [0.5]


def test_the_id_of_the_answer_itself_will_do(tmp_path: Path) -> None:
    async def scenario(site: Site):
        answer = await site.ask(CAPITAL, model="auto")
        own = answer.json()["id"]
        return own, answer.headers["x-tercet-request-id"], await say(site, request_id=own, score=1)

    (own, task_id, reply), _ = with_ledger(tmp_path / "ledger.sqlite3", scenario)

    assert own != task_id
    assert reply.json()["request_id"] == task_id


def test_a_streamed_answer_can_be_spoken_of_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    async def scenario(site: Site):
        return await say(site, request_id=await answered(site, stream=True), rating="up")

    reply, labels = with_ledger(tmp_path / "ledger.sqlite3", scenario)

    assert (reply.status_code, len(labels)) == (200, 1)


def test_only_the_key_that_asked_may_speak_of_an_answer(tmp_path: Path) -> None:
    async def scenario(site: Site):
        mine, theirs = await answered(site), await answered(site, key="team")
        return [
            await say(site, request_id=theirs, score=1),
            await say(site, request_id=mine, preferred_to=theirs),
            await say(site, request_id="req_0", score=1),
            await say(site, "team", request_id=theirs, score=1),
        ]

    replies, labels = with_ledger(tmp_path / "ledger.sqlite3", scenario)

    assert [error(reply) for reply in replies[:3]] == [
        (404, "not_found", "request_id"),
        (404, "not_found", "preferred_to"),
        (404, "not_found", "request_id"),
    ]
    assert replies[0].json()["error"]["message"] == (
        "request_id is no request of yours: x-tercet-request-id has it."
    )
    assert replies[3].status_code == 200
    assert [label.quality for label in labels] == [1.0]


def test_a_request_without_an_answer_is_neither_good_nor_bad(tmp_path: Path) -> None:
    async def scenario(site: Site):
        failed = (await site.ask(CAPITAL, model="auto")).headers["x-tercet-request-id"]
        return await say(site, request_id=failed, rating="down")

    reply, labels = with_ledger(tmp_path / "ledger.sqlite3", scenario, failing("unavailable"))

    assert error(reply) == (409, "not_answered", "request_id")
    assert reply.json()["error"]["message"] == (
        "request_id is a request without an answer: it failed or was given up."
    )
    assert labels == []


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"score": 1}, "missing_required_parameter", "request_id"),
        ({"request_id": 7, "score": 1}, "invalid_value", "request_id"),
        ({"request_id": "req_1"}, "invalid_value", "score"),
        (
            {"request_id": "req_1", "score": 1, "rating": "up"},
            "invalid_value",
            "score",
        ),
        ({"request_id": "req_1", "score": 1.5}, "invalid_value", "score"),
        ({"request_id": "req_1", "score": True}, "invalid_value", "score"),
        ({"request_id": "req_1", "score": "1"}, "invalid_value", "score"),
        ({"request_id": "req_1", "rating": "good"}, "invalid_value", "rating"),
        ({"request_id": "req_1", "preferred_to": "req_1"}, "invalid_value", "preferred_to"),
        ({"request_id": "req_1", "preferred_to": {}}, "invalid_value", "preferred_to"),
        ({"request_id": "req_1", "scores": 1}, "unknown_parameter", "scores"),
        ({"request_id": "req_1", "score": 1, "comment": "x"}, "unsupported_parameter", "comment"),
    ],
    ids=str,
)
def test_what_is_no_feedback_is_refused_by_its_field(
    body: dict[str, Any], code: str, param: str
) -> None:
    async def scenario(site: Site):
        return await say(site, **body)

    assert error(run(scenario)) == (400, code, param)


def test_a_comment_is_refused_with_the_reason() -> None:
    async def scenario(site: Site):
        return await say(site, request_id="req_1", score=1, comment="my password is x")

    reply = run(scenario)

    assert reply.json()["error"]["message"] == ("comment is not kept, as no text is; leave it out.")


def test_a_body_that_is_no_object_is_refused() -> None:
    async def scenario(site: Site):
        headers = {"authorization": f"Bearer {KEYS['default']}"}
        return await site.http.post("/v1/feedback", content=b"[1]", headers=headers)

    assert error(run(scenario)) == (400, "invalid_json", None)


def test_feedback_that_cannot_be_kept_is_the_ledgers_fault() -> None:
    async def scenario(site: Site):
        site.books.down = True
        return await say(site, request_id="req_1", score=1)

    assert error(run(scenario))[:2] == (503, "ledger_unavailable")


def test_the_label_of_an_arm_that_was_drawn_says_with_what_probability(tmp_path: Path) -> None:
    rules = replace(CONFIG.learning, exploration_floor=0.1)
    specs = arms_of_catalog(CONFIG.catalog, CONFIG.rules)

    async def scenario() -> list[Label]:
        with closing(Ledger(tmp_path / "ledger.sqlite3")) as ledger:
            document = to_bytes(taught.policy("v1", quality=QUALITY | {HAIKU: 0.99}))
            assert await ledger.put_policy(version("v1", document=document))
            await promote(ledger, "v1", None, "a test", taught.NOW)
            feed = LessonFeed(ledger, rules, CONFIG.taxonomy, specs, lambda: 1)
            async with gateway(Says(), ledger, route_as_learned, learning=feed) as site:
                await feed.look()
                await say(site, request_id=await answered(site), rating="up")
            return list(await ledger.labels(0))

    (label,) = asyncio.run(scenario())

    assert (label.arm, label.policy_version) == (HAIKU, "v1")
    assert label.propensity == pytest.approx(0.9333, abs=1e-3)


def test_where_the_local_model_came_to_nothing_the_label_is_of_who_answered(
    tmp_path: Path,
) -> None:
    instead = {"name": "gemini-3.8-flash", "seats": [{"model": "gemini-3.8-flash"}]}
    route = {"name": "local", "seats": [{"model": "qwen"}], "instead": instead}

    async def closed(ledger: Ledger, task_id: str, model: str) -> None:
        opened = RequestOpened(
            task_id=task_id, key_id="default", asked_model="auto", route=json.dumps(route),
            profile='{"kind": "lookup", "size_tokens": 12, "conversation": "c1"}', at=NOW,
        )  # fmt: skip
        ledger.open_request(opened)
        answer = json.dumps({"model": model})
        ledger.close_request(
            RequestClosed(task_id=task_id, outcome="answered", answer=answer, at=NOW + 1.5)
        )

    async def scenario(site: Site) -> None:
        for task_id, model in (("req_1", "qwen"), ("req_2", "gemini-3.8-flash")):
            await closed(site.books, task_id, model)
            await say(site, request_id=task_id, rating="up")

    _, labels = with_ledger(tmp_path / "ledger.sqlite3", scenario)

    assert [(label.task_id, label.arm, label.group_id, label.seconds) for label in labels] == [
        ("req_1", "local(qwen)", "c1", 1.5),
        ("req_2", "gemini-3.8-flash", "c1", 1.5),
    ]


@pytest.mark.parametrize(
    ("name", "seats", "spoke", "arm"),
    [
        (HAIKU, [HAIKU], [FLASH], f"{HAIKU}({FLASH})"),
        ("tier3", [HAIKU, FLASH], [FLASH], f"tier3({FLASH})"),
        ("tier3", [HAIKU, FLASH], [HAIKU, FLASH], f"tier3({HAIKU}+{FLASH})"),
    ],
    ids=["an alternate", "one of two", "both, and no escalation"],
)
def test_where_a_voice_was_missing_the_label_is_of_those_that_spoke(
    name: str, seats: list[str], spoke: list[str], arm: str
) -> None:
    route = {"name": name, "seats": [{"model": model} for model in seats], "degraded": []}
    answer = {"model": spoke[-1], "degraded": ["x:overloaded"]}
    task = {
        "task_id": "req_1", "opened_at_ns": 0, "closed_at_ns": 1,
        "profile": '{"kind": "lookup", "size_tokens": 12}',
        "route": json.dumps(route), "answer": json.dumps(answer),
    }  # fmt: skip
    attempts = [
        {"model": model, "outcome": outcome, "settled_nano_usd": 1}
        for model, outcome in [(HAIKU, "overloaded"), *((one, "complete") for one in spoke)]
    ]
    assert label_of(task, attempts, 1.0, NOW).arm == arm


def test_the_document_of_the_routes_has_it() -> None:
    async def scenario(site: Site):
        return (await site.get("/openapi.json")).json()["paths"]["/v1/feedback"]

    schema = run(scenario)["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert sorted(schema["properties"]) == ["preferred_to", "rating", "request_id", "score"]
    assert schema["additionalProperties"] is False
