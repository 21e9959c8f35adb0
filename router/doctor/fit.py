"""What a model takes of a card's memory, and how many tokens the rest holds."""

import math
from dataclasses import dataclass, replace

from tercet.local_model import Architecture, Card, LocalModel, Quantization

GIB = 2**30
OVERHEAD_GIB = 1.4
"""Activations, CUDA graphs and context of a 33B model with few sequences: an estimate."""
MARGIN_GIB = 0.5
"""How far the estimate and the memory that CUDA shows may be off together."""

_BLOCK_TOKENS = 16  # vLLM's default on GPUs: the cache is given out in blocks
_PLAIN_BITS = 16
_SCALE_BITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Where a card's memory goes."""

    budget_gib: float
    """What the engine may use: the card's memory times `gpu_memory_utilization`."""
    weights_gib: float
    """All of them, wherever they are."""
    outside_gib: float
    """Weights kept in RAM."""
    overhead_gib: float
    room_gib: float
    """What is left for the KV cache; below zero if the weights do not fit."""
    kv_bytes_per_token: int
    tokens: int
    """That the KV cache holds, of all requests together."""
    longest_tokens: int
    """The largest `max_model_len` that works."""
    full_requests: int
    """Requests of `max_model_len` tokens that are held at once."""


def fit(model: LocalModel, card: Card) -> Fit:
    """Divide a card's memory."""
    weights = weight_bytes(model.architecture, model.quantization) / GIB
    outside = min(model.cpu_offload_gb, weights)
    budget = card.memory_gib * model.gpu_memory_utilization
    room = budget - (weights - outside) - OVERHEAD_GIB
    per_token = kv_bytes_per_token(model)
    tokens = max(0, math.floor(room * GIB / (per_token * _BLOCK_TOKENS))) * _BLOCK_TOKENS
    return Fit(
        budget_gib=budget,
        weights_gib=weights,
        outside_gib=outside,
        overhead_gib=OVERHEAD_GIB,
        room_gib=room,
        kv_bytes_per_token=per_token,
        tokens=tokens,
        longest_tokens=min(tokens, model.architecture.window_tokens),
        full_requests=tokens // model.max_model_len,
    )


def weight_bytes(shape: Architecture, quantization: Quantization | None) -> float:
    """Return what the weights take in memory; norms and biases do not count."""
    matrices = 1 if shape.tied_embeddings else 2
    linear, embeddings = _linear_weights(shape), matrices * shape.vocabulary * shape.hidden
    return (linear * _bits(quantization) + embeddings * _embedding_bits(quantization)) / 8


def read_bytes(shape: Architecture, quantization: Quantization | None) -> float:
    """Return the weights that every step reads: of the embedding only the tokens' own rows."""
    if shape.tied_embeddings:
        return weight_bytes(shape, quantization)
    embedding = shape.vocabulary * shape.hidden * _embedding_bits(quantization) / 8
    return weight_bytes(shape, quantization) - embedding


def kv_bytes_per_token(model: LocalModel) -> int:
    """Return what one token takes in the KV cache: a key and a value per layer and KV head."""
    shape = model.architecture
    size = 1 if model.kv_cache_dtype.startswith("fp8") else 2
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * size


def needed_offload_gib(model: LocalModel, card: Card, tokens: int) -> int | None:
    """Return the least `cpu_offload_gb`, in whole GiB, with which `tokens` are held at once.

    `None`: the weights do not have so much to give away.
    """
    without = fit(replace(model, cpu_offload_gb=0), card)
    gib = math.ceil(tokens * without.kv_bytes_per_token / GIB - without.room_gib)
    return None if gib > without.weights_gib else max(0, gib)


def _linear_weights(shape: Architecture) -> int:
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    attention = 2 * shape.hidden * (queries + keys)  # query and output; key and value
    return shape.layers * (attention + 3 * shape.hidden * shape.intermediate)


def _bits(quantization: Quantization | None) -> float:
    """Return the bits of a linear weight with its share of scale and zero point."""
    if quantization is None:
        return _PLAIN_BITS
    if quantization.group_size is None:
        return quantization.bits
    return quantization.bits + (_SCALE_BITS + quantization.bits) / quantization.group_size


def _embedding_bits(quantization: Quantization | None) -> float:
    """Only GGUF stores the embedding and the head in fewer bits."""
    if quantization is not None and quantization.method == "gguf":
        return quantization.bits
    return _PLAIN_BITS
