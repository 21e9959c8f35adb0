from dataclasses import replace

import pytest

from router.doctor import Report, check
from router.doctor.speed import Q4_K_M
from tercet.local_file import load_local
from tercet.local_model import Card, LocalModel, Quantization

DEEPSEEK = load_local().profiles["gpu"]
CARDS = load_local().cards
TURING = Card(name="T4", memory_gib=24, bandwidth_gb_s=320, compute_capability=7.5, link_gb_s=12.5)
AWQ_48 = replace(DEEPSEEK, gpu_memory_utilization=0.9)


def found(model: LocalModel, card: str | Card) -> Report:
    return check(model, CARDS[card] if isinstance(card, str) else card)


def test_the_configured_model_on_its_card_can_be_started() -> None:
    report = found(DEEPSEEK, "RTX 3090")

    assert report.problems == ()
    assert report.warnings == (
        "max_num_seqs 4: the KV cache holds 1 of full length, or 4 of 4880 tokens; "
        "what is more than that waits, or is interrupted and computed again",
    )


def test_a_card_with_room_says_nothing() -> None:
    report = found(AWQ_48, "A40")

    assert (report.problems, report.warnings) == ((), ())


def test_weights_that_do_not_fit_are_refused() -> None:
    assert found(replace(DEEPSEEK, quantization=None), "A40").problems == (
        "weights of 62.10 GiB and 1.4 GiB beside them leave no KV cache in 42.74 GiB "
        "(A40: 44.99 GiB x gpu_memory_utilization 0.95): choose a 4-bit quantization (16.77 GiB) "
        "or a larger card or cpu_offload_gb 25",
    )


def test_no_smaller_quantization_is_named_where_there_is_none() -> None:
    small = replace(CARDS["RTX 3090"], memory_gib=16, name="a 16 GB card")
    assert found(DEEPSEEK, small).problems == (
        "weights of 16.77 GiB and 1.4 GiB beside them leave no KV cache in 15.20 GiB "
        "(a 16 GB card: 16 GiB x gpu_memory_utilization 0.95): choose a larger card "
        "or cpu_offload_gb 7",
    )


def test_no_offload_is_named_where_none_would_do() -> None:
    tiny = replace(CARDS["RTX 3090"], memory_gib=4, name="a 4 GB card")
    (problem,) = (
        one for one in found(DEEPSEEK, tiny).problems if one.startswith("weights of 16.77")
    )
    assert problem.endswith("choose a larger card")


def test_a_length_that_does_not_fit_is_refused_with_two_ways_out() -> None:
    assert found(replace(DEEPSEEK, gpu_memory_utilization=0.9), "RTX 3090").problems == (
        "max_model_len 16384 needs 3.88 GiB of KV cache and 3.42 GiB are left on RTX 3090: "
        "set max_model_len to at most 14448, or gpu_memory_utilization to 0.92",
    )


def test_the_way_out_by_memory_is_named_only_if_there_is_any() -> None:
    plain = replace(DEEPSEEK, quantization=Q4_K_M)
    assert found(plain, "RTX 3090").problems == (
        "max_model_len 16384 needs 3.88 GiB of KV cache and 2.82 GiB are left on RTX 3090: "
        "set max_model_len to at most 11920",
    )


@pytest.mark.parametrize("share", [0.91, 0.92, 0.95])
def test_the_share_that_is_named_would_do(share: float) -> None:
    problems = found(replace(DEEPSEEK, gpu_memory_utilization=share), "RTX 3090").problems
    assert (problems == ()) == (share >= 0.92)


def test_a_length_beyond_the_models_own_is_refused() -> None:
    assert found(replace(DEEPSEEK, max_model_len=32768), "A40").problems == (
        "max_model_len is 32768 and the model's own limit 16384: set max_model_len to at most "
        "16384",
    )


def test_a_share_that_leaves_the_driver_nothing_is_refused() -> None:
    assert found(replace(DEEPSEEK, gpu_memory_utilization=0.98), "RTX 3090").problems == (
        "gpu_memory_utilization 0.98 leaves less of RTX 3090's 23.99 GiB than the 0.6 GiB that "
        "driver and CUDA take: set gpu_memory_utilization to at most 0.97",
    )
    assert found(replace(DEEPSEEK, gpu_memory_utilization=0.97), "RTX 3090").problems == ()
    assert found(replace(DEEPSEEK, gpu_memory_utilization=0.98), "A40").problems == ()


def test_bfloat16_on_a_card_without_it_is_refused() -> None:
    assert found(DEEPSEEK, TURING).problems == ()
    assert found(replace(DEEPSEEK, dtype="bfloat16"), TURING).problems == (
        "bfloat16 needs compute capability 8.0 and T4 has 7.5: set dtype to float16",
    )


def test_a_quantization_that_a_card_cannot_compute_is_refused() -> None:
    volta = replace(TURING, name="V100", compute_capability=7.0)
    assert found(DEEPSEEK, volta).problems == (
        "awq needs compute capability 7.5 and V100 has 7.0: choose a newer card",
    )
    gptq = Quantization(method="gptq", bits=4, group_size=128)
    assert found(replace(DEEPSEEK, quantization=gptq), volta).problems == ()


@pytest.mark.parametrize("dtype", ["fp8", "fp8_e4m3", "fp8_e5m2"])
@pytest.mark.parametrize("card", ["RTX 3090", "A40", "A100 80"])
def test_an_fp8_cache_on_a_card_without_fp8_is_warned_of(card: str, dtype: str) -> None:
    (warning,) = (
        one for one in found(replace(DEEPSEEK, kv_cache_dtype=dtype), card).warnings if "fp8" in one
    )
    assert warning.startswith(f"kv_cache_dtype {dtype}: {card} has compute capability 8.")
    assert warning.endswith(
        'and fp8 needs 8.9 ("type fp8e4nv not supported in this architecture", open vLLM issue '
        "26431): set kv_cache_dtype to auto"
    )


@pytest.mark.parametrize("card", ["RTX 4090", "L40S", "RTX 6000 Ada", "H100 80"])
def test_an_fp8_cache_on_a_card_with_fp8_is_not(card: str) -> None:
    warnings = found(replace(DEEPSEEK, kv_cache_dtype="fp8"), card).warnings
    assert [one for one in warnings if "fp8" in one] == []


def test_gguf_is_warned_of_with_what_to_run_in_its_place() -> None:
    assert found(replace(DEEPSEEK, quantization=Q4_K_M), "A40").warnings == (
        "GGUF is not part of vLLM any more, and its plugin reads a prompt about 9 times slower "
        "than AWQ (vLLM issue 35987: 2.52 s against 0.29 s to the first token): choose AWQ or "
        "GPTQ, or run llama.cpp's server, which speaks the OpenAI protocol",
    )


def test_a_length_that_fits_by_less_than_the_estimate_is_warned_of() -> None:
    # 0.93: 4.14 GiB are left and 3.88 are needed.
    warnings = found(
        replace(DEEPSEEK, gpu_memory_utilization=0.93, max_num_seqs=1), "RTX 3090"
    ).warnings
    assert warnings == (
        "max_model_len 16384 fits by less than the 0.5 GiB that this estimate may be off: the "
        "first start may refuse it; 15536 is safe",
    )


def test_offload_is_warned_of_with_its_time() -> None:
    assert found(replace(DEEPSEEK, cpu_offload_gb=11), "RTX 3090").warnings == (
        "cpu_offload_gb 11: every step fetches 11.0 GiB over PCIe, 472 ms at 25 GB/s; "
        "a machine with fewer PCIe lanes is slower still",
    )
