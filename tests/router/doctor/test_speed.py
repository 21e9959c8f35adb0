from dataclasses import replace

import pytest

from router.doctor.fit import fit
from router.doctor.speed import Q4_K_M, Decode, decodes, modes
from tercet.local_file import load_local
from tercet.local_model import LocalModel

DEEPSEEK = load_local().profiles["gpu"]
CARDS = load_local().cards


def speeds(model: LocalModel, card: str) -> tuple[Decode, ...]:
    return decodes(model, CARDS[card], fit(model, CARDS[card]))


def rooflines(model: LocalModel, card: str) -> list[int | None]:
    return [None if one.roofline is None else round(one.roofline) for one in speeds(model, card)]


@pytest.mark.parametrize(
    ("card", "speeds_of_loads", "each_of_four"),
    [
        ("RTX 3090", [53, 50, 43, 172], 43),
        ("RTX 4090", [57, 54, 46, 186], 46),
        ("A40", [40, 37, 32, 128], 32),
    ],
)
def test_the_rooflines_of_the_plans_cards(
    card: str, speeds_of_loads: list[int], each_of_four: int
) -> None:
    assert rooflines(DEEPSEEK, card) == speeds_of_loads
    four = speeds(DEEPSEEK, card)[3]
    assert four.roofline is not None
    assert round(four.roofline / four.streams) == each_of_four


@pytest.mark.parametrize(("card", "empty"), [("RTX 3090", 47), ("RTX 4090", 51), ("A40", 35)])
def test_the_rooflines_of_gguf(card: str, empty: int) -> None:
    assert rooflines(replace(DEEPSEEK, quantization=Q4_K_M), card)[0] == empty


def test_a_load_that_the_cache_does_not_hold_has_no_speed() -> None:
    assert rooflines(replace(DEEPSEEK, gpu_memory_utilization=0.9), "RTX 3090") == [
        53, 50, None, None,
    ]  # fmt: skip
    assert rooflines(replace(DEEPSEEK, quantization=None), "RTX 3090") == [None] * 4


def test_a_load_longer_than_the_model_reads_has_no_speed() -> None:
    shape = replace(DEEPSEEK.architecture, window_tokens=8192)
    assert rooflines(replace(DEEPSEEK, architecture=shape), "A40") == [40, 37, None, 128]


def test_weights_in_ram_wait_for_pcie() -> None:
    # 8 GiB at 25 GB/s are 344 ms, the other 8.95 GB at 936 GB/s 10 ms.
    slow = speeds(replace(DEEPSEEK, cpu_offload_gb=8), "RTX 3090")[0]
    assert slow.roofline == pytest.approx(2.83, abs=0.01)


def test_the_plans_hardware_table_on_24_gb() -> None:
    full, hybrid, llama_cpp, cpu = modes(DEEPSEEK, CARDS["RTX 3090"])

    assert (full.mode, full.planned, full.how) == ("full GPU", "15-22", "vLLM")
    assert full.roofline == pytest.approx(53.3, abs=0.1)
    assert (hybrid.mode, hybrid.planned) == ("hybrid", "12-18")
    assert hybrid.roofline == pytest.approx(2.09, abs=0.01)
    assert hybrid.how == ("vLLM, cpu_offload_gb 11: over PCIe at 25 GB/s; 12 tok/s allow 1.5 GiB")
    assert llama_cpp.roofline == pytest.approx(3.59, abs=0.01)
    assert llama_cpp.how == (
        "llama.cpp Q4_K_M, 13 GiB of layers computed from RAM at 51.2 GB/s; 12 tok/s allow 3.1 GiB"
    )
    assert (cpu.mode, cpu.planned) == ("CPU only", "1-3")
    assert cpu.roofline == pytest.approx(2.92, abs=0.01)
    assert cpu.how == "vLLM's CPU build, or llama.cpp: RAM at 51.2 GB/s"


def test_a_large_card_needs_no_hybrid() -> None:
    _, hybrid, llama_cpp, _ = modes(DEEPSEEK, CARDS["A40"])

    assert hybrid.roofline is None
    assert hybrid.how == "vLLM: not needed, the card holds 65536 tokens"
    assert llama_cpp.how == "llama.cpp Q4_K_M: not needed, the card holds 65536 tokens"


def test_no_hybrid_makes_room_for_a_cache_larger_than_the_card() -> None:
    _, hybrid, _, _ = modes(replace(DEEPSEEK, max_num_seqs=16), CARDS["RTX 3090"])

    assert hybrid.roofline is None
    assert hybrid.how == "vLLM: the KV cache of 262144 tokens alone is too large"


def test_the_full_gpu_row_says_when_it_does_not_fit() -> None:
    full = modes(replace(DEEPSEEK, quantization=None), CARDS["RTX 3090"])[0]

    assert full.roofline is None
    assert full.how == "vLLM: max_model_len 16384 does not fit"


def test_gguf_is_run_by_llama_cpp_alone() -> None:
    rows = modes(replace(DEEPSEEK, quantization=Q4_K_M, max_model_len=8192), CARDS["RTX 3090"])

    assert [row.mode for row in rows] == ["full GPU", "hybrid", "CPU only"]
    assert rows[0].how == "llama.cpp"
    assert rows[1].how.startswith("llama.cpp Q4_K_M, 5 GiB of layers computed from RAM")
    assert rows[2].roofline == pytest.approx(2.59, abs=0.01)


def test_a_card_slower_than_ram_is_no_error() -> None:
    slow = replace(CARDS["RTX 3090"], bandwidth_gb_s=20)
    assert modes(DEEPSEEK, slow)[1].how.endswith("12 tok/s allow 0.0 GiB")
