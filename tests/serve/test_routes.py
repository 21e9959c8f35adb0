"""Every route of the plan, over HTTP, with the client people have."""

import pytest
from fakes.running import events_of, wait_until
from openai import APIStatusError, AuthenticationError, NotFoundError

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

DESIGN = "Design the architecture of a multi-tenant billing system: services, schema, trade-offs."
BUG = "Fix this bug: the function crashes with IndexError when the list is empty.\n" + (
    "```python\ndef first(items):\n    return items[0]\n```"
)
QUESTION = "What is 17 * 23?"
ROUTINE = "Rename the variable `x` to `count` in this function:\ndef f(x):\n    return x + 1"


def ask(system, content, model="auto", **options):
    return system.client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": content}], **options
    )


def receipt_of(system, raw) -> dict:
    return system.receipt(raw.headers["x-tercet-request-id"])


@pytest.mark.parametrize(
    ("content", "tier"),
    [(DESIGN, "tier1"), (BUG, "tier2"), (QUESTION, "tier3"), (ROUTINE, "tier3")],
)
def test_auto_takes_the_tier_the_plan_names(system, content, tier) -> None:
    raw = ask(system, content)
    receipt = receipt_of(system, raw)

    assert raw.headers["x-tercet-route"] == tier
    assert receipt["route"]["name"] == tier
    assert receipt["outcome"] == "answered"
    assert raw.parse().choices[0].message.content.startswith("[simulated] ")
    assert raw.headers["x-tercet-simulated"] == "true"


def test_a_routine_edit_says_that_there_is_no_local_model(system) -> None:
    receipt = receipt_of(system, ask(system, ROUTINE))

    assert receipt["profile"]["is_routine"] is True
    assert "there is no local model" in receipt["route"]["reason"]


def test_who_asks_for_a_local_model_that_is_off_is_told_that_tier_three_answers(system) -> None:
    raw = ask(system, QUESTION, "local")

    assert raw.headers["x-tercet-route"] == "tier3"
    assert raw.headers["x-tercet-degraded"] == "local:off"


@pytest.mark.parametrize(
    ("model", "attempts"),
    [
        ("tier1", [("memory", "gemini-4-argon"), ("brain", "claude-opus-5-5")]),
        ("tier2", [("junior", "gemini-4-argon"), ("lead", "claude-sonnet-5-5")]),
        ("claude-haiku-5-5", [("single", "claude-haiku-5-5")]),
        ("gemini-4-argon", [("single", "gemini-4-argon")]),
    ],
)
def test_a_named_route_seats_its_voices(system, model, attempts) -> None:
    receipt = receipt_of(system, ask(system, QUESTION, model))

    assert [(a["role"], a["model"]) for a in receipt["attempts"]] == attempts
    assert {a["state"] for a in receipt["attempts"]} == {"settled"}
    assert receipt["cost_nano_usd"] == sum(a["cost_nano_usd"] for a in receipt["attempts"]) > 0


def test_consensus_stops_when_both_agree(system) -> None:
    raw = ask(system, QUESTION, "tier3")
    receipt = receipt_of(system, raw)

    assert "391" in raw.parse().choices[0].message.content
    assert [a["round"] for a in receipt["attempts"]] == [1, 1]
    assert receipt["answer"]["settled_by"].startswith("agreement")


def test_members_that_keep_disagreeing_play_three_rounds_and_vote(system) -> None:
    receipt = receipt_of(system, ask(system, "What is 6 * 7? sim:disagree", "tier3"))

    assert sorted(a["round"] for a in receipt["attempts"]) == [1, 1, 2, 2, 3, 3]
    assert receipt["answer"]["settled_by"].startswith("vote after round 3")


