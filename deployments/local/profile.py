"""From a profile of `config/local.yaml` to what its application is built from."""

from typing import Any

from deployments.local.definition import Definition
from tercet.local_model import Lifecycle, LocalModel


def definition_of(
    model: LocalModel, lifecycle: Lifecycle, *, idle_s: float | None = None
) -> Definition:
    """Return the definition of `model`; `idle_s` wins over that of its lifecycle."""
    return Definition(
        name=model.name,
        source=model.source,
        revision=model.revision,
        engine={**_engine(model), **_card(model), **_parsers(model), **model.engine},
        environment=dict(model.environment),
        cpus=model.resources.num_cpus,
        gpus=model.resources.num_gpus,
        resources=dict(model.resources.custom),
        concurrency=model.max_num_seqs,
        idle_s=idle_s or lifecycle.idle_s,
        give_up_s=lifecycle.give_up_s,
        drain_s=lifecycle.drain_s,
    )


def _engine(model: LocalModel) -> dict[str, Any]:
    """Return what holds on a card and on a CPU.

    The quantization is left to vLLM, which reads it from the weights: to name it would force the
    plain kernel of its method where a faster one fits.
    """
    return {
        "dtype": model.dtype,
        "max_model_len": model.max_model_len,
        "max_num_seqs": model.max_num_seqs,
        "enable_prompt_tokens_details": True,
    }


def _card(model: LocalModel) -> dict[str, Any]:
    if model.card is None:
        return {}
    return {
        "gpu_memory_utilization": model.gpu_memory_utilization,
        "kv_cache_dtype": model.kv_cache_dtype,
        "cpu_offload_gb": model.cpu_offload_gb,
    }


def _parsers(model: LocalModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if model.tool_parser is not None:
        found |= {"tool_call_parser": model.tool_parser, "enable_auto_tool_choice": True}
    if model.reasoning_parser is not None:
        found["reasoning_parser"] = model.reasoning_parser
    return found
