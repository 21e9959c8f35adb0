import json
from collections.abc import Callable
from pathlib import Path

import pytest

from router.cli import main

GOLDEN = Path(__file__).parent / "golden"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def ask(*arguments: str | Path) -> tuple[int, str]:
        status = main(["doctor", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return ask


@pytest.mark.parametrize(
    ("golden", "status", "arguments"),
    [
        ("configured.txt", 0, []),
        ("l40s_fp8.txt", 0, ["--card", "l40s", "--kv-cache-dtype", "fp8", "--max-num-seqs", "8"]),
        ("unquantised.txt", 1, ["--quantization", "none"]),
        ("gguf_offload.txt", 0, ["--quantization", "gguf", "--cpu-offload-gb", "3"]),
    ],
)
def test_the_report_is_the_one_on_file(
    run: Run, golden: str, status: int, arguments: list[str]
) -> None:
    assert run(*arguments) == (status, (GOLDEN / golden).read_text())


def test_what_does_not_fit_ends_with_status_1(run: Run) -> None:
    status, said = run("--gpu-memory-utilization", "0.9")

    assert status == 1
    assert said.endswith(
        "problem: max_model_len 16384 needs 3.88 GiB of KV cache and 3.42 GiB are left on "
        "RTX 3090: set max_model_len to at most 14448, or gpu_memory_utilization to 0.92\n"
        "does not fit\n"
    )
    assert run("--gpu-memory-utilization", "0.9", "--max-model-len", "14448")[0] == 0


@pytest.mark.parametrize("name", ["RTX 4090", "rtx-4090", "RTX4090", "rtx_4090"])
def test_a_cards_name_is_read_generously(run: Run, name: str) -> None:
    status, said = run("--card", name)

    assert status == 0
    assert said.startswith("deepseek-coder-33b-instruct, awq 4 bit, on RTX 4090\n")


def test_an_unknown_card_is_told_the_known_ones(run: Run) -> None:
    assert run("--card", "RTX 4080") == (
        2,
        "tercet: there is no card 'RTX 4080'; cards are RTX 3090, RTX 4090, A40, L40S, "
        "RTX 6000 Ada, A100 80, H100 80; any other by --memory-gib, --bandwidth-gb-s and "
        "--compute-capability\n",
    )


def test_any_card_is_three_numbers(run: Run) -> None:
    numbers = ["--memory-gib", "31.5", "--bandwidth-gb-s", "1792", "--compute-capability", "12.0"]
    status, said = run(*numbers)

    assert status == 0
    assert "(31.5 GiB, 1792 GB/s, compute capability 12.0)" in said
    for wrong in (numbers[:4], [*numbers, "--card", "a40"]):
        assert run(*wrong) == (
            2,
            "tercet: a card is --card alone, or --memory-gib, --bandwidth-gb-s and "
            "--compute-capability together\n",
        )


def test_programs_get_the_same_numbers(run: Run) -> None:
    status, said = run("--json")
    told = json.loads(said)

    assert status == 0
    assert told["model"] == "deepseek-coder-33b-instruct"
    assert told["quantization"] == {"method": "awq", "bits": 4.0, "group_size": 128}
    assert told["settings"] == {
        "max_model_len": 16384,
        "max_num_seqs": 4,
        "gpu_memory_utilization": 0.95,
        "kv_cache_dtype": "auto",
        "cpu_offload_gb": 0,
    }
    assert told["card"]["memory_gib"] == 23.99
    assert round(told["memory"]["weights_gib"], 2) == 16.77
    assert told["memory"]["tokens"] == 19520
    assert told["memory"]["full_requests"] == 1
    assert [round(one["roofline"]) for one in told["decode"]] == [53, 50, 43, 172]
    assert [round(speed) for speed in told["decode"][0]["expected"]] == [35, 43]
    assert [one["mode"] for one in told["modes"]] == ["full GPU", "hybrid", "hybrid", "CPU only"]
    assert len(told["warnings"]) == 1
    assert told["problems"] == []


def test_what_has_no_speed_is_null_for_programs(run: Run) -> None:
    status, said = run("--json", "--quantization", "none")
    told = json.loads(said)

    assert status == 1
    assert told["decode"][0] == {
        "load": "1, empty",
        "streams": 1,
        "roofline": None,
        "expected": None,
    }
    assert told["problems"][0].startswith("weights of 62.10 GiB")


def test_any_models_own_file_can_be_asked_about(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    shape = {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 131072,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    }
    path.write_text(json.dumps(shape))
    status, said = run("--config-json", path)

    assert status == 0
    assert said.startswith(f"{path}, float16, on RTX 3090\n")
    assert "weights              14.96\n" in said  # 8.03 billion x 2 bytes

    path.write_text(json.dumps({**shape, "num_experts": 128}))
    status, said = run("--config-json", path)
    assert (status, said) == (
        2,
        f"tercet: {path}: : Value error, has num_experts: only dense models are reckoned\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--max-model-len", "0"],
        ["--max-num-seqs", "-1"],
        ["--gpu-memory-utilization", "1"],
        ["--memory-gib", "nan"],
        ["--cpu-offload-gb", "inf"],
        ["--quantization", "magic"],
    ],
    ids=" ".join,
)
def test_a_number_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_the_help_says_what_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--help"])
    words = " ".join(capsys.readouterr().out.split())

    assert ended.value.code == 0
    assert "before one is rented. Nothing is downloaded or started." in words
    assert "--card NAME" in words
    assert "tercet doctor --card a40 --max-model-len 8192" in words
