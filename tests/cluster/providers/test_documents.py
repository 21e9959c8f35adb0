"""What client and fake say to each other, held against the vendors' own OpenAPI documents.

The documents have no licence that lets them be shipped, so they are read where they were fetched
to, and without them these tests are skipped. What of them is used stands in `vast_wire.py` and
`runpod_wire.py`, with the commit it was read at.
"""

import json
import subprocess
import time
from functools import cache
from pathlib import Path

import pytest
import yaml
from fakes.rented_cloud import BID, SPEC, WANT
from jsonschema import Draft202012Validator

from cluster.providers import runpod_wire, vast_wire
from cluster.providers.vast import CREATE_PENALTY_S, INTERVALS

MIRROR = Path(__file__).parents[4] / ".mirror"
VAST = (MIRROR / "vast-ai+docs" / "repo", "c624622622496828c1ae58edec481bba1f5d675d")
RUNPOD = (MIRROR / "runpod+docs" / "repo", "a900806e253c4f8c16da27d1a4370e72456da4cb")
pytestmark = pytest.mark.skipif(
    not (VAST[0].exists() and RUNPOD[0].exists()),
    reason="the vendors' documents are not at ../.mirror",
)

VAST_FILES = {
    "search": "search_offers",
    "create": "create_instance",
    "show": "show_instance",
    "list": "show_instances",
    "manage": "manage_instance",
    "destroy": "destroy_instance",
    "charges": "show_charges",
}


