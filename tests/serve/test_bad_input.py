"""Bad input is a 4xx in OpenAI's envelope, and writes nothing."""

import sqlite3

import pytest

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello"}]


def rows(system) -> tuple[int, int]:
    connection = sqlite3.connect(system.ledger)
    try:
        return (
            connection.execute("SELECT count(*) FROM attempts").fetchone()[0],
            connection.execute("SELECT count(*) FROM tasks").fetchone()[0],
        )
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'{"model": "auto", "messages": NaN}', 400, None),
        (b'{"model": "auto", "messages": [{"role": "user", "content": "\\ud800"}]}', 400, None),
        (b"\xff\xfe", 400, None),
        (b"[" * 100_000, 400, None),
        (b'{"messages": [{"role": "user", "content": "hi"}]}', 400, "model"),
        (b'{"model": 5, "messages": [{"role": "user", "content": "hi"}]}', 400, "model"),
        (b'{"model": "no-such", "messages": [{"role": "user", "content": "hi"}]}', 404, "model"),
        (b'{"model": "auto"}', 400, "messages"),
        (b'{"model": "auto", "messages": []}', 400, "messages"),
        (b'{"model": "auto", "messages": "hi"}', 400, "messages"),
        (b'{"model": "auto", "messages": [{"role": "user", "content": " "}]}', 400, "messages"),
        (
            b'{"model": "auto", "messages": [{"role": "x", "content": "y"}]}',
            400,
            "messages[0].role",
        ),
    ],
)
def test_a_bad_body_is_refused_with_the_field_it_is_about(system, body, status, param) -> None:
    before = rows(system)
    with system.http() as http:
        reply = http.post(CHAT, content=body, headers={"content-type": "application/json"})

    error = reply.json()["error"]
    assert reply.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"] or "").startswith(param or "")
    assert rows(system) == before


def test_a_body_over_the_limit_is_refused_and_its_sender_can_read_why(system) -> None:
    before = rows(system)
    big = {"model": "auto", "messages": [{"role": "user", "content": "x" * 9_000_000}]}
    with system.http() as http:
        reply = http.post(CHAT, json=big)

    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "request_too_large"
    assert rows(system) == before


def test_a_chunked_body_over_the_limit_is_counted_as_it_comes(system) -> None:
    def endless():
        for _ in range(1000):
            yield b"x" * 10_000

    with system.http() as http:
        reply = http.post(CHAT, content=endless())

    assert reply.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", CHAT, 405),
        ("PUT", CHAT, 405),
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/models/none", 404),
        ("GET", "/v1/requests/%00", 404),
    ],
)
def test_a_wrong_path_or_method_is_told_in_the_envelope(system, method, path, status) -> None:
    with system.http() as http:
        reply = http.request(method, path)

    assert reply.status_code == status
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-request-timeout-seconds": b"\xff"},
        {"x-request-timeout-seconds": "0.001"},
        {"x-request-disconnect-disabled": "?1"},
        {"x-session-id": b"\xff"},
        {"x-request-id": b"\xff"},
        {"x-request-id": "a" * 3000},
    ],
)
def test_headers_that_steer_serve_have_no_effect(system, headers) -> None:
    with system.http() as http:
        reply = http.post(CHAT, json={"model": "auto", "messages": HELLO}, headers=headers)

    assert reply.status_code == 200


def test_a_key_that_is_not_ascii_is_refused_like_any_other(system) -> None:
    with system.http() as http:
        reply = http.get("/v1/models", headers={"authorization": b"Bearer \xff\xfe"})

    assert reply.status_code == 401
