"""Keys that are in files alone: who knows them, and where they must not turn up."""

import asyncio
import io
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from fakes.upstreams import upstreams
from ray import cloudpickle, serve

from deployments.proxy import TierProxy
from deployments.serve import deploy
from router.app import Arguments, build
from router.ingress import Ingress
from tercet.config import environment, load, settings
from tercet.environment import KEY_FILES
from tercet.errors import ConfigError

CANARIES = {name: f"canary-{number}-of-{name.lower()}" for number, name in enumerate(KEY_FILES)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run simulated upstreams; yield where the system keeps what it keeps, with the keys beside."""
    kept, keys = tmp_path / "kept", tmp_path / "keys"
    kept.mkdir()
    keys.mkdir()
    for name, file in KEY_FILES.items():
        (keys / name).touch(mode=0o600)
        (keys / name).write_text(f"{CANARIES[name]}\n")
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(file, str(keys / name))
    monkeypatch.setenv("TERCET_LEDGER", str(kept / "ledger.sqlite3"))
    monkeypatch.setenv("TERCET_SIMULATED", "1")
    with upstreams(kept) as started:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", started.url)
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", started.url)
        yield kept


@asynccontextmanager
async def client() -> AsyncGenerator[httpx2.AsyncClient, None]:
    config = load()
    handles = {
        tier: serve.run(deploy(TierProxy, tier, tier, config), name=tier, _local_testing_mode=True)
        for tier in config.catalog.tiers
    }
    ingress = Ingress(config, handles)
    transport = httpx2.ASGITransport(ingress.__serve_build_asgi_app__())
    key = {"authorization": f"Bearer {CANARIES['TERCET_API_KEY']}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://gateway", headers=key
    ) as http:
        yield http
    await ingress.close()
    for handle in handles.values():
        await handle.close.remote()


def found_in(text: bytes) -> list[str]:
    return [name for name, canary in CANARIES.items() if canary.encode() in text]


def test_answers_are_given_and_no_key_turns_up_anywhere(folder: Path) -> None:
    log = io.StringIO()
    listening = logging.StreamHandler(log)
    said: list[str] = []

    async def scenario() -> None:
        async with client() as http:
            for scenario in ("ok", "overloaded@claude", "bad-json", "unauthorized"):
                body = {
                    "model": "tier3",
                    "messages": [{"role": "user", "content": f"2 + 2? sim:{scenario}"}],
                }
                reply = await http.post("/v1/chat/completions", json=body)
                task = reply.headers["x-tercet-request-id"]
                receipt = await http.get(f"/v1/requests/{task}")
                said.extend([str(reply.status_code), reply.text, str(reply.headers), receipt.text])
            assert (await http.get("/readyz")).status_code == 200

    logging.getLogger().addHandler(listening)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        asyncio.run(scenario())
    finally:
        logging.getLogger().setLevel(level)
        logging.getLogger().removeHandler(listening)

    assert said[0] == "200"
    assert len(log.getvalue()) > 0
    assert found_in("".join(said).encode()) == []
    assert found_in(log.getvalue().encode()) == []
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 2
    assert [path for path in files if found_in(path.read_bytes())] == []


def test_what_ray_is_given_and_tells_of_has_no_key(folder: Path) -> None:
    application = build(Arguments())

    assert found_in(cloudpickle.dumps(application)) == []
    assert found_in(repr(application).encode()) == []
    assert found_in(repr((settings(), environment())).encode()) == []


def test_the_ingress_starts_without_reading_a_providers_key_and_a_tier_does_not(
    folder: Path,
) -> None:
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        (folder.parent / "keys" / name).unlink()

    async def scenario() -> None:
        await Ingress(load(), {}).close()
        with pytest.raises(ConfigError, match=r"/keys/ANTHROPIC_API_KEY cannot be read"):
            TierProxy("tier1", load())

    asyncio.run(scenario())
