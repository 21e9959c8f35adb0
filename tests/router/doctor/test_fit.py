import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.doctor.fit import GIB, fit, needed_offload_gib, read_bytes, weight_bytes
from router.doctor.speed import Q4_K_M
from tercet.local_file import load_local
from tercet.local_model import Architecture, Card, LocalModel, Quantization

DEEPSEEK = load_local().profiles["gpu"]
CARDS = load_local().cards
LLAMA_3_8B = Architecture(
    layers=32,
    hidden=4096,
    intermediate=14336,
    heads=32,
    kv_heads=8,
    head_dim=128,
    vocabulary=128256,
    window_tokens=8192,
)
AWQ = Quantization(method="awq", bits=4, group_size=128)
GPTQ_32 = Quantization(method="gptq", bits=4, group_size=32)
GPTQ_COLUMNS = Quantization(method="gptq", bits=4)
FP8 = Quantization(method="fp8", bits=8)


def model(shape: Architecture = DEEPSEEK.architecture, **changes: object) -> LocalModel:
    return replace(DEEPSEEK, architecture=shape, **changes)


@pytest.mark.parametrize(
    ("quantization", "gigabytes", "gib"),
    [(AWQ, 18.01, 16.77), (Q4_K_M, 19.94, 18.57), (None, 66.68, 62.10), (FP8, 33.80, 31.48)],
)
def test_the_weights_of_deepseek(
    quantization: Quantization | None, gigabytes: float, gib: float
) -> None:
    size = weight_bytes(DEEPSEEK.architecture, quantization)

    assert round(size / 1e9, 2) == gigabytes
    assert round(size / GIB, 2) == gib


@pytest.mark.parametrize(
    ("quantization", "gigabytes"),
    # Published: 8.03 billion weights.
    [(None, 16.06), (AWQ, 5.73), (GPTQ_32, 6.14), (GPTQ_COLUMNS, 5.59)],
)
def test_the_weights_of_llama_3_8b(quantization: Quantization | None, gigabytes: float) -> None:
    assert round(weight_bytes(LLAMA_3_8B, quantization) / 1e9, 2) == gigabytes


def test_a_step_reads_all_weights_but_the_embedding() -> None:
    assert round(read_bytes(DEEPSEEK.architecture, AWQ) / 1e9, 2) == 17.54


def test_tied_embeddings_are_stored_once_and_read_whole() -> None:
    tied = replace(LLAMA_3_8B, tied_embeddings=True)

    assert weight_bytes(LLAMA_3_8B, None) - weight_bytes(tied, None) == 128256 * 4096 * 2
    assert read_bytes(tied, None) == weight_bytes(tied, None)


@pytest.mark.parametrize(
    ("shape", "dtype", "bytes_per_token"),
    [
        (DEEPSEEK.architecture, "auto", 248 * 1024),
        (DEEPSEEK.architecture, "bfloat16", 248 * 1024),
        (DEEPSEEK.architecture, "fp8", 124 * 1024),
        (DEEPSEEK.architecture, "fp8_e5m2", 124 * 1024),
        (LLAMA_3_8B, "auto", 128 * 1024),
        (replace(LLAMA_3_8B, kv_heads=1), "auto", 16 * 1024),
        (replace(LLAMA_3_8B, kv_heads=32), "auto", 512 * 1024),
    ],
)
def test_a_token_takes_a_key_and_a_value_in_every_layer(
    shape: Architecture, dtype: str, bytes_per_token: int
) -> None:
    assert fit(model(shape, kv_cache_dtype=dtype), CARDS["A40"]).kv_bytes_per_token == (
        bytes_per_token
    )


@pytest.mark.parametrize(
    ("card", "quantization", "share", "room_gib", "thousand_tokens"),
    [
        ("RTX 3090", AWQ, 0.90, 3.4, (14.5, 28.9)),
        ("RTX 3090", AWQ, 0.95, 4.6, (19.5, 39.1)),
        ("RTX 4090", AWQ, 0.95, 4.6, (19.5, 39.1)),
        ("RTX 3090", Q4_K_M, 0.95, 2.8, (11.9, 23.8)),
        ("A40", AWQ, 0.90, 22.3, (94.4, 188.7)),
        ("RTX 6000 Ada", AWQ, 0.90, 25.0, (105.8, 211.6)),
    ],
)
def test_the_room_and_tokens_of_the_plans_cards(
    card: str,
    quantization: Quantization,
    share: float,
    room_gib: float,
    thousand_tokens: tuple[float, float],
) -> None:
    """Tokens with 16 bits a value, and with 8."""
    set_so = model(quantization=quantization, gpu_memory_utilization=share)
    memory = fit(set_so, CARDS[card])
    fp8 = fit(replace(set_so, kv_cache_dtype="fp8"), CARDS[card])

    assert round(memory.room_gib, 1) == room_gib
    assert memory.tokens / 1000 == pytest.approx(thousand_tokens[0], abs=0.06)
    assert fp8.tokens / 1000 == pytest.approx(thousand_tokens[1], abs=0.06)


