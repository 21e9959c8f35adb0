"""The local model from asleep to asleep, through the gateway: the real vLLM on a second Ray node.

The tests run in this order, and share what starts of the engine they can.
"""

import json
import os
import secrets
import signal
import sqlite3
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.local_site import IDLE_S, MODEL, READY_S, count_now, looks, unfinished
from fakes.running import descendants, events_of, wait_until

from tercet.config import PROJECT

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

ROUTINE = "Rename the variable `x` to `count` in this function:\ndef f(x):\n    return x + 1"
CHAT = "/v1/chat/completions"
ARGS = {"profile": "cpu", "idle_s": float(IDLE_S)}
"""What `make run` deploys the local model with."""


def is_alive(pid):
    """Say whether it runs; one that nobody has asked about yet is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def engine_processes(site):
    """Return the ids of the processes that vLLM made below the replica."""
    below = descendants(site.replicas()[0]["pid"]) - {site.replicas()[0]["pid"]}
    return [pid for pid in below if b"VLLM::" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextmanager
def stream(site, content="Tell me more.", model="local", **fields):
    """Open a stream over plain HTTP; who leaves before its end disconnects."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "stream": True,
        **fields,
    }
    with site.system.http() as http, http.stream("POST", CHAT, json=body) as reply:
        yield reply


# --- asleep, and without a machine -------------------------------------------------------------


def test_while_it_sleeps_a_routine_task_is_answered_by_tier_three_and_the_receipt_says_why(asleep):
    raw = asleep.ask(ROUTINE, "auto")

    assert raw.headers["x-tercet-route"] == "tier3"
    assert asleep.receipt(raw)["route"]["reason"] == (
        "tier3 because it is routine, but the local model is asleep (nobody has woken it)"
    )


def test_no_request_wakes_it_whatever_it_is_called(asleep):
    for model in ("auto", "local", MODEL):
        raw = asleep.ask(ROUTINE, model)
        assert "local" not in raw.headers["x-tercet-route"]
    assert (asleep.local()["readiness"], asleep.replicas()) == ("asleep", [])


def test_a_key_that_is_not_the_operators_may_not_wake_it(asleep):
    with asleep.system.http() as http:
        http.headers["authorization"] = "Bearer nobody"
        assert http.post("/v1/local/wake").status_code == 401
    assert asleep.local()["since"] is None


def test_a_start_waits_for_its_machine_and_is_answered_for_until_it_is_ready(asleep, request):
    """The first start: woken without a node, joined, loaded; watched by callers all along."""
    before_s = [answered(asleep)[0] for _ in range(5)]
    asleep.wake()
    assert wait_until(lambda: len(asleep.replicas()) == 1)
    assert wait_until(lambda: "its machine is not there yet" in asleep.local()["why"])
    assert asleep.local()["readiness"] == "asleep"
    woken_at = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(held_stream, asleep)
        request.getfixturevalue("vps_1")
        during: list[tuple[float, str]] = []
        seen = set()
        while (seen_now := asleep.local()["readiness"]) != "ready":
            seen.add(seen_now)
            during.append(answered(asleep))
            assert time.monotonic() - woken_at < READY_S
            time.sleep(0.5)
        load_s = time.monotonic() - woken_at
        comments, model = held.result()
    times_s = sorted(seconds for seconds, _ in during)
    print(
        f"load {load_s:.0f} s; {len(during)} requests meanwhile: p50 "
        f"{statistics.median(times_s):.2f} s, longest {times_s[-1]:.2f} s; asleep, without a start "
        f"beside them: p50 {statistics.median(before_s):.2f} s; {len(comments)} comments to the "
        "one held"
    )
    assert "warming" in seen
    # One that was decided just when the model became ready may have gone to it.
    assert {route for _, route in during[:-1]} == {"tier3"}
    assert times_s[-1] < load_s / 4  # nobody waited for the load
    assert statistics.median(times_s) < 3
    assert model == MODEL
    assert ": held: the local model loads" in comments
    assert ": working" in comments


def answered(site) -> tuple[float, str]:
    """Return how long a routine task took, and by which route it was answered."""
    began = time.monotonic()
    raw = site.ask(ROUTINE, "auto", max_tokens=20)
    return time.monotonic() - began, raw.headers["x-tercet-route"]


