"""What is around the pages: settings, the prefix, and what the gateway says of the local model."""

import asyncio
from typing import Any

import httpx2
import pytest
import yaml

from router.console.app import Arguments
from router.console.local_watch import LocalWatch
from router.console.pages import BASE, PAGES
from router.console.rendering import TEMPLATES
from tercet.config import PROJECT, settings


def test_serve_mounts_it_where_its_links_lead() -> None:
    config = yaml.safe_load((PROJECT / "serve_config.yaml").read_text(encoding="utf-8"))
    console = next(one for one in config["applications"] if one["name"] == "console")
    assert console["route_prefix"] == BASE
    assert console["import_path"] == "router.console.app:build"
    assert [one["num_replicas"] for one in console["deployments"]] == [1]
    Arguments.model_validate(console["args"])


def test_every_page_has_a_template() -> None:
    assert [name for name in PAGES if not (TEMPLATES / f"{name}.html").is_file()] == []


def test_the_admin_key_is_a_setting_and_in_no_text() -> None:
    chosen = settings({"TERCET_ADMIN_KEY": "the-admin-key"})
    assert chosen.admin_key == "the-admin-key"
    assert settings({"TERCET_ADMIN_KEY": ""}).admin_key is None
    assert "the-admin-key" not in repr(chosen)


def _refuse(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("nobody there")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: httpx2.Response(200, json={"readiness": "ready"}), {"readiness": "ready"}),
        (lambda _: httpx2.Response(503, json={"error": "x"}), None),
        (lambda _: httpx2.Response(200, text="not json"), None),
        (lambda _: httpx2.Response(200, json=["odd"]), None),
        (_refuse, None),
    ],
)
def test_what_the_gateway_says_is_kept_and_its_silence_is_none(answer: Any, said: Any) -> None:
    async def look() -> object:
        transport = httpx2.MockTransport(answer)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
            watch = LocalWatch(client)
            watch.said = {"readiness": "asleep"}
            await watch.look()
            return watch.said

    assert asyncio.run(look()) == said
