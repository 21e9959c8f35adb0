"""Serve's schema accepts keys it does not know, so a misspelt one would be lost in silence."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest
import yaml
from pydantic import BaseModel
from ray.serve._private.application_state import _get_shared_build_app_label_selector
from ray.serve.schema import (
    DeploymentSchema,
    HTTPOptionsSchema,
    LoggingConfig,
    RayActorOptionsSchema,
    ServeApplicationSchema,
    ServeDeploySchema,
)

from cluster.loopback import overlay
from tercet.config import PROJECT

FILE = PROJECT / "serve_config.yaml"

# By the key they stand under; a dict of any keys is not listed.
SHAPES: Mapping[str, type[BaseModel]] = {
    "http_options": HTTPOptionsSchema,
    "logging_config": LoggingConfig,
    "applications": ServeApplicationSchema,
    "deployments": DeploymentSchema,
    "ray_actor_options": RayActorOptionsSchema,
}


def shipped() -> Mapping[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def laid_over() -> Mapping[str, Any]:
    return overlay(FILE, 8123)


def unknown_keys(
    config: Mapping[str, Any], shape: type[BaseModel] = ServeDeploySchema, path: str = ""
) -> Iterator[str]:
    """Yield the path of every key that is no field of its shape."""
    for key, value in config.items():
        here = f"{path}.{key}"
        if key not in shape.model_fields:
            yield here
        if key in SHAPES:
            parts = cast("list[Any]", value if isinstance(value, list) else [value])
            for part in parts:
                yield from unknown_keys(part, SHAPES[key], here)


@pytest.mark.parametrize("config", [shipped(), laid_over()], ids=["shipped", "laid over"])
def test_every_key_is_one_that_serve_knows(config: Mapping[str, Any]) -> None:
    assert list(unknown_keys(config)) == []


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (shipped(), ["tercet", "local", "console"]),
        (laid_over(), ["tercet", "console"]),
        (overlay(FILE, 8123, local={"profile": "cpu"}), ["tercet", "local", "console"]),
    ],
    ids=["shipped", "laid over", "laid over, with a local model"],
)
def test_every_value_is_one_that_serve_accepts(config: Mapping[str, Any], names: list[str]) -> None:
    parsed = ServeDeploySchema.model_validate(config)
    assert [application.name for application in parsed.applications] == names


def test_the_gateway_is_built_where_it_runs_and_never_on_vps_1() -> None:
    # Serve pins the building of an application to the label that all its deployments share.
    gateway = ServeDeploySchema.model_validate(shipped()).applications[0]
    assert _get_shared_build_app_label_selector(gateway) == {"node": "vps_2"}


def test_a_misspelt_key_is_found_where_it_stands() -> None:
    config = overlay(FILE, 8123)
    config["applications"][0]["deployments"][1]["ray_actor_options"]["num_cpu"] = 1
    assert list(unknown_keys(config)) == [".applications.deployments.ray_actor_options.num_cpu"]
