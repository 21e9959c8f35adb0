"""KubeRay's CRD schemas, as the API server applies them: defaults, no nulls, nothing unknown."""

import copy
import functools
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

FILE = Path(__file__).parent / "data" / "kuberay_v1.7.0_crd_schemas.json.gz"
Schema = dict[str, Any]


def problems(document: Mapping[str, Any]) -> list[str]:
    """Return where and why the API server would refuse a RayService or RayCluster."""
    schema = _schemas()[document["kind"]]
    filled = complete(schema, copy.deepcopy(document))
    found = jsonschema.Draft7Validator(strict(schema)).iter_errors(filled)
    return [f"{'/'.join(map(str, it.absolute_path))}: {it.message[:200]}" for it in found]


@functools.cache
def _schemas() -> Mapping[str, Schema]:
    stored = json.loads(gzip.decompress(FILE.read_bytes()))
    schemas = {kind: it["openAPIV3Schema"] for kind, it in stored.items()}
    for schema in schemas.values():
        # What every object has is not in the schema of a CRD.
        schema["properties"]["metadata"] = {"x-kubernetes-preserve-unknown-fields": True}
    return schemas


def strict(schema: Schema) -> Schema:
    """Return a JSON Schema that says the same, and refuses what it does not know."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {key: _strict_part(key, value) for key, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields", False)
    if "properties" in made and "additionalProperties" not in made and not is_open:
        made["additionalProperties"] = False
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def _strict_part(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: strict(it) for name, it in value.items()}
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return strict(value)
    if key in ("allOf", "anyOf", "oneOf"):
        return [strict(it) for it in value]
    return value


def complete(schema: Schema, value: Any) -> Any:
    """Fill in the defaults and drop the nulls, in place."""
    if isinstance(value, list):
        for it in value:
            complete(schema.get("items") or {}, it)
    elif isinstance(value, dict):
        _complete_object(schema, value)
    return value


def _complete_object(schema: Schema, value: dict[str, Any]) -> None:
    known: dict[str, Schema] = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    rest: Schema = others if isinstance(others, dict) else {}
    for name in [it for it in value if value[it] is None]:
        if not known.get(name, rest).get("nullable"):
            del value[name]
    for name, it in known.items():
        if name not in value and "default" in it:
            value[name] = copy.deepcopy(it["default"])
    for name, it in value.items():
        complete(known.get(name, rest), it)
