"""What speaks against a model on a card: problems stop it, warnings do not."""

import math
from collections.abc import Iterator
from dataclasses import replace

from router.doctor.fit import GIB, MARGIN_GIB, Fit, fit, needed_offload_gib, weight_bytes
from router.doctor.speed import is_gguf
from tercet.local_model import Card, LocalModel, Quantization

_FP8_FROM = 8.9
_BFLOAT16_FROM = 8.0
# `get_min_capability` of each in vLLM 0.32.
_METHOD_FROM = {"awq": 7.5, "gptq": 6.0, "fp8": 7.5}
_DRIVER_GIB = 0.6
"""Taken on a 24 GB card before vLLM takes anything: 22.93 of 23.56 GiB were free (an RTX 3090 in
wtdcode/vllm-backport issue 34)."""
_FOUR_BIT = Quantization(method="awq", bits=4, group_size=128)


def problems(model: LocalModel, card: Card, memory: Fit) -> Iterator[str]:
    """Name what cannot work, with the numbers and what to change."""
    yield from _weights_too_large(model, card, memory)
    yield from _length_too_large(model, card, memory)
    window = model.architecture.window_tokens
    if model.max_model_len > window:
        yield (
            f"max_model_len is {model.max_model_len} and the model's own limit {window}: "
            f"set max_model_len to at most {window}"
        )
    yield from _utilization_too_high(model, card)
    yield from _card_too_old(model, card)


def warnings(model: LocalModel, card: Card, memory: Fit) -> Iterator[str]:
    """Name what may go wrong or costs more than it seems."""
    yield from _fp8_cache(model, card)
    yield from _gguf(model)
    yield from _crowded(model, memory)
    yield from _close(model, card, memory)
    yield from _offload(model, card, memory)


def _weights_too_large(model: LocalModel, card: Card, memory: Fit) -> Iterator[str]:
    if memory.tokens:
        return
    inside = memory.weights_gib - memory.outside_gib
    small = weight_bytes(model.architecture, _FOUR_BIT) / GIB
    offload = needed_offload_gib(model, card, model.max_model_len)
    remedies = [
        f"a 4-bit quantization ({small:.2f} GiB)" if small < memory.weights_gib / 2 else "",
        "a larger card",
        "" if offload is None else f"cpu_offload_gb {offload}",
    ]
    yield (
        f"weights of {inside:.2f} GiB and {memory.overhead_gib} GiB beside them leave no KV cache "
        f"in {memory.budget_gib:.2f} GiB ({card.name}: {card.memory_gib} GiB x "
        f"gpu_memory_utilization {model.gpu_memory_utilization}): "
        f"choose {' or '.join(filter(None, remedies))}"
    )


def _length_too_large(model: LocalModel, card: Card, memory: Fit) -> Iterator[str]:
    if not 0 < memory.tokens < model.max_model_len:
        return
    needed = model.max_model_len * memory.kv_bytes_per_token / GIB
    share = (memory.budget_gib - memory.room_gib + needed) / card.memory_gib
    share = math.ceil(share * 100) / 100
    higher = f", or gpu_memory_utilization to {share}" if share <= _highest(card) else ""
    yield (
        f"max_model_len {model.max_model_len} needs {needed:.2f} GiB of KV cache and "
        f"{memory.room_gib:.2f} GiB are left on {card.name}: set max_model_len to at most "
        f"{memory.longest_tokens}{higher}"
    )


def _utilization_too_high(model: LocalModel, card: Card) -> Iterator[str]:
    highest = _highest(card)
    if model.gpu_memory_utilization > highest:
        yield (
            f"gpu_memory_utilization {model.gpu_memory_utilization} leaves less of {card.name}'s "
            f"{card.memory_gib} GiB than the {_DRIVER_GIB} GiB that driver and CUDA take: "
            f"set gpu_memory_utilization to at most {highest}"
        )


def _highest(card: Card) -> float:
    return max(0, math.floor((1 - _DRIVER_GIB / card.memory_gib) * 100) / 100)


def _card_too_old(model: LocalModel, card: Card) -> Iterator[str]:
    has = f"and {card.name} has {card.compute_capability}"
    if model.dtype == "bfloat16" and card.compute_capability < _BFLOAT16_FROM:
        yield f"bfloat16 needs compute capability {_BFLOAT16_FROM} {has}: set dtype to float16"
    method = "" if model.quantization is None else model.quantization.method
    least = _METHOD_FROM.get(method, 0)
    if card.compute_capability < least:
        yield f"{method} needs compute capability {least} {has}: choose a newer card"


def _fp8_cache(model: LocalModel, card: Card) -> Iterator[str]:
    if model.kv_cache_dtype.startswith("fp8") and card.compute_capability < _FP8_FROM:
        yield (
            f"kv_cache_dtype {model.kv_cache_dtype}: {card.name} has compute capability "
            f'{card.compute_capability} and fp8 needs {_FP8_FROM} ("type fp8e4nv not supported in '
            'this architecture", open vLLM issue 26431): set kv_cache_dtype to auto'
        )


def _gguf(model: LocalModel) -> Iterator[str]:
    if is_gguf(model):
        yield (
            "GGUF is not part of vLLM any more, and its plugin reads a prompt about 9 times slower "
            "than AWQ (vLLM issue 35987: 2.52 s against 0.29 s to the first token): choose AWQ or "
            "GPTQ, or run llama.cpp's server, which speaks the OpenAI protocol"
        )


def _crowded(model: LocalModel, memory: Fit) -> Iterator[str]:
    if 0 < memory.full_requests < model.max_num_seqs:
        yield (
            f"max_num_seqs {model.max_num_seqs}: the KV cache holds {memory.full_requests} of full "
            f"length, or {model.max_num_seqs} of {memory.tokens // model.max_num_seqs} tokens; "
            "what is more than that waits, or is interrupted and computed again"
        )


def _close(model: LocalModel, card: Card, memory: Fit) -> Iterator[str]:
    less = fit(model, replace(card, memory_gib=card.memory_gib - MARGIN_GIB))
    if less.tokens < model.max_model_len <= memory.tokens:
        yield (
            f"max_model_len {model.max_model_len} fits by less than the {MARGIN_GIB} GiB that this "
            f"estimate may be off: the first start may refuse it; {less.longest_tokens} is safe"
        )


def _offload(model: LocalModel, card: Card, memory: Fit) -> Iterator[str]:
    if memory.outside_gib:
        fetch_ms = memory.outside_gib * GIB / card.link_gb_s / 1e6
        yield (
            f"cpu_offload_gb {model.cpu_offload_gb:g}: every step fetches "
            f"{memory.outside_gib:.1f} GiB over PCIe, {fetch_ms:.0f} ms at {card.link_gb_s:g} "
            "GB/s; a machine with fewer PCIe lanes is slower still"
        )