def held_stream(site) -> tuple[list[str], str]:
    """Return the comments that a caller who may wait was sent, and who answered."""
    with stream(site, metadata={"batch": "true"}, max_tokens=8) as reply:
        events = events_of(reply.iter_lines())
    comments = [event for event in events if isinstance(event, str) and event.startswith(":")]
    assert events[-1] == "[DONE]"
    return comments, next(event["model"] for event in events if isinstance(event, dict))


def test_the_start_is_remembered_with_its_phases(site):
    (start, *_) = site.local()["starts"]
    print(start)
    assert list(start["phases_s"]) == ["placed", "import", "weights", "engine", "first token"]
    assert start["total_s"] == pytest.approx(sum(start["phases_s"].values()), abs=0.3)
    assert start["phases_s"]["engine"] > 0


# --- ready --------------------------------------------------------------------------------------


def test_a_routine_task_is_answered_by_vllm_for_nothing(site):
    raw = site.ask(ROUTINE, "auto", max_tokens=20)
    receipt = site.receipt(raw)

    assert (raw.headers["x-tercet-route"], raw.headers["x-tercet-models"]) == ("local", MODEL)
    (attempt,) = receipt["attempts"]
    assert (attempt["provider"], attempt["state"], attempt["outcome"]) == (
        "local",
        "settled",
        "complete",
    )
    assert attempt["usage"]["fresh_input"] + attempt["usage"]["cache_read"] > 10
    assert attempt["usage"]["output"] == raw.parse().usage.completion_tokens > 0
    assert (receipt["cost_nano_usd"], attempt["price_source"]) == (
        0,
        "rented by the hour, not paid by the token",
    )
    assert receipt["route"]["instead"]["name"] == "tier3"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_it_answers_in_every_format(site, path):
    asked = {
        "/v1/messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8},
        "/v1/responses": {"input": "Hi", "max_output_tokens": 16},
    }[path]
    with site.system.http() as http:
        reply = http.post(path, json={"model": "local", **asked})
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-tercet-models"] == MODEL


def test_a_stream_comes_in_pieces_with_a_finish_and_the_usage_last(site):
    with stream(site, max_tokens=300, stream_options={"include_usage": True}) as reply:
        events = events_of(reply.iter_lines())
    assert events[-1] == "[DONE]"
    chunks = [event for event in events if isinstance(event, dict)]
    finishes = [c["finish_reason"] for chunk in chunks for c in chunk["choices"]]
    assert len(chunks) > 5
    assert {chunk["model"] for chunk in chunks} == {MODEL}
    assert [finish for finish in finishes if finish] in (["length"], ["stop"])
    assert 0 < chunks[-1]["usage"]["completion_tokens"] <= 300


def test_a_prompt_read_before_is_counted_as_cached(site):
    content = "the same words again " * 20
    site.ask(content, max_tokens=1)
    (attempt,) = site.receipt(site.ask(content, max_tokens=1))["attempts"]
    assert attempt["usage"]["cache_read"] > 0


def test_a_stop_sequence_ends_it_and_is_told(site):
    with site.system.http() as http:
        reply = http.post(
            "/v1/messages",
            json={
                "model": "local",
                "max_tokens": 2_000,
                "messages": [{"role": "user", "content": "Hi"}],
                "stop_sequences": ["e", "t", "a"],
            },
        ).json()
    assert reply["stop_reason"] == "stop_sequence"
    assert reply["stop_sequence"] in ("e", "t", "a")


def test_an_answer_keeps_to_a_json_schema(site):
    schema = {
        "type": "object",
        "properties": {"fits": {"type": "boolean"}, "kind": {"enum": ["bug", "question"]}},
        "required": ["fits", "kind"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "told", "schema": schema}}
    raw = site.ask("Which is it?", max_tokens=200, response_format=wanted)
    told = json.loads(raw.parse().choices[0].message.content)
    assert raw.headers["x-tercet-models"] == MODEL
    assert sorted(told) == ["fits", "kind"]


def test_a_prompt_the_engine_finds_too_long_is_answered_by_tier_three(site):
    raw = site.ask("x " * 4_500)  # about 2,250 tokens by the estimate, 4,500 by its own tokenizer
    receipt = site.receipt(raw)

    assert receipt["route"]["name"] == "local"
    assert "single:too_long" in raw.headers["x-tercet-degraded"]
    assert {a["provider"] for a in receipt["attempts"]} == {"local", "anthropic", "google"}


def test_a_prompt_that_is_clearly_too_long_never_reaches_it(site):
    receipt = site.receipt(site.ask("word " * 5_000))

    assert receipt["route"]["name"] == "tier3"
    assert "are too many for tiny-llama's window of 4096" in receipt["route"]["reason"]


