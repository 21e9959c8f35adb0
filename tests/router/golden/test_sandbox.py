"""Hostile code in the sandbox: it ends, and what came of it is a value."""

import os
import time

import pytest

from router.golden.sandbox import Isolation, isolation, matches, run_code

pytestmark = pytest.mark.skipif(
    not isolation().is_whole, reason=f"this kernel does not shut it off: {isolation()}"
)


def outcome(code: str, *cases: str, wall_s: float = 10.0) -> object:
    ran = run_code(code, cases, wall_s)
    return ran.value if ran.how == "ended" else ran.how


def test_code_runs_and_each_expression_gives_or_raises() -> None:
    code = "def half(n):\n    return n / 2"
    assert outcome(code, "half(3)", "half('3')", "{1, 2}", "half") == [
        {"gives": 1.5},
        {"raises": "TypeError"},
        {"raises": "TypeError"},
        {"raises": "TypeError"},
    ]


def test_the_standard_library_threads_and_event_loops_are_there() -> None:
    code = (
        "import asyncio, datetime, decimal, random, re, sqlite3, threading, zoneinfo\n"
        "thread = threading.Thread(target=print)\nthread.start()\nthread.join()\n"
        "async def one():\n    return 1\n"
    )
    assert outcome(code, "asyncio.run(one())", "str(decimal.Decimal('1.0'))") == [
        {"gives": 1},
        {"gives": "1.0"},
    ]


def test_a_loop_without_end_is_ended() -> None:
    begun = time.monotonic()
    assert outcome("while True: pass", wall_s=0.5) == "timed_out"
    assert time.monotonic() - begun < 2


def test_sleeping_past_the_wall_clock_is_ended() -> None:
    assert outcome("import time\ntime.sleep(60)", wall_s=0.5) == "timed_out"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nwhile True: os.fork()",
        "import subprocess\nsubprocess.run(['/bin/true'], check=True)",
        "import os\nos.execv('/bin/true', ['true'])",
        "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        "import os\nos.kill(os.getppid(), 0)",
        "import os\nos.killpg(0, 9)",
    ],
    ids=["fork bomb", "subprocess", "exec", "multiprocessing", "signal to parent", "own group"],
)
def test_no_process_is_begun_or_ended(code: str) -> None:
    assert outcome(code, "1", wall_s=3) == "broke"


@pytest.mark.parametrize(
    "code",
    [
        "import socket\nsocket.socket()",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1')",
        "import socket\nsocket.socket(socket.AF_UNIX)",
    ],
)
def test_there_is_no_network(code: str) -> None:
    assert outcome(code, "1") == "broke"


def test_nothing_outside_is_read_or_written(tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    for path in (secret, "/etc/hostname", "/proc/self/environ", f"/proc/{os.getpid()}/environ"):
        assert outcome(f"open({str(path)!r}).read()", "1") == "broke", path
    assert outcome(f"open({str(tmp_path / 'new')!r}, 'w')", "1") == "broke"
    assert outcome(f"import os\nos.unlink({str(secret)!r})", "1") == "broke"
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_the_environment_is_empty() -> None:
    assert outcome("import os", "[n for n in os.environ if n != 'LC_CTYPE']") == [{"gives": []}]


def test_memory_is_limited() -> None:
    assert outcome("held = bytearray(2 * 1024 ** 3)", "1") == "broke"


def test_a_file_is_limited() -> None:
    assert outcome("open('big', 'w').write('x' * 10_000_000)", "1") == "broke"


def test_a_giant_result_is_no_result() -> None:
    assert outcome("", "'x' * 5_000_000") == "broke"


def test_output_goes_nowhere_and_input_is_at_its_end() -> None:
    code = "import sys\nprint('x' * 10_000_000)\nread = sys.stdin.read()"
    assert outcome(code, "read") == [{"gives": ""}]


@pytest.mark.parametrize("code", ["import os\nos._exit(0)", "raise SystemExit(0)", "1 / 0", "("])
def test_code_that_ends_early_has_no_result(code: str) -> None:
    assert outcome(code, "1") == "broke"


@pytest.mark.parametrize(
    "code",
    [
        "os.symlink('/etc/hostname', 'out.json')",
        "os.mkfifo('out.json')",
        "os.mkdir('out.json')",
        "open('out.json', 'w').write('[' * 100_000)",
    ],
)
def test_a_forged_result_that_is_no_json_file_is_no_result(code: str) -> None:
    assert outcome(f"import os\n{code}\nos._exit(0)", "1") == "broke"


def test_a_pattern_that_backtracks_for_ever_is_given_up() -> None:
    assert matches("(a+)+$", "a" * 50 + "b", wall_s=0.5) is None
    assert matches("^b.c$", "bac") is True
    assert matches("^b.c$", "abc") is False


def test_what_is_shut_off_is_said() -> None:
    assert str(isolation()) == "shut off: files, network, processes; open: nothing"
    leaky = Isolation(files=True, network=False, processes=True)
    assert (str(leaky), leaky.is_whole) == (
        "shut off: network; open: files, processes", False,
    )  # fmt: skip
