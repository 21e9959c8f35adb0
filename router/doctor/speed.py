"""How fast a model can answer: every step reads its weights and its live KV cache once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from router.doctor.fit import GIB, Fit, fit, kv_bytes_per_token, needed_offload_gib, read_bytes
from tercet.local_model import Card, LocalModel, Quantization

EXPECTED = (0.65, 0.8)
"""The share of the roofline that engines reach."""
RAM_GB_S = 51.2
"""Two channels of DDR4-3200."""
Q4_K_M = Quantization(method="gguf", bits=4.784)
"""19.94 GB for the 33.34 billion weights of deepseek-coder-33b."""

_GB = 10**9
_LOADS = (("1, empty", 1, 0), ("1 at 4k", 1, 4096), ("1 at 16k", 1, 16384), ("4 at 4k", 4, 4096))
_SLOWEST_HYBRID = 12  # tokens per second: the plan's lower end


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode:
    """The speed of one load, in tokens per second of all its streams together."""

    load: str
    streams: int
    roofline: float | None
    """`None`: the KV cache does not hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One row of the plan's hardware table, for one empty stream."""

    mode: str
    planned: str
    """Tokens per second, as the plan has them."""
    roofline: float | None
    """`None`: it does not fit, or is not needed."""
    how: str


def decodes(model: LocalModel, card: Card, memory: Fit) -> tuple[Decode, ...]:
    """Return the roofline of each load that fits."""
    return tuple(
        Decode(
            load=load,
            streams=streams,
            roofline=_per_s(model, card, streams, each)
            if memory.tokens >= max(1, streams * each) and each <= memory.longest_tokens
            else None,
        )
        for load, streams, each in _LOADS
    )


def modes(model: LocalModel, card: Card) -> tuple[Mode, ...]:
    """Reproduce the plan's hardware table: full GPU, hybrid, CPU only."""
    whole = replace(model, cpu_offload_gb=0)
    fits = fit(whole, card).tokens >= model.max_model_len
    engine = "llama.cpp" if is_gguf(model) else "vLLM"
    return (
        Mode(
            mode="full GPU",
            planned="15-22",
            roofline=_per_s(whole, card, 1, 0) if fits else None,
            how=engine if fits else f"{engine}: max_model_len {model.max_model_len} does not fit",
        ),
        *_hybrids(model, card),
        Mode(
            mode="CPU only",
            planned="1-3",
            roofline=RAM_GB_S * _GB / _read(model),
            how=f"vLLM's CPU build, or llama.cpp: RAM at {RAM_GB_S} GB/s",
        ),
    )


def is_gguf(model: LocalModel) -> bool:
    """Return whether vLLM has left this model to others."""
    return model.quantization is not None and model.quantization.method == "gguf"


def _hybrids(model: LocalModel, card: Card) -> Iterator[Mode]:
    if not is_gguf(model):
        yield _hybrid(
            model, card, card.link_gb_s, "vLLM, cpu_offload_gb {}: over PCIe at {:g} GB/s"
        )
        model = replace(model, quantization=Q4_K_M)
    yield _hybrid(
        model, card, RAM_GB_S, "llama.cpp Q4_K_M, {} GiB of layers computed from RAM at {:g} GB/s"
    )


def _hybrid(model: LocalModel, card: Card, outside_gb_s: float, how: str) -> Mode:
    """Hold every request at full length: what does not fit beside that is kept in RAM."""
    tokens = model.max_num_seqs * model.max_model_len
    gib = needed_offload_gib(model, card, tokens)
    engine = how.split(",")[0]
    if gib is None:
        said = f"{engine}: the KV cache of {tokens} tokens alone is too large"
        return Mode(mode="hybrid", planned="12-18", roofline=None, how=said)
    if gib == 0:
        said = f"{engine}: not needed, the card holds {tokens} tokens"
        return Mode(mode="hybrid", planned="12-18", roofline=None, how=said)
    seconds = _read_s(model, card, gib * GIB, outside_gb_s)
    most = _slowest_hybrid_gib(model, card, outside_gb_s)
    said = f"{how.format(gib, outside_gb_s)}; {_SLOWEST_HYBRID} tok/s allow {most:.1f} GiB"
    return Mode(mode="hybrid", planned="12-18", roofline=1 / seconds, how=said)


def _slowest_hybrid_gib(model: LocalModel, card: Card, outside_gb_s: float) -> float:
    """Return the most that may be outside for the plan's lower end."""
    slack_s = 1 / _SLOWEST_HYBRID - _read_s(model, card, 0, outside_gb_s)
    s_per_gib = GIB / _GB * (1 / outside_gb_s - 1 / card.bandwidth_gb_s)
    return max(0.0, slack_s) / s_per_gib if s_per_gib > 0 else 0.0


def _read_s(model: LocalModel, card: Card, outside: float, outside_gb_s: float) -> float:
    read = _read(model)
    slow = min(outside, read)
    return ((read - slow) / card.bandwidth_gb_s + slow / outside_gb_s) / _GB


def _per_s(model: LocalModel, card: Card, streams: int, each: int) -> float:
    live = streams * each * kv_bytes_per_token(model)
    weights_s = _read_s(model, card, model.cpu_offload_gb * GIB, card.link_gb_s)
    return streams / (weights_s + live / (card.bandwidth_gb_s * _GB))


def _read(model: LocalModel) -> float:
    return read_bytes(model.architecture, model.quantization)