def test_a_member_convinced_by_a_critique_ends_the_rounds(system) -> None:
    receipt = receipt_of(system, ask(system, "What is 6 * 7? sim:disagree-once", "tier3"))

    assert sorted(a["round"] for a in receipt["attempts"]) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("model", "failure", "degraded"),
    [
        ("tier1", "sim:overloaded@gemini", "memory:overloaded"),
        ("tier1", "sim:overloaded@claude", "brain:overloaded"),
        ("tier2", "sim:e500@gemini", "junior:unavailable"),
        ("tier2", "sim:rate@claude", "lead:rate_limited"),
        ("tier3", "sim:cut@gemini", "member:truncated"),
        ("tier3", "sim:eof@claude", "member:truncated"),
    ],
)
def test_one_voice_failing_degrades_the_answer_and_never_loses_it(
    system, model, failure, degraded
) -> None:
    raw = ask(system, f"What is 17 * 23? {failure}", model)

    assert raw.headers["x-tercet-degraded"] == degraded
    assert raw.parse().choices[0].message.content


def test_every_voice_failing_is_an_error_the_client_does_not_repeat(system) -> None:
    with pytest.raises(APIStatusError) as caught:
        ask(system, "hello sim:overloaded", "tier3")

    assert caught.value.status_code in (502, 503)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.response.headers["x-tercet-request-id"].startswith("req_")
    assert wait_until(lambda: both_members_answer(system), within_s=90)


def both_members_answer(system) -> bool:
    return "x-tercet-degraded" not in ask(system, QUESTION, "tier3").headers


@pytest.mark.parametrize("model", ["auto", "tier1", "tier2", "tier3", "local"])
def test_every_route_streams(system, model) -> None:
    stream = system.client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("[simulated] ")
    assert chunks[-1].usage.total_tokens > 0
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_progress_goes_out_as_comments_and_then_the_answering_seats_own_tokens(system) -> None:
    body = {
        "model": "tier2",
        "stream": True,
        "messages": [{"role": "user", "content": "Explain. sim:words=40 sim:delay=40"}],
    }
    with system.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as reply:
        events = events_of(reply.iter_lines())

    texts = [e for e in events if isinstance(e, dict) and e["choices"][0]["delta"].get("content")]
    assert events[0] == ": gemini-4-argon is preparing notes"
    assert len(texts) > 5
    assert events[-1] == "[DONE]"


def test_a_stream_that_breaks_after_its_first_content_ends_in_an_error_event(system) -> None:
    body = {
        "model": "claude-opus-5-5",
        "stream": True,
        "messages": [{"role": "user", "content": "hello sim:cut sim:words=60 sim:delay=30"}],
    }
    with system.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as reply:
        events = events_of(reply.iter_lines())

    assert reply.status_code == 200
    assert events[-1]["error"]["code"]
    assert "[DONE]" not in events


def test_hints_in_metadata_overrule_the_classifier(system) -> None:
    raw = ask(system, QUESTION, metadata={"is_critical": "true"})

    assert raw.headers["x-tercet-route"] == "tier1"


def test_strict_plays_every_round_of_the_plan(system) -> None:
    receipt = receipt_of(system, ask(system, QUESTION, "tier3", metadata={"strict": "true"}))

    assert sorted(a["round"] for a in receipt["attempts"]) == [1, 1, 2, 2, 3, 3]


def test_models_are_listed(system) -> None:
    names = {model.id for model in system.client.models.list()}

    assert names == {
        "auto", "tier1", "tier2", "tier3", "local", "claude-opus-5-5", "claude-sonnet-5-5",
        "claude-haiku-5-5", "gemini-4-argon", "gemini-3.8-flash",
    }  # fmt: skip
    assert system.client.models.retrieve("tier1").id == "tier1"


def test_a_wrong_key_is_refused_everywhere_but_on_healthz(system) -> None:
    with pytest.raises(AuthenticationError):
        system.client.with_options(api_key="wrong").models.list()
    with system.http() as http:
        for path in ("/readyz", "/v1/models", "/v1/requests/x", "/nowhere", "/docs"):
            assert http.get(path, headers={"authorization": "Bearer no"}).status_code == 401, path
        assert http.get("/healthz", headers={"authorization": ""}).json() == {"status": "ok"}
        assert http.get("/readyz").json() == {"status": "ready"}


def test_an_unknown_receipt_is_not_found(system) -> None:
    with pytest.raises(NotFoundError):
        system.client.get("/requests/req_unknown", cast_to=dict)
