"""`tercet ask`: a question to a gateway, its answer as it comes, and its receipt."""

import asyncio
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fakes.gateway import KEYS, OPUS, Books, Says, failing, gateway, spent

from router.terminal.ask.asking import Manner, Site, ask, http_of
from router.terminal.ask.command import _url
from router.terminal.ask.question import key_of, question_of
from tercet.errors import ConfigError, TercetError

SITE = Site(url="http://gateway", whose_key="TERCET_API_KEY")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def clock() -> Iterator[float]:
    yield 1.0
    yield 3.5


def manner(**changes) -> Manner:
    ticks = clock()
    return Manner(
        **{"out": io.StringIO(), "screen": io.StringIO(), "clock": lambda: next(ticks)} | changes
    )


def asked(call=None, how: Manner | None = None, books=None, key="default", **question) -> Manner:
    """Ask a gateway with a scripted stage; return what was written."""
    how = how or manner()
    body = {"model": OPUS, "messages": [{"role": "user", "content": "x"}], "stream": True}

    async def whole() -> None:
        async with gateway(call or Says(), books=books) as site:
            if books is not None:
                await site.watch.look()
            site.http.headers["authorization"] = f"Bearer {KEYS.get(key, key)}"
            await ask(body | question, SITE, site.http, how)

    asyncio.run(whole())
    return how


def said(text: str) -> str:
    choice = {"delta": {"content": text}, "finish_reason": None}
    return f"data: {json.dumps({'choices': [choice]})}"


ENDED = "data: " + json.dumps(
    {
        "choices": [{"delta": {}, "finish_reason": "length"}],
        "tercet": {
            "request_id": "req_1",
            "route": "tier1",
            "models": ["a", "b"],
            "degraded": ["lead:timeout"],
            "cost_usd": "1.500000000",
            "simulated": True,
        },
    }
)


def answered(response: httpx2.Response | Exception, how: Manner | None = None) -> Manner:
    """Ask what answers in one way, whatever is asked."""
    how = how or manner()

    def respond(_: httpx2.Request) -> httpx2.Response:
        if isinstance(response, Exception):
            raise response
        return response

    async def whole() -> None:
        transport = httpx2.MockTransport(respond)
        async with httpx2.AsyncClient(transport=transport, base_url=SITE.url) as http:
            await ask({}, SITE, http, how)

    asyncio.run(whole())
    return how


def streamed(*lines: str, how: Manner | None = None) -> Manner:
    return answered(httpx2.Response(200, text="\n\n".join([*lines, ""])), how)


def test_the_answer_goes_to_standard_output_and_its_receipt_to_the_other() -> None:
    how = asked()
    assert how.out.getvalue() == "It is 391.\n"
    line = how.screen.getvalue().splitlines()[-1]
    assert line.startswith(f"tercet: {OPUS}, by {OPUS}; 0.000001000 USD; 2.5 s; req_")


def test_what_is_done_meanwhile_is_told_on_the_screen() -> None:
    how = streamed(": a is deciding", said("yes"), ENDED)
    assert how.out.getvalue() == "yes\n"
    assert how.screen.getvalue() == (
        "tercet: a is deciding\n"
        "tercet: tier1, by a and b; missing: lead:timeout; 1.500000000 USD; 2.5 s; req_1; "
        "simulated; ended by length\n"
    )


def test_programs_get_one_document_and_a_silent_screen() -> None:
    how = asked(how=manner(as_json=True))
    told = json.loads(how.out.getvalue())
    assert told.pop("request_id").startswith("req_")
    assert told == {
        "answer": "It is 391.",
        "route": OPUS,
        "models": [OPUS],
        "degraded": [],
        "cost_nano_usd": 1_000,
        "simulated": False,
        "finish": "stop",
        "seconds": 2.5,
    }
    assert how.screen.getvalue() == ""


def test_an_answer_that_is_wanted_whole_is_not_begun_before_it_has_ended() -> None:
    broken = (said("yes"), 'data: {"error": {"message": "both failed"}}')
    for whole, before in ((True, ""), (False, "yes\n")):
        how = manner(whole=whole)
        with pytest.raises(TercetError, match="the answer broke off: both failed"):
            streamed(*broken, how=how)
        assert how.out.getvalue() == before
    assert asked(how=manner(whole=True)).out.getvalue() == "It is 391.\n"


def test_a_model_cannot_steer_the_terminal_it_is_read_on() -> None:
    says = Says(words=("\x1b]0;title\x07", "red\x1b[31m", "\n\tdone"))
    assert asked(says, manner(out=Terminal())).out.getvalue() == "]0;titlered[31m\n\tdone\n"
    assert "\x1b" in asked(says).out.getvalue()  # a file gets what was said


def test_notes_on_a_terminal_make_way_for_the_answer() -> None:
    how = streamed(": a is deciding", said("yes"), ENDED, how=manner(screen=Terminal()))
    drawn, _, receipt = how.screen.getvalue().partition("tercet: ")
    assert drawn.endswith("\x1b[2K")  # the line is empty again
    assert receipt.startswith("tier1, by a and b;")


