"""What `kubectl kustomize` makes of the overlays, and ways to look into it."""

import copy
import functools
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import pytest
import yaml

from tercet.config import PROJECT

OVERLAYS = ("cpu-only", "gpu", "high-availability")
Manifest: TypeAlias = dict[str, Any]


def render(folder: Path) -> list[Manifest]:
    """Render a kustomization; skips the test where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl (1.27 or newer, for kustomize 5) is not installed")
    command = [kubectl, "kustomize", str(folder)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@functools.cache
def _rendered(overlay: str) -> list[Manifest]:
    return render(PROJECT / "k8s" / "overlays" / overlay)


def rendered(overlay: str) -> list[Manifest]:
    """Return an overlay's objects, which the caller may change."""
    return copy.deepcopy(_rendered(overlay))


def of_kind(objects: list[Manifest], kind: str) -> list[Manifest]:
    return [it for it in objects if it["kind"] == kind]


def service(overlay: str) -> Manifest:
    (found,) = of_kind(rendered(overlay), "RayService")
    return found


def cluster(overlay: str) -> Manifest:
    return service(overlay)["spec"]["rayClusterConfig"]


def templates(spec: Mapping[str, Any]) -> dict[str, Manifest]:
    """Return the pod templates of a RayCluster's spec, labelled as the operator labels pods."""
    groups = {"head": spec["headGroupSpec"]}
    groups |= {group["groupName"]: group for group in spec["workerGroupSpecs"]}
    made: dict[str, Manifest] = {}
    for name, group in groups.items():
        template = copy.deepcopy(cast("Manifest", group["template"]))
        role = "head" if name == "head" else "worker"
        template["metadata"]["labels"]["ray.io/node-type"] = role
        made[name] = template
    return made


def container(template: Mapping[str, Any]) -> Manifest:
    (found,) = template["spec"]["containers"]
    return found


def strings(value: object) -> Iterator[str]:
    """Yield every string in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for it in cast("dict[str, object]", value).values():
            yield from strings(it)
    elif isinstance(value, list):
        for it in cast("list[object]", value):
            yield from strings(it)


def changed(document: Manifest, path: str, value: object) -> Manifest:
    """Return a copy with `value` at a path such as `spec/groups/0/name`; None removes."""
    made = copy.deepcopy(document)
    *way, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    at: Any = made
    for step in way:
        at = at[step] if isinstance(step, int) else at.setdefault(step, {})
    if value is None:
        del at[last]
    elif isinstance(last, int) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return made
