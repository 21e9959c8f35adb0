"""The reading of `config/local.yaml`, and of a model's own `config.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tercet.config_files import Strict, read
from tercet.environment import PROJECT
from tercet.errors import ConfigError
from tercet.local_model import (
    Architecture,
    Card,
    Dtype,
    KvCacheDtype,
    Lifecycle,
    LocalModel,
    ProfileName,
    Quantization,
    QuantizationMethod,
    Resources,
)

Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]

# vLLM takes `max_position_embeddings` of these as already scaled (`_get_and_verify_max_len`).
_SCALED_ALREADY = frozenset({"default", "llama3", "longrope", "mrope", "su"})
_NOT_DENSE = ("num_experts", "num_local_experts", "n_routed_experts", "kv_lora_rank")


class _Shape(BaseModel):
    """What of a `config.json` the arithmetic needs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    num_hidden_layers: Count
    hidden_size: Count
    intermediate_size: Count
    num_attention_heads: Count
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    vocab_size: Count
    max_position_embeddings: Count
    tie_word_embeddings: bool = False

    def architecture(self, scaling: float = 1) -> Architecture:
        return Architecture(
            layers=self.num_hidden_layers,
            hidden=self.hidden_size,
            intermediate=self.intermediate_size,
            heads=self.num_attention_heads,
            kv_heads=self.num_key_value_heads or self.num_attention_heads,
            head_dim=self.head_dim or self.hidden_size // self.num_attention_heads,
            vocabulary=self.vocab_size,
            window_tokens=int(self.max_position_embeddings * scaling),
            tied_embeddings=self.tie_word_embeddings,
        )


class _StrictShape(_Shape):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _QuantizationRow(Strict):
    method: QuantizationMethod
    bits: Amount
    group_size: Count | None = None


class _ResourcesRow(Strict):
    num_cpus: float = Field(ge=0)
    num_gpus: float = Field(ge=0)
    custom: dict[str, Amount]


class _ProfileRow(Strict):
    model: str
    source: str
    revision: str | None
    quantization: _QuantizationRow | None
    architecture: _StrictShape
    dtype: Dtype
    max_model_len: Count
    max_num_seqs: Count
    gpu_memory_utilization: float = Field(gt=0, lt=1)
    kv_cache_dtype: KvCacheDtype
    cpu_offload_gb: float = Field(default=0, ge=0)
    tool_parser: str | None
    reasoning_parser: str | None
    engine: dict[str, object]
    environment: dict[str, str]
    resources: _ResourcesRow
    card: str | None

    def local_model(self) -> LocalModel:
        quantization = self.quantization
        same = self.model_dump(
            exclude={"model", "quantization", "architecture", "resources"}, round_trip=True
        )
        return LocalModel(
            name=self.model,
            quantization=None
            if quantization is None
            else Quantization(**quantization.model_dump()),
            architecture=self.architecture.architecture(),
            resources=Resources(**self.resources.model_dump()),
            **same,
        )


class _CardRow(Strict):
    memory_gib: Amount
    bandwidth_gb_s: Amount
    compute_capability: Amount
    link_gb_s: Amount


class _LifecycleRow(Strict):
    idle_s: Amount
    give_up_s: Amount
    drain_s: Amount


class _LocalFile(Strict):
    lifecycle: _LifecycleRow
    profiles: dict[ProfileName, _ProfileRow]
    cards: dict[str, _CardRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDefinition:
    """Everything `config/local.yaml` says."""

    profiles: Mapping[ProfileName, LocalModel]
    """Both of them."""
    cards: Mapping[str, Card]
    lifecycle: Lifecycle


def load_local(folder: Path | None = None) -> LocalDefinition:
    """Read `local.yaml` of a folder; of the project's own `config/` if left out.

    Raises:
        ConfigError: listing every problem with its file and key.
    """
    path = (folder or PROJECT / "config") / "local.yaml"
    problems: list[str] = []
    file = read(path, _LocalFile, problems)
    if file is None:
        raise ConfigError("\n".join(problems))
    problems += [
        f"{path.name}: profiles: {name} is missing"
        for name in ("gpu", "cpu")
        if name not in file.profiles
    ]
    problems += [
        f"{path.name}: profiles.{name}.card: there is no {row.card!r}; cards are {list(file.cards)}"
        for name, row in file.profiles.items()
        if row.card is not None and row.card not in file.cards
    ]
    if problems:
        raise ConfigError("\n".join(problems))
    return LocalDefinition(
        profiles={name: row.local_model() for name, row in file.profiles.items()},
        cards={name: Card(name=name, **row.model_dump()) for name, row in file.cards.items()},
        lifecycle=Lifecycle(**file.lifecycle.model_dump()),
    )


class _Rope(BaseModel):
    rope_type: str | None = None
    type: str | None = None
    factor: float = 1

    def scaling(self) -> float:
        return 1 if (self.rope_type or self.type) in _SCALED_ALREADY else self.factor


class _GroupWeights(BaseModel):
    num_bits: Amount
    group_size: int | None = None


class _Group(BaseModel):
    weights: _GroupWeights


class _QuantizationConfig(BaseModel):
    quant_method: QuantizationMethod
    bits: Amount = 8
    group_size: int | None = None
    config_groups: dict[str, _Group] = {}

    def quantization(self) -> Quantization:
        # The largest of the groups: an estimate that errs has to err upwards.
        groups = [group.weights for group in self.config_groups.values()]
        largest = max(groups, key=lambda weights: weights.num_bits, default=None)
        bits = self.bits if largest is None else largest.num_bits
        size = self.group_size if largest is None else largest.group_size
        return Quantization(
            method=self.quant_method,
            bits=bits,
            group_size=size if size is not None and size > 0 else None,
        )


class _ConfigJson(_Shape):
    quantization_config: _QuantizationConfig | None = None
    rope_scaling: _Rope | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_dense(cls, value: object) -> object:
        if isinstance(value, dict):
            told = cast("Mapping[str, object]", value)
            if found := [name for name in _NOT_DENSE if told.get(name)]:
                raise ValueError(f"has {', '.join(found)}: only dense models are reckoned")
            return told
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigJson:
    """A model by its own `config.json`."""

    architecture: Architecture
    quantization: Quantization | None


def read_config_json(path: Path) -> ConfigJson:
    """Read a Hugging Face `config.json`.

    Raises:
        ConfigError: it is none, or of a model whose size is reckoned otherwise.
    """
    try:
        file = _ConfigJson.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        found = (f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError("\n".join(found)) from error
    scaling = 1 if file.rope_scaling is None else file.rope_scaling.scaling()
    quantization = file.quantization_config
    return ConfigJson(
        architecture=file.architecture(scaling),
        quantization=None if quantization is None else quantization.quantization(),
    )
