"""The simulated upstreams as a process: how it begins and how it ends."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes.upstreams import upstreams

COMMAND = [sys.executable, "-m", "deployments.simulated"]


def opened_stream(port: int, text: str) -> http.client.HTTPConnection:
    """Open a stream and read its first line, so that it is being answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    asked = {"model": "claude-haiku-5-5", "max_tokens": 9_000, "stream": True}
    body = json.dumps(asked | {"messages": [{"role": "user", "content": text}]})
    headers = {"x-api-key": "x", "anthropic-version": "2023-06-01"}
    connection.request("POST", "/v1/messages", body, headers)
    with connection.getresponse() as response:
        response.readline()
    return connection


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 0)])
def test_a_signal_ends_it_and_open_streams_are_still_billed(
    tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    bill = tmp_path / "bill.jsonl"
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--bill", str(bill)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.split(":")[2].split(",")[0])
        assert line == f"simulated upstreams on http://127.0.0.1:{port}, billing log {bill}\n"
        streams = [
            opened_stream(port, "hi sim:words=500 sim:delay=60000"),
            opened_stream(port, "hi sim:pings=60000"),
        ]
        process.send_signal(sent)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (code, "", "")
        for stream in streams:
            stream.close()
    outcomes = sorted(json.loads(line)["outcome"] for line in bill.read_text().splitlines())
    assert outcomes == ["aborted", "failed:pings"]


@pytest.mark.timeout(30)
def test_a_killed_caller_is_billed_under_the_name_it_gave_its_post(tmp_path: Path) -> None:
    """Its socket is dead, so the line has to be on disk without anybody to answer to."""
    calling = (
        "import http.client, sys\n"
        "connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n"
        "connection.request('POST', '/v1/messages', sys.argv[2], {'x-api-key': 'x',"
        " 'anthropic-version': '2023-06-01', 'x-client-request-id': 'att_1'})\n"
        "response = connection.getresponse()\n"
        "while b'delta' not in response.readline(): pass\n"
        "print('heard', flush=True)\n"
        "response.read()\n"
    )
    asked = {"model": "claude-haiku-5-5", "max_tokens": 9_000, "stream": True}
    said = [{"role": "user", "content": "hi sim:words=500 sim:delay=60000"}]
    with upstreams(tmp_path) as upstream:
        port = upstream.url.rsplit(":", 1)[1]
        command = [sys.executable, "-c", calling, port, json.dumps(asked | {"messages": said})]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as caller:
            assert caller.stdout is not None
            assert caller.stdout.readline() == b"heard\n"
            caller.kill()
        line = upstream.next_line(0)
    assert (line["client_request_id"], line["outcome"]) == ("att_1", "aborted")
    assert line["cost_nano_usd"] == 8 * 100 + 3 * 500


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    starting = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([*{COMMAND!r}, '--bill', sys.argv[1], '--parent', str(os.getpid())])\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starting, str(tmp_path / "bill.jsonl")], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith(b"simulated upstreams on ")
        parent.kill()
        # The child holds the other end of the pipe: it ends with the child.
        assert parent.stdout.read() == b""


def test_it_does_not_start_for_a_parent_that_is_already_gone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    command = [*COMMAND, "--bill", str(tmp_path / "bill.jsonl"), "--parent", str(gone.pid)]
    assert subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def test_it_works_with_all_its_standard_streams_closed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [*COMMAND, "--port", str(port), "--bill", str(tmp_path / "bill.jsonl")]
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *arguments]
    with subprocess.Popen(closing) as process:
        give_up_at = time.monotonic() + 20
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", "/sim/scenario")
                status = connection.getresponse().status
                connection.close()
                break
            except OSError:
                assert time.monotonic() < give_up_at
                time.sleep(0.02)
        process.terminate()
    assert status == 200


def test_a_billing_log_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    command = [*COMMAND, "--bill", str(tmp_path / "no" / "bill.jsonl")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ran.returncode == 2
    assert "error: --bill: [Errno 2] No such file or directory" in ran.stderr