def shown(repository: tuple[Path, str], path: str) -> str:
    folder, commit = repository
    command = ["git", "-C", str(folder), "show", f"{commit}:{path}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@cache
def vast_document(endpoint: str) -> dict:
    name = VAST_FILES[endpoint]
    document = yaml.safe_load(shown(VAST, f"api-reference/openapi/yaml/{name}.yaml"))
    return nullable(document)


@cache
def runpod_document() -> dict:
    return json.loads(shown(RUNPOD, "api-reference-v2/openapi.json"))


def nullable(document):
    """Return an OpenAPI 3.0 document with its `nullable` in JSON Schema's words."""
    if isinstance(document, list):
        return [nullable(one) for one in document]
    if not isinstance(document, dict):
        return document
    out = {name: nullable(value) for name, value in document.items()}
    if out.get("nullable") is True and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out


def check(document: dict, schema: dict, said: object) -> None:
    whole = schema | {"components": document.get("components", {})}
    errors = [
        f"{'.'.join(map(str, one.path))}: {one.message[:200]}"
        for one in Draft202012Validator(whole).iter_errors(said)
    ]
    assert errors == []


def operation(document: dict, exchange) -> dict:
    for path, methods in document["paths"].items():
        parts, said = path.strip("/").split("/"), exchange.path.strip("/").split("/")
        fits = [one == two or one.startswith("{") for one, two in zip(parts, said, strict=False)]
        if (
            len(parts) == len(said)
            and all(fits)
            and path.endswith("/") == exchange.path.endswith("/")
        ):
            return methods[exchange.method.lower()]
    raise AssertionError(exchange.path)


def hold(document: dict, exchange) -> None:
    """Hold a request and its answer against the document."""
    told = operation(document, exchange)
    if exchange.sent is not None:
        (body,) = told["requestBody"]["content"].values()
        check(document, body["schema"], exchange.sent)
    known = {one.get("name") for one in told.get("parameters", [])}
    names = {one["$ref"].split("/")[-1] for one in told.get("parameters", []) if "$ref" in one}
    components = document.get("components", {}).get("parameters", {})
    known |= {components[name]["name"] for name in names}
    assert set(exchange.query) <= known
    answer = told["responses"][str(exchange.status)]
    if "$ref" in answer:
        answer = components_of(document, answer["$ref"])
    for body in answer.get("content", {}).values():
        check(document, body["schema"], exchange.answer)


def components_of(document: dict, reference: str) -> dict:
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def talk(provider, want) -> str:
    offer = provider.search(want)[0]
    instance_id = provider.create(offer, SPEC).instance_id
    provider.instances("")
    provider.status(instance_id)
    provider.stop(instance_id)
    provider.start(instance_id)
    provider.status(instance_id)
    provider.charges(time.time() - 60, time.time())
    provider.create(offer, SPEC)
    provider.destroy(instance_id)
    provider.destroy(instance_id)
    return instance_id


VAST_ENDPOINTS = {
    ("POST", "bundles"): "search",
    ("PUT", "asks"): "create",
    ("GET", "v1"): "list",
    ("GET", "v0"): "show",
    ("PUT", "v0"): "manage",
    ("DELETE", "v0"): "destroy",
    ("GET", "charges"): "charges",
}


def endpoint_of(exchange) -> str:
    _, version, name = exchange.path.split("/")[1:4]
    by_name = VAST_ENDPOINTS.get((exchange.method, name))
    return by_name or VAST_ENDPOINTS[exchange.method, version]


def loosened(document: dict, endpoint: str) -> dict:
    """Return a document without its known faults, each with the reason."""
    copy = json.loads(json.dumps(document))
    (methods,) = copy["paths"].values()
    (told,) = methods.values()
    properties = (
        told.get("requestBody", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema", {})
        .get("properties", {})
    )
    if endpoint == "search":
        # A pair has two items; the list of pairs may have one.
        del properties["order"]["minItems"], properties["order"]["maxItems"]
    if endpoint == "create":
        # The guide creating-instances-with-api.mdx sends an object.
        properties["env"]["type"] = ["string", "object"]
    return copy


def test_what_is_said_at_vast_is_by_its_documents(cloud) -> None:
    cloud.vast().search(WANT)
    vast = cloud.vast()
    talk(vast, WANT)
    cloud.control("machine", offer_id=102, least_bid_usd=0.05)
    talk(vast, BID)
    seen = set()
    for exchange in cloud.exchanges:
        endpoint = endpoint_of(exchange)
        seen.add((endpoint, exchange.status))
        hold(loosened(vast_document(endpoint), endpoint), exchange)
    good = {(endpoint, 200) for endpoint in VAST_FILES}
    assert seen == good | {("create", 404), ("destroy", 404)}


def test_what_is_said_at_runpod_is_by_its_document(cloud) -> None:
    runpod = cloud.runpod()
    talk(runpod, WANT)
    runpod.create(runpod.search(WANT)[0], SPEC)
    for exchange in cloud.exchanges:
        hold(runpod_document(), exchange)
    assert {one.status for one in cloud.exchanges} == {200, 201, 204, 404}


def test_intervals_are_vasts() -> None:
    limits = {endpoint: vast_document(endpoint)["x-rate-limit"] for endpoint in VAST_FILES}
    search = limits.pop("search")
    assert (search["requests"], search["per"], INTERVALS["search"]) == (10, "minute", 6.0)
    thresholds = {endpoint: limit.get("threshold") for endpoint, limit in limits.items()}
    assert thresholds | {"search": 6.0} == INTERVALS
    assert limits["create"]["penalty"] == CREATE_PENALTY_S


def test_limits_of_a_create_are_vasts() -> None:
    limits = vast_document("create")["x-input-validation"]
    assert limits["label"]["max_length"] == 256
    assert limits["args"]["max_length"] == 4096
    assert limits["env"]["max_length"] == 256
    assert limits["env"]["max_total_length"] == 32_768


@pytest.mark.parametrize(
    ("endpoint", "model", "way"),
    [
        ("list", vast_wire.PageJson, ()),
        ("list", vast_wire.InstanceJson, ("instances", "items")),
        ("charges", vast_wire.ChargesJson, ()),
        ("charges", vast_wire.ContractJson, ("results", "items")),
        ("charges", vast_wire.ItemJson, ("results", "items", "items", "items")),
        ("create", vast_wire.CreatedJson, ()),
    ],
)
def test_every_field_that_is_read_is_in_vasts_documents(endpoint, model, way) -> None:
    (methods,) = vast_document(endpoint)["paths"].values()
    (told,) = methods.values()
    schema = told["responses"]["200"]["content"]["application/json"]["schema"]
    for step in way:
        schema = (
            schema["items"] if step == "items" and "items" in schema else schema["properties"][step]
        )
    assert set(model.model_fields) <= set(schema["properties"])


def test_the_fields_of_an_offer_and_of_one_instance_are_in_vasts_documents() -> None:
    (methods,) = vast_document("search")["paths"].values()
    example = methods["post"]["responses"]["200"]["content"]["application/json"]["example"]
    assert set(vast_wire.OfferJson.model_fields) <= set(example["offers"])
    instance = vast_document("show")["components"]["schemas"]["Instance"]
    assert set(vast_wire.InstanceJson.model_fields) <= set(instance["properties"])


def test_a_month_has_720_hours_by_vasts_own_example() -> None:
    fields = vast_document("show")["components"]["schemas"]["Instance"]["properties"]
    month, disk, hour = (
        fields[name]["example"] for name in ("storage_cost", "disk_space", "storage_total_cost")
    )
    assert month * disk / hour == pytest.approx(720)


def test_every_card_is_an_id_of_runpod() -> None:
    table = shown(RUNPOD, "references/gpu-types.mdx")
    for names in runpod_wire.CARDS.values():
        assert all(f"| {name} " in table for name in names)
