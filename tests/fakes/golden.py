"""Golden tasks, and a gateway that answers them by a table."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from router.golden.arms import arms_named
from router.golden.checking import Workbench
from router.golden.sandbox import Isolation, Ran
from router.golden.tasks import Checker, Exact, GoldenTask
from router.learning.cold import arms_of_catalog
from tercet.config import load, settings
from tercet.task import turn

CONFIG = load(chosen=settings({"TERCET_LOCAL": "cpu"}))
SPECS = arms_of_catalog(CONFIG.catalog, CONFIG.rules)
HAIKU, FLASH = "claude-haiku-5-5", "gemini-3.8-flash"
OPUS, SONNET, ARGON = "claude-opus-5-5", "claude-sonnet-5-5", "gemini-4-argon"
PAIR = f"tier3({HAIKU}+{FLASH})"
LED = f"tier2({SONNET}+{ARGON})"
LEAD = f"tier2({SONNET})"

WHOLE = Isolation(files=False, network=False, processes=False)
LEAKY = Isolation(files=True, network=False, processes=False)


def arms(*names: str) -> tuple:
    return arms_named(names, SPECS)


def golden(checker: Checker | None = None, **changes: Any) -> GoldenTask:
    fields: dict[str, Any] = {
        "suite": "s",
        "name": "capital",
        "kind": "question",
        "messages": (turn("user", "What is the capital of Australia?"),),
        "max_output_tokens": None,
        "checker": checker or Exact(answers=("Canberra",)),
        "reference": "Canberra",
        "wrong": ("Sydney",),
    }
    return GoldenTask(**(fields | changes))


def bench(ran: Ran | None = None, *, finds: bool | None = True, isolation=WHOLE) -> Workbench:
    """Return a workbench on which code comes to `ran`, and patterns are found or not."""
    return Workbench(
        run_code=lambda _code, _cases: ran or Ran(how="ended", value=[]),
        matches=lambda _pattern, _text: finds,
        isolation=lambda: isolation,
    )


@dataclass
class Answers:
    """A gateway in OpenAI's words: what each model says, or the status it refuses with."""

    says: Mapping[str, Any]
    """By model: a text, a status, or a function of the request's body."""
    speaks: Mapping[str, list[str]] = field(default_factory=dict)
    """Who spoke, where that is not the model that was asked."""
    degraded: list[str] = field(default_factory=list)
    nano_usd: int = 1_000_000
    lasts: int = 0
    """Receipts that are still under way, of each request."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    looks: dict[str, int] = field(default_factory=dict)

    def http(self) -> httpx2.AsyncClient:
        transport = httpx2.MockTransport(self._respond)
        return httpx2.AsyncClient(transport=transport, base_url="http://gateway")

    def _respond(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path == "/v1/models":
            return httpx2.Response(200, json={"data": []})
        if path.startswith("/v1/requests/"):
            return self._receipt(path.rpartition("/")[2])
        body = json.loads(request.content)
        self.bodies.append(body)
        said = self.says[body["model"]]
        if isinstance(said, Callable):
            said = said(body)
        task_id = f"req_{len(self.bodies)}"
        headers = {"x-tercet-request-id": task_id}
        if isinstance(said, int):
            error = {"error": {"message": "scripted"}}
            return httpx2.Response(said, json=error, headers=headers)
        extras = {
            "request_id": task_id,
            "models": self.speaks.get(body["model"], [body["model"]]),
            "degraded": self.degraded,
            "simulated": False,
        }
        reply = {"choices": [{"message": {"content": said}}], "tercet": extras}
        return httpx2.Response(200, json=reply, headers=headers)

    def _receipt(self, task_id: str) -> httpx2.Response:
        self.looks[task_id] = self.looks.get(task_id, 0) + 1
        is_over = self.looks[task_id] > self.lasts
        told = {
            "outcome": "answered" if is_over else "under_way",
            "cost_nano_usd": self.nano_usd,
            "simulated": False,
        }
        return httpx2.Response(200, json=told)
