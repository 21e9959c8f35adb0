"""The report for people."""

from collections.abc import Iterator, Sequence

from router.doctor.report import Report
from router.doctor.speed import EXPECTED, Mode
from tercet.local_model import LocalModel

_KIB = 1024
_ENGINES = (
    "vLLM keeps weights in RAM (cpu_offload_gb) but computes on the card, so they cross PCIe at",
    "every step. It reads no GGUF, the plan's Q4_K_M, but by an experimental plugin: AWQ is as",
    "small. For GGUF, or layers computed by the CPU, run llama.cpp's server in its place.",
)


def as_text(report: Report) -> str:
    """Return the report as lines."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    card = report.card
    yield f"{report.model.name}, {_stored(report.model)}, on {card.name}"
    yield (
        f"({card.memory_gib:g} GiB, {card.bandwidth_gb_s:g} GB/s, "
        f"compute capability {card.compute_capability})"
    )
    yield ""
    yield from _table(_memory(report))
    yield ""
    yield from _table(_settings(report))
    yield ""
    yield from _table(_speeds(report))
    yield ""
    yield from _table(_modes(report.modes))
    yield from _ENGINES
    yield ""
    yield from (f"warning: {warning}" for warning in report.warnings)
    yield from (f"problem: {problem}" for problem in report.problems)
    yield "does not fit" if report.problems else "fits"


def _stored(model: LocalModel) -> str:
    quantization = model.quantization
    return (
        model.dtype if quantization is None else f"{quantization.method} {quantization.bits:g} bit"
    )


def _memory(report: Report) -> Sequence[Sequence[str]]:
    memory, model = report.memory, report.model
    outside = [["weights in RAM", f"{memory.outside_gib:.2f}", ""]] if memory.outside_gib else []
    return [
        ["memory", "GiB", ""],
        [
            "for vLLM",
            f"{memory.budget_gib:.2f}",
            f"gpu_memory_utilization {model.gpu_memory_utilization}",
        ],
        ["weights", f"{memory.weights_gib:.2f}", ""],
        *outside,
        ["activations, graphs", f"{memory.overhead_gib:.2f}", "estimate"],
        [
            "left for KV cache",
            f"{memory.room_gib:.2f}",
            f"{memory.tokens} tokens at {memory.kv_bytes_per_token / _KIB:g} KiB",
        ],
    ]


def _settings(report: Report) -> Sequence[Sequence[str]]:
    memory, model = report.memory, report.model
    return [
        ["setting", "set", "fits"],
        ["max_model_len", str(model.max_model_len), str(memory.longest_tokens)],
        ["max_num_seqs", str(model.max_num_seqs), f"{memory.full_requests} of full length"],
    ]


def _speeds(report: Report) -> Sequence[Sequence[str]]:
    heading = [
        "streams",
        "roofline tok/s",
        f"expected, {EXPECTED[0]:.0%}-{EXPECTED[1]:.0%}",
        "each",
    ]
    return [
        heading,
        *(
            [
                one.load,
                _speed(one.roofline),
                _expected(one.roofline),
                _each(one.roofline, one.streams),
            ]
            for one in report.decodes
        ),
    ]


def _modes(modes: Sequence[Mode]) -> Sequence[Sequence[str]]:
    return [
        ["mode", "plan tok/s", "roofline", "expected", "how"],
        *(
            [one.mode, one.planned, _speed(one.roofline), _expected(one.roofline), one.how]
            for one in modes
        ),
    ]


def _speed(roofline: float | None) -> str:
    if roofline is None:
        return "-"
    return f"{roofline:.0f}" if roofline >= 10 else f"{roofline:.1f}"


def _expected(roofline: float | None) -> str:
    if roofline is None:
        return "-"
    return "-".join(_speed(share * roofline) for share in EXPECTED)


def _each(roofline: float | None, streams: int) -> str:
    return "does not fit" if roofline is None else _speed(roofline / streams)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
