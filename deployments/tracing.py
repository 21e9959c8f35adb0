"""Whether a replica is traced, by OpenTelemetry's own variables."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from tercet.metrics import Reading
from tercet.telemetry import Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

Note = Callable[[Sequence[Reading]], None]
"""Takes what is counted, from any thread."""


class Tracing(Tracer, Protocol):
    """A tracer that ends with its replica."""

    async def close(self) -> None:
        """Send what is left."""
        ...


def tracer_of(env: Mapping[str, str], part: str, note: Note) -> Tracing | None:
    """Return what traces a replica; `None`: nothing does, and the SDK is not loaded.

    Args:
        env: the environment.
        part: whose spans they are, such as `tier1`.
        note: told of spans that no collector got.
    """
    is_off = env.get("OTEL_SDK_DISABLED", "").lower() == "true"
    is_off |= env.get("OTEL_TRACES_EXPORTER", "otlp") == "none"
    if is_off or not any(env.get(name) for name in ENDPOINTS):
        return None
    telemetry = import_module("deployments.telemetry")
    return cast("Tracing", telemetry.Otel(telemetry.Outgoing(note), env, part))