def test_tools_it_cannot_call_go_to_tier_three(site):
    tool = {"type": "function", "function": {"name": "ls", "parameters": {"type": "object"}}}
    receipt = site.receipt(site.ask("Look around.", tools=[tool]))

    assert "tiny-llama calls no tools" in receipt["route"]["reason"]


def test_a_caller_who_leaves_frees_the_engine_within_a_second(site):
    with unfinished(site) as file:
        freed_s = [leave_and_wait(site, file) for _ in range(3)]
    print(f"freed after {freed_s}")
    assert min(freed_s) < 1  # the others as busy as the machine is


def leave_and_wait(site, file) -> float:
    """Return how long after its caller left the engine still worked on a request."""
    with stream(site, max_tokens=3_900, metadata={"batch": "true"}) as reply:
        lines = reply.iter_lines()
        while not next(lines).startswith("data: "):
            pass
        assert wait_until(lambda: count_now(file) == 1)
    left_at = time.time()
    assert wait_until(lambda: looks(file)[-1][0] > left_at and looks(file)[-1][1] == 0)
    return next(at for at, count in looks(file) if at > left_at and count == 0) - left_at


def test_eight_streams_at_once_are_all_answered_whole(site):
    def whole(number: int) -> int:
        with stream(
            site,
            f"number {number}",
            max_tokens=150,
            stream_options={"include_usage": True},
        ) as reply:
            events = events_of(reply.iter_lines())
        assert events[-1] == "[DONE]"
        assert {e["model"] for e in events if isinstance(e, dict)} == {MODEL}
        return [e for e in events if isinstance(e, dict)][-1]["usage"]["completion_tokens"]

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(whole, range(8)))
    print(f"{sum(tokens) / (time.monotonic() - began):.0f} tokens/s")
    assert min(tokens) > 0


def test_its_metrics_are_among_rays(site):
    wanted = {
        "vllm_num_requests_running",
        "vllm_kv_cache_usage_perc",
        "vllm_time_to_first_token_seconds",
        "vllm_generation_tokens",
        "vllm_prefix_cache_hits",
    }
    assert wait_until(lambda: wanted <= metric_names(site), 60), wanted - metric_names(site)


def metric_names(site) -> set[str]:
    """Return the names of vLLM's metrics, without suffixes, at every address Ray tells."""
    words, _ = site.raylet()
    session = next(w.split("=", 1)[1] for w in words if w.startswith("--session_dir="))
    told = json.loads((Path(session).parent / "prom_metrics_service_discovery.json").read_text())
    names: set[str] = set()
    for address in told[0]["targets"]:
        with site.system.http() as http:
            text = http.get(f"http://{address}/metrics").text
        families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
        names |= {one.removeprefix("ray_").removesuffix("_total") for one in families}
    return names


# --- broken -------------------------------------------------------------------------------------


def test_an_engine_that_dies_ends_its_stream_with_an_error_and_the_next_goes_to_the_api(site):
    with stream(site, max_tokens=3_900) as reply:
        lines = reply.iter_lines()
        while not next(lines).startswith("data: "):
            pass
        for pid in engine_processes(site):
            os.kill(pid, signal.SIGKILL)
        killed_at = time.monotonic()
        events = events_of(lines)
    assert "error" in events[-1]
    assert "[DONE]" not in events
    raw = site.ask(ROUTINE, "auto", max_tokens=20)
    print(
        f"answered by {raw.headers['x-tercet-models']} {time.monotonic() - killed_at:.1f} s later"
    )
    assert raw.headers["x-tercet-models"] != MODEL
    assert time.monotonic() - killed_at < 30
    # Serve starts it anew, because it was in use.
    assert wait_until(lambda: not site.is_ready())
    began = time.monotonic()
    assert wait_until(site.is_ready, READY_S), site.local()
    print(f"ready again after {time.monotonic() - began:.1f} s")


