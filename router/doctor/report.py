"""The whole finding, as a value."""

from dataclasses import asdict, dataclass
from typing import Any

from router.doctor.findings import problems, warnings
from router.doctor.fit import Fit, fit
from router.doctor.speed import EXPECTED, Decode, Mode, decodes, modes
from tercet.local_model import Card, LocalModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Whether and how a model runs on a card."""

    model: LocalModel
    card: Card
    memory: Fit
    decodes: tuple[Decode, ...]
    modes: tuple[Mode, ...]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]
    """What cannot work, each with the numbers and what to change; empty: it can be started."""


def check(definition: LocalModel, card: Card) -> Report:
    """Reckon a model on a card."""
    memory = fit(definition, card)
    return Report(
        model=definition,
        card=card,
        memory=memory,
        decodes=decodes(definition, card, memory),
        modes=modes(definition, card),
        warnings=tuple(warnings(definition, card, memory)),
        problems=tuple(problems(definition, card, memory)),
    )


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for programs: speeds in tokens per second, sizes in GiB."""
    model = report.model
    return {
        "model": model.name,
        "quantization": None if model.quantization is None else asdict(model.quantization),
        "settings": {
            "max_model_len": model.max_model_len,
            "max_num_seqs": model.max_num_seqs,
            "gpu_memory_utilization": model.gpu_memory_utilization,
            "kv_cache_dtype": model.kv_cache_dtype,
            "cpu_offload_gb": model.cpu_offload_gb,
        },
        "card": asdict(report.card),
        "memory": asdict(report.memory),
        "decode": [{**asdict(one), **_expected(one.roofline)} for one in report.decodes],
        "modes": [{**asdict(one), **_expected(one.roofline)} for one in report.modes],
        "warnings": list(report.warnings),
        "problems": list(report.problems),
    }


def _expected(roofline: float | None) -> dict[str, list[float] | None]:
    return {"expected": None if roofline is None else [share * roofline for share in EXPECTED]}
