"""What the manifests take from files they cannot reach: kustomize reads nothing outside its root.

`python k8s/generate.py` writes them anew; a test fails while they are behind.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

PROJECT = Path(__file__).resolve().parent.parent

# A pod has an address of its own, and NetworkPolicies say who reaches it.
EVERYWHERE: Mapping[str, Any] = {"http_options": {"host": "0.0.0.0"}}  # noqa: S104
# All that differs from serve_config.yaml, by the file that has the result.
DIFFERENCES: Mapping[str, Mapping[str, Any]] = {
    "k8s/base/serve.yaml": EVERYWHERE,
    # Two gateway nodes: with one proxy, on the head, the head's restart would cut everything.
    "k8s/components/replicated/serve.yaml": {**EVERYWHERE, "proxy_location": "EveryNode"},
}
RAY_ENVIRONMENT = "k8s/base/ray.env"
# Of pods alone: Serve reloads its HAProxy whenever a replica comes or goes, and after Ray's default
# of 120 s the process before it would cut the answers it has. One may take 620 s.
OF_PODS: Mapping[str, str] = {"RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "630"}


def serve_config(differences: Mapping[str, Any], project: Path = PROJECT) -> dict[str, Any]:
    """Return `serve_config.yaml` with `differences` laid over it, one level deep."""
    text = (project / "serve_config.yaml").read_text(encoding="utf-8")
    config = cast("dict[str, Any]", yaml.safe_load(text))
    for key, value in differences.items():
        config[key] = {**config[key], **value} if isinstance(value, Mapping) else value
    return config


def patch(config: Mapping[str, Any]) -> str:
    """Return the kustomize patch that gives a RayService its `serveConfigV2`."""
    lines = yaml.safe_dump(config, sort_keys=False, width=100).splitlines()
    return "\n".join(
        [
            "# Written by k8s/generate.py from serve_config.yaml.",
            "apiVersion: ray.io/v1",
            "kind: RayService",
            "metadata: {name: tercet}",
            "spec:",
            "  serveConfigV2: |",
            *(f"    {line}" for line in lines),
            "",
        ]
    )


def files(project: Path = PROJECT) -> dict[str, str]:
    """Return the text of every generated file by its path."""
    ray = (project / "cluster" / "ray.env").read_text(encoding="utf-8")
    made = {name: patch(serve_config(rows, project)) for name, rows in DIFFERENCES.items()}
    return {**made, RAY_ENVIRONMENT: ray_environment(ray)}


def ray_environment(ray: str) -> str:
    """Return the settings of `cluster/ray.env`, given as its text, and what pods have beside it."""
    added = "".join(f"{name}={value}\n" for name, value in OF_PODS.items())
    return f"# Written by k8s/generate.py from cluster/ray.env.\n{ray}\n# Of pods alone.\n{added}"


if __name__ == "__main__":
    for name, text in files().items():
        (PROJECT / name).write_text(text, encoding="utf-8")
