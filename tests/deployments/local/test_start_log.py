import os
import sys

import pytest

from deployments.local.start_log import Output, output_from_now, phases_of

# As vLLM 0.32 prints them; the first as seen, the others from its source.
WEIGHTS = "INFO 11-28 16:31:02 [default_loader.py:502] Loading weights took 12.25 seconds\n"
GRAPHS = "INFO [gpu_model_runner.py:6582] Graph capturing finished in 5 secs, took 0.31 GiB\n"
INIT = (
    "INFO [core.py:393] init engine (profile, create kv cache, warmup model) took 30.10 s "
    "(compilation: 20.50 s)\n"
)


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "worker.out"
    file.write_text("Loading weights took 99.00 seconds\n")
    output = Output(file, file.stat().st_size)

    def said(*lines):
        with file.open("a") as told:
            told.writelines(lines)
        return output

    return said


def test_the_engines_start_is_split_into_what_its_log_tells(log) -> None:
    assert phases_of(log(WEIGHTS, GRAPHS, INIT), 60.0) == {
        "weights": 12.25,
        "compile": 20.5,
        "graphs": 5.0,
        "engine": 22.25,
    }


def test_what_it_does_not_tell_is_the_engines(log) -> None:
    assert phases_of(log(WEIGHTS), 60.0) == {"weights": 12.25, "engine": 47.75}


def test_what_was_said_before_this_start_does_not_count(log) -> None:
    assert phases_of(log(), 60.0) == {"engine": 60.0}


def test_no_phase_is_negative_when_the_log_counts_more_than_was_measured(log) -> None:
    assert phases_of(log(WEIGHTS), 10.0)["engine"] == 0.0


def test_without_a_log_it_is_one_phase() -> None:
    assert phases_of(None, 60.0) == {"engine": 60.0}


def test_the_output_of_this_process_is_read_from_now_on(tmp_path) -> None:
    kept = os.dup(1)
    try:
        with (tmp_path / "out").open("w") as file:
            os.dup2(file.fileno(), 1)
            os.write(1, b"before\n")
            output = output_from_now()
            os.write(1, b"after\n")
            assert output.text() == "after\n"
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    sys.stdout.flush()
