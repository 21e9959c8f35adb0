"""The local model from asleep to asleep: the real vLLM, on a node with an environment of its own.

The tests run in this order, and share one start of the engine.
"""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from fakes.running import descendants, wait_until

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1200)]

START_S = 600
NO_REPLICA_S = 120


def asks(text="Hi", **more):
    return {"messages": [{"role": "user", "content": text}], "temperature": 0} | more


LONG_TOKENS = 4000
LONG = asks(max_tokens=LONG_TOKENS, ignore_eos=True)
"""Near the whole window, so that it is still under way when something happens to it."""


def text_of(chunks):
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def engine_processes(cluster):
    """Return the ids of the processes that vLLM made below the replica."""
    below = descendants(cluster.replicas()[0]["pid"])
    return [pid for pid in below if b"VLLM::" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_alive(pid):
    """Say whether it runs; one that nobody has asked about yet is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def is_answering(cluster):
    try:
        return "usage" in cluster.answer(asks(max_tokens=1))[-1]
    except (httpx2.HTTPError, IndexError):
        return False


def test_it_is_deployed_and_asleep_while_vps_1_does_not_exist(asleep):
    assert asleep.deployment()["status"] == "HEALTHY"
    assert asleep.replicas() == []


def test_a_call_waits_for_vps_1_and_is_answered_once_it_is_there(asleep, request):
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(asleep.answer, asks(max_tokens=8, ignore_eos=True))
        assert wait_until(lambda: len(asleep.replicas()) == 1)
        assert asleep.replicas()[0]["state"] == "STARTING"
        called_at = time.monotonic()
        request.getfixturevalue("vps_1")
        joined_at = time.monotonic()
        chunks = call.result()
    print(f"joined {joined_at - called_at:.1f} s, answered {time.monotonic() - joined_at:.1f} s")
    assert chunks[-1]["usage"]["completion_tokens"] == 8
    assert [replica["state"] for replica in asleep.replicas()] == ["RUNNING"]


def test_the_replica_tells_what_it_runs_and_how_long_each_phase_of_its_start_took(vps_1):
    told = vps_1.state()
    print(told)
    assert (told["name"], told["vllm"], told["unfinished"]) == ("tiny", "0.32.0", 0)
    assert told["import_s"] > 0
    assert told["engine_s"] > 0
    assert told["first_token_s"] > 0


def test_a_stream_comes_in_chunks_with_a_finish_and_the_usage_last(vps_1):
    began = time.monotonic()
    with vps_1.chat(asks(max_tokens=400, ignore_eos=True)) as replies:
        first = next(replies)
        first_s = time.monotonic() - began
        chunks = [first, *replies]
    print(f"first chunk {first_s * 1000:.0f} ms, all {(time.monotonic() - began) * 1000:.0f} ms")
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert [finish for finish in finishes if finish] == ["length"]
    assert len(chunks) > 20
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 400


def test_a_prompt_read_before_is_counted_as_cached(vps_1):
    request = asks("the same words again " * 20, max_tokens=1)
    vps_1.answer(request)
    usage = vps_1.answer(request)[-1]["usage"]
    assert 0 < usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]


def test_a_prompt_too_long_for_the_window_is_an_error_by_name(vps_1):
    (told,) = vps_1.answer(asks("x " * 5000))
    assert told["error"]["code"] == 400
    assert told["error"]["type"] == "BadRequestError"
    assert "maximum context length" in told["error"]["message"]


def test_a_field_that_could_exhaust_the_server_is_refused_by_name(vps_1):
    (told,) = vps_1.answer(asks(n=1000, chat_template="{{ 1 }}"))
    assert told["error"]["code"] == 400
    assert told["error"]["message"] == "not taken by the local model: chat_template, n"


def test_a_request_that_cannot_be_read_is_an_error_and_no_exception(vps_1):
    (told,) = vps_1.answer({"messages": "Hi"})
    assert told["error"]["code"] == 400


def test_a_caller_who_leaves_frees_the_engine_within_a_second(vps_1):
    freed_s = [leave_and_wait(vps_1) for _ in range(3)]
    print(freed_s)
    assert min(freed_s) < 1  # the others as busy as the machine is


def leave_and_wait(cluster):
    """Return how long after a caller left the engine worked on; else half a minute."""
    with cluster.chat(LONG) as replies:
        for _ in range(3):
            next(replies)
        assert cluster.state()["unfinished"] == 1
    left_at = time.monotonic()
    assert wait_until(lambda: cluster.state()["unfinished"] == 0, within_s=20)
    return time.monotonic() - left_at


def test_an_answer_keeps_to_a_json_schema(vps_1):
    schema = {
        "type": "object",
        "properties": {"fits": {"type": "boolean"}, "kind": {"enum": ["bug", "question"]}},
        "required": ["fits", "kind"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "told", "schema": schema}}
    chunks = vps_1.answer(asks(max_tokens=200, response_format=wanted))
    told = json.loads(text_of(chunks))
    assert sorted(told) == ["fits", "kind"]
    assert told["kind"] in ("bug", "question")


def test_eight_streams_at_once_are_all_answered_whole(vps_1):
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        requests = [asks(f"number {n}", max_tokens=200, ignore_eos=True) for n in range(8)]
        answers = list(pool.map(vps_1.answer, requests))
    tokens = [chunks[-1]["usage"]["completion_tokens"] for chunks in answers]
    print(f"{sum(tokens) / (time.monotonic() - began):.0f} tokens/s")
    assert tokens == [200] * 8


def test_an_engine_that_dies_ends_its_stream_with_an_error_and_is_started_anew(vps_1):
    with vps_1.chat(LONG) as replies:
        next(replies)
        for pid in engine_processes(vps_1):
            os.kill(pid, signal.SIGKILL)
        *_, last = replies
    assert last["error"]["code"] == 500
    began = time.monotonic()
    assert wait_until(lambda: is_answering(vps_1), START_S)
    print(f"answers again after {time.monotonic() - began:.1f} s")


def test_without_requests_it_goes_back_to_sleep_and_leaves_no_process_behind(vps_1):
    processes = engine_processes(vps_1)
    assert processes != []
    began = time.monotonic()
    assert wait_until(lambda: vps_1.replicas() == [], NO_REPLICA_S)
    print(f"asleep after {time.monotonic() - began:.1f} s")
    assert vps_1.deployment()["status"] == "HEALTHY"
    assert wait_until(lambda: not any(map(is_alive, processes)))


def test_it_wakes_again_and_lets_a_stream_end_before_it_goes(vps_1):
    began = time.monotonic()
    with vps_1.chat(LONG) as replies:
        first = next(replies)
        print(f"second start {time.monotonic() - began:.1f} s")
        vps_1.deploy(applications=[])
        chunks = [first, *replies]
    assert chunks[-1]["usage"]["completion_tokens"] == LONG_TOKENS
    assert wait_until(lambda: list(vps_1.serve()["applications"]) == ["probe"], within_s=60)