def test_the_application_goes_and_comes_back_while_its_stream_runs_to_the_end(site, traced):
    """What a rollout does; the gateway answers all along."""
    ended = threading.Event()

    def whole() -> list:
        with stream(site, max_tokens=3_000, stream_options={"include_usage": True}) as reply:
            events = events_of(reply.iter_lines())
        ended.set()
        return events

    site.deploy(local=ARGS)  # as it is, with time to drain
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(whole)
        assert wait_until(lambda: open_attempts(site) > 0)
        site.deploy(local=None)
        raw = site.ask(ROUTINE, "auto", max_tokens=20)
        was_running = not ended.is_set()
        events = running.result()
    print(f"the stream was {'still' if was_running else 'no longer'} running")
    assert events[-1] == "[DONE]"
    assert "error" not in events[-2]
    assert raw.headers["x-tercet-route"] in ("tier3", "local")
    assert wait_until(lambda: site.local()["readiness"] == "away", 60)
    assert site.local()["why"] == "its application is not deployed"
    assert site.ask(ROUTINE, "auto").headers["x-tercet-route"] == "tier3"
    site.deploy(local=ARGS | {"config": str(traced.config)})
    assert wait_until(lambda: site.local()["readiness"] == "asleep", 120), site.local()


def test_the_engines_spans_belong_to_the_callers_trace(site, traced):
    trace = secrets.token_hex(16)
    with site.system.http() as http:
        http.headers["traceparent"] = f"00-{trace}-{secrets.token_hex(8)}-01"
        messages = [{"role": "user", "content": "Hi"}]
        reply = http.post(CHAT, json={"model": "local", "messages": messages, "max_tokens": 4})
    assert reply.headers["x-tercet-models"] == MODEL
    assert wait_until(lambda: bytes.fromhex(trace) in traced.spans(), 60)
    assert b"gen_ai.usage.completion_tokens" in traced.spans()


def open_attempts(site) -> int:
    connection = sqlite3.connect(site.system.ledger)
    try:
        query = "SELECT count(*) FROM attempts WHERE state = 'reserved' AND provider = 'local'"
        return connection.execute(query).fetchone()[0]
    finally:
        connection.close()


def test_without_requests_it_goes_back_to_sleep_and_leaves_no_process_behind(site):
    site.ask("Hi", max_tokens=1)
    processes = engine_processes(site)
    assert processes != []
    began = time.monotonic()
    assert wait_until(lambda: site.local()["readiness"] == "asleep", IDLE_S + 60), site.local()
    print(f"asleep after {time.monotonic() - began:.1f} s")
    assert site.replicas() == [] or wait_until(lambda: site.replicas() == [])
    assert wait_until(lambda: not any(map(is_alive, processes)))
    assert len(site.local()["starts"]) >= 3


def test_a_model_that_cannot_fit_its_card_is_refused_at_deployment_with_the_numbers(
    asleep, tmp_path
):
    text = (PROJECT / "config" / "local.yaml").read_text()
    (tmp_path / "local.yaml").write_text(
        text.replace("max_model_len: 16384", "max_model_len: 65536")
    )
    asleep.deploy(local={"profile": "gpu", "config": str(tmp_path)})

    def status() -> dict:
        return asleep.serve("GET").json()["applications"]["local"]

    assert wait_until(lambda: status()["status"] == "DEPLOY_FAILED", 120), status()
    assert "deepseek-coder-33b-instruct cannot run on RTX 3090" in status()["message"]
    assert "65536" in status()["message"]
    assert asleep.ask(ROUTINE, "auto").headers["x-tercet-route"] == "tier3"
    asleep.deploy(local=ARGS)
    assert wait_until(lambda: asleep.local()["readiness"] == "asleep", 120), asleep.local()


def test_a_machine_that_is_lost_is_noticed_by_the_first_call_that_fails(asleep, vps_1, request):
    """The last test: it takes VPS_1 away."""
    vps_1.awake()
    node = next(pid for pid in node_processes(vps_1))
    with stream(vps_1, max_tokens=3_900) as reply:
        lines = reply.iter_lines()
        while not next(lines).startswith("data: "):
            pass
        lost_at = time.monotonic()
        for pid in descendants(node) | {node}:
            os.kill(pid, signal.SIGKILL)
        events = events_of(lines)
    ended_s = time.monotonic() - lost_at
    assert "error" in events[-1]
    raw = vps_1.ask(ROUTINE, "auto", max_tokens=20)
    answered_s = time.monotonic() - lost_at
    print(f"stream ended after {ended_s:.1f} s, next answered by the API at {answered_s:.1f} s")
    assert raw.headers["x-tercet-models"] != MODEL
    assert answered_s < 30
    assert vps_1.local()["readiness"] != "ready"


def node_processes(site) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"join.py" in words and site.address.encode() in words:
            found.append(int(folder.name))
    return found