def test_one_full_request_fits_24_gb_and_six_fit_48() -> None:
    assert fit(DEEPSEEK, CARDS["RTX 3090"]).full_requests == 1
    assert fit(model(gpu_memory_utilization=0.9), CARDS["RTX 6000 Ada"]).full_requests == 6


def test_the_longest_length_is_bounded_by_the_model_and_by_the_cache() -> None:
    assert fit(DEEPSEEK, CARDS["RTX 3090"]).longest_tokens == 16384
    assert fit(model(gpu_memory_utilization=0.9), CARDS["RTX 3090"]).longest_tokens == 14448


def test_the_cache_is_given_out_in_blocks_of_16() -> None:
    assert fit(DEEPSEEK, CARDS["RTX 3090"]).tokens == 19520


def test_what_is_kept_in_ram_makes_room() -> None:
    memory = fit(model(cpu_offload_gb=4), CARDS["RTX 3090"])

    assert round(memory.room_gib, 2) == 8.62
    assert memory.outside_gib == 4
    assert round(memory.weights_gib, 2) == 16.77


def test_no_more_than_all_weights_is_kept_in_ram() -> None:
    assert round(fit(model(cpu_offload_gb=100), CARDS["RTX 3090"]).outside_gib, 2) == 16.77


def test_the_offload_that_is_needed_is_in_whole_gib() -> None:
    card = CARDS["RTX 3090"]

    assert needed_offload_gib(DEEPSEEK, card, 4 * 16384) == 11  # 15.50 - 4.62
    assert needed_offload_gib(DEEPSEEK, card, 16384) == 0
    assert needed_offload_gib(DEEPSEEK, card, 16 * 16384) is None  # 62 GiB of cache alone


cards = st.builds(
    Card,
    name=st.just("some card"),
    memory_gib=st.floats(1, 200),
    bandwidth_gb_s=st.just(900.0),
    compute_capability=st.just(8.6),
    link_gb_s=st.just(25.0),
)
models = st.builds(
    model,
    st.sampled_from([DEEPSEEK.architecture, LLAMA_3_8B]),
    quantization=st.sampled_from([None, AWQ, GPTQ_32, FP8, Q4_K_M]),
    kv_cache_dtype=st.sampled_from(["auto", "fp8"]),
    gpu_memory_utilization=st.floats(0.1, 0.99),
    cpu_offload_gb=st.floats(0, 80),
    max_model_len=st.integers(1, 40_000),
)


@given(models, cards, st.floats(0, 100))
def test_more_memory_never_fits_fewer_tokens(set_so: LocalModel, card: Card, more: float) -> None:
    smaller = fit(set_so, card)
    larger = fit(set_so, replace(card, memory_gib=card.memory_gib + more))

    assert larger.tokens >= smaller.tokens
    assert larger.longest_tokens >= smaller.longest_tokens
    assert larger.full_requests >= smaller.full_requests


@given(models, cards)
def test_what_fits_takes_no_more_than_the_card_has(set_so: LocalModel, card: Card) -> None:
    memory = fit(set_so, card)
    cache_gib = memory.tokens * memory.kv_bytes_per_token / GIB
    inside_gib = memory.weights_gib - memory.outside_gib + memory.overhead_gib

    assert memory.tokens == 0 or inside_gib + cache_gib <= card.memory_gib
    assert memory.full_requests * set_so.max_model_len <= memory.tokens


@given(models, cards, st.integers(1, 40_000))
def test_the_needed_offload_is_enough(set_so: LocalModel, card: Card, tokens: int) -> None:
    gib = needed_offload_gib(set_so, card, tokens)
    if gib is not None:
        memory = fit(replace(set_so, cpu_offload_gb=gib), card)
        assert memory.tokens >= math.floor(tokens / 16) * 16