@pytest.mark.parametrize(
    ("call", "question", "said"),
    [
        (failing("rate_limited", retry_after_s=7.0), {}, "retry later"),
        (Says(), {"model": "no-such"}, "GET /v1/models lists those that do"),
        (failing("refused"), {}, "change messages"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(call, question, said: str) -> None:
    how = manner()
    with pytest.raises(TercetError, match=said):
        asked(call, how, **question)
    assert how.out.getvalue() == ""


def test_a_key_that_is_not_known_is_named_by_where_it_is_from() -> None:
    with pytest.raises(TercetError, match=r"does not know the key of TERCET_API_KEY; set .*`make"):
        asked(key="wrong")


def test_a_spent_budget_says_when_it_begins_anew() -> None:
    with pytest.raises(TercetError, match="it begins anew at 2026-12-01T00:00:00Z"):
        asked(books=Books(spent=spent(180)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx2.Response(502, text="<html>"), "502, and not as a gateway does"),
        (httpx2.Response(200, text=": working\n\n"), "broke off without a reason"),
        (httpx2.ConnectError("refused"), r"no gateway answers at http://gateway; `make run`"),
        (httpx2.ReadError("reset"), "went away before the answer ended"),
        (
            httpx2.Response(429, json={"error": {"message": "Slow"}}, headers={"retry-after": "9"}),
            "Slow; ask again in 9 s",
        ),
    ],
)
def test_what_is_no_gateway_or_none_any_more_is_told_so(answer, said: str) -> None:
    with pytest.raises(TercetError, match=said):
        answered(answer)


def test_who_stops_ends_the_request_and_no_further_call_is_made() -> None:
    async def whole() -> None:
        says = Says(gate=asyncio.Event())
        async with gateway(says) as site:
            site.http.headers["authorization"] = f"Bearer {KEYS['default']}"
            body = {"model": OPUS, "messages": [{"role": "user", "content": "x"}], "stream": True}
            job = asyncio.create_task(ask(body, SITE, site.http, manner()))
            await says.asked.wait()
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            says.gate.set()
            await site.idle()
            assert [row.outcome for row in site.books.closed] == ["abandoned"]

    asyncio.run(whole())


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://a:b", "http://[::1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(TercetError, match=r"is no address; write it as http://127\.0\.0\.1:8000"):
        http_of(Site(url=url, whose_key=""), "k")


def test_the_path_of_other_clients_is_taken_off_the_address() -> None:
    assert str(http_of(Site(url="http://g:1/v1/", whose_key=""), "k").base_url) == "http://g:1"


def test_the_address_is_named_or_this_machines() -> None:
    assert _url({}) == "http://127.0.0.1:8000"
    assert _url({"PORT": "9000"}) == "http://127.0.0.1:9000"
    assert _url({"PORT": "9000", "TERCET_URL": "http://there"}) == "http://there"


def test_files_stand_before_the_question(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print(1)\n")
    files = [tmp_path / "a.py", Path("-")]
    body = question_of("Why?", files, io.StringIO("diff"), model="auto", strict=True)
    assert body == {
        "model": "auto",
        "messages": [
            {
                "role": "user",
                "content": f'<file path="{tmp_path}/a.py">\nprint(1)\n\n</file>\n\n'
                '<file path="-">\ndiff\n</file>\n\nWhy?',
            }
        ],
        "stream": True,
        "metadata": {"strict": "true"},
    }


@pytest.mark.parametrize("text", [None, "-"])
def test_without_a_text_the_question_is_standard_input(text: str | None) -> None:
    body = question_of(text, [], io.StringIO("Hello?\n"), model="tier1", strict=False)
    assert body["messages"] == [{"role": "user", "content": "Hello?"}]
    assert "metadata" not in body


@pytest.mark.parametrize(
    ("text", "files", "stdin", "said"),
    [
        (None, [], Terminal(), "nothing is asked; write the question"),
        (" ", [], io.StringIO(), "nothing is asked"),
        ("x", ["no"], io.StringIO(), "cannot be read: No such file or directory; name another"),
        ("x", ["bin"], io.StringIO(), r"is no text \(UTF-8\)"),
    ],
)
def test_what_cannot_be_asked_is_told(tmp_path: Path, text, files, stdin, said: str) -> None:
    (tmp_path / "bin").write_bytes(b"\xff")
    paths = [tmp_path / name for name in files]
    with pytest.raises(ConfigError, match=said):
        question_of(text, paths, stdin, model="auto", strict=False)


def test_the_key_is_the_environments_or_the_one_that_make_run_kept(tmp_path: Path) -> None:
    file = tmp_path / "api_key"
    with pytest.raises(ConfigError, match="set TERCET_API_KEY to the one that `make run` prints"):
        key_of(None, file)
    file.write_text("kept\n")
    assert key_of(None, file) == ("kept", str(file))
    assert key_of("given", file) == ("given", "TERCET_API_KEY")
