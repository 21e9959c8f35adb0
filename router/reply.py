"""A whole reply to one request: as it is sent, and as it is kept to be sent again."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from router.surfaces.refusal import Refusal, failure_refusal, refusal_headers
from router.surfaces.surface import Frame, Writer
from tercet.answer import Answer, NoAnswer, completions
from tercet.usage import usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a caller who does not stream is told."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def is_answer(self) -> bool:
        """Whether there is something to say, rather than an error."""
        return self.status == 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What is known of a reply before its end."""

    frame: Frame
    writer: Writer
    error_body: Callable[[Refusal], bytes]
    headers: Mapping[str, str]

    def reply(self, ending: Answer | NoAnswer, at: float) -> Reply:
        """Return the reply at its end, at `at` (Unix seconds)."""
        if isinstance(ending, NoAnswer):
            refusal = failure_refusal(ending.failures, at)
            headers = {**self.headers, **refusal_headers(refusal)}
            body = self.error_body(refusal).decode()
            return Reply(status=refusal.status, headers=headers, body=body)
        models = tuple(said.model for said in completions(ending.steps))
        headers = {
            **self.headers,
            **spoken(models, ending.degraded),
            "x-tercet-cost-usd": usd(ending.cost_nano_usd),
        }
        body = self.writer.body(self.frame, ending).decode()
        return Reply(status=200, headers=headers, body=body)


def spoken(models: tuple[str, ...], degraded: tuple[str, ...]) -> dict[str, str]:
    """Return the headers that say who answered, and which voices were missing."""
    headers = {"x-tercet-models": ", ".join(dict.fromkeys(models))}
    if degraded:
        headers["x-tercet-degraded"] = ", ".join(degraded)
    return headers


def kept(reply: Reply) -> str:
    """Return the document from which `reply` can be told again."""
    return json.dumps(asdict(reply))


def told_again(document: str) -> Reply:
    """Return the reply that `kept` made the document of."""
    return Reply(**json.loads(document))
