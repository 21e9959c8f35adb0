"""The local model: what it is, how its engine is set, and the card it is to run on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tercet.catalog import Skill

Dtype = Literal["float16", "bfloat16"]
KvCacheDtype = Literal["auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"]
QuantizationMethod = Literal["awq", "gptq", "fp8", "compressed-tensors", "gguf"]
ProfileName = Literal["gpu", "cpu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The shape of a dense decoder of the Llama family."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    window_tokens: int
    """Most input and output tokens together, as the engine derives it."""
    tied_embeddings: bool = False
    """One matrix is both the embedding and the head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How the weights of the linear layers are stored."""

    method: QuantizationMethod
    bits: float
    """A weight's, without the scales; for `gguf` the mean over all weights, scales included."""
    group_size: int | None = None
    """Weights that share a scale and a zero point; `None`: so many that they do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a replica asks of Ray."""

    num_cpus: float
    num_gpus: float
    custom: Mapping[str, float]
    """Custom resources: they decide which node it is placed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A GPU."""

    name: str
    memory_gib: float
    bandwidth_gb_s: float
    """Of its own memory, in GB (10^9) per second."""
    compute_capability: float
    link_gb_s: float
    """What crosses PCIe in practice, in GB per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """When the replica goes, in seconds."""

    idle_s: float
    """It is stopped once it has had no request for so long."""
    give_up_s: float
    """A start that takes longer is given up: no node has come, or it fails again and again."""
    drain_s: float
    """How long one that is stopped may finish what is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One profile of `config/local.yaml`. Fields that vLLM has too bear its names."""

    name: str
    """What callers and the ledger know it by."""
    source: str
    """A Hugging Face repository, or a folder."""
    revision: str | None
    quantization: Quantization | None
    """`None`: two bytes a weight."""
    architecture: Architecture
    dtype: Dtype
    max_model_len: int
    max_num_seqs: int
    gpu_memory_utilization: float
    kv_cache_dtype: KvCacheDtype
    cpu_offload_gb: float
    """GiB of weights, in spite of its name, that are kept in RAM."""
    tool_parser: str | None
    reasoning_parser: str | None
    engine: Mapping[str, object]
    """Further engine arguments."""
    environment: Mapping[str, str]
    """Of the replica's process."""
    resources: Resources
    card: str | None
    """The name of the card it is meant for; `None`: it runs on a CPU."""

    @property
    def skills(self) -> frozenset[Skill]:
        """What it takes beside text: what vLLM gives every model, and what its parsers add."""
        found: set[Skill] = {"schemas", "temperature", "top_p", "top_k", "seed"}
        found |= {"presence_penalty", "frequency_penalty"}
        if self.tool_parser is not None:
            found |= {"tools", "forced_tools", "serial_tools"}
        if self.reasoning_parser is not None:
            found.add("effort")
        return frozenset(found)
