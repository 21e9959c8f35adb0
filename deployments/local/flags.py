"""Arguments of the engine as words of `vllm serve`, the most stable interface vLLM has."""

import json
from collections.abc import Mapping
from typing import Any, cast


def flags(definition: Mapping[str, Any]) -> list[str]:
    """Return the command line that `definition` means."""
    words = ["--model", definition["source"], "--served-model-name", definition["name"]]
    if definition.get("revision"):
        words += ["--revision", definition["revision"]]
    for name, value in definition["engine"].items():
        words += _words(name.replace("_", "-"), value)
    return words


def _words(name: str, value: Any) -> list[str]:  # noqa: ANN401  whatever YAML has
    match value:
        case True:
            return [f"--{name}"]
        case False:
            return [f"--no-{name}"]
        case list():
            return [f"--{name}", *map(str, cast("list[object]", value))]
        case dict():
            return [f"--{name}", json.dumps(value)]
        case _:
            return [f"--{name}", str(value)]
