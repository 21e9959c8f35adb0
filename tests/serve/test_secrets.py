"""What callers say and the keys they present are in no file that a run leaves behind."""

import tempfile
from contextlib import suppress
from itertools import product
from pathlib import Path

import httpx2
import pytest
from fakes.running import KEY, running

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

CANARY = "canary7731"
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")
SCENARIOS = ("ok", "leaky", "bad-json", "cut")


def asking(path: str, said: str) -> dict[str, object]:
    if path == "/v1/responses":
        return {"input": said, "store": False}
    return {"max_tokens": 20, "messages": [{"role": "user", "content": said}]}


def files_with(text: str, folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if text.encode() in path.read_bytes()]


def test_no_file_holds_a_prompt_or_a_key(tmp_path: Path) -> None:
    others = state_folders()
    with running(tmp_path) as system, system.http() as http:
        for path, scenario, model in product(PATHS, SCENARIOS, ("claude-opus-5-5", "tier3")):
            body = {"model": model, "stream": True, **asking(path, f"{CANARY} sim:{scenario}")}
            with suppress(httpx2.HTTPError):
                assert KEY not in http.post(path, json=body).text
        http.get("/v1/models", headers={"authorization": f"Bearer {CANARY}"})
        http.post("/v1/messages", content=f'{{"model": "{CANARY}", '.encode())
        (state,) = state_folders() - others
        logged = list(state.rglob("serve/*.log"))
        found = {text: files_with(text, state) for text in (CANARY, KEY)}

    assert logged
    assert found == {CANARY: [], KEY: []}
    assert files_with(CANARY, tmp_path) == []
    assert files_with(KEY, tmp_path) == []


def state_folders() -> set[Path]:
    """Return where runs on this machine keep their logs and sockets."""
    return set(Path(tempfile.gettempdir()).glob("tercet-*"))
