"""How many tokens a request would be: counted by the provider of the model that would answer it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from router.compositions.stage import Question, prompt_for
from router.endpoint import Endpoint
from router.surfaces.anthropic_messages import count_body
from router.surfaces.refusal import Refusal, policy_refusal
from router.surfaces.surface import ReadOrder
from tercet.call import Call, Failure
from tercet.route import Refused

CountTokens = Callable[[Call], Awaitable[int | Failure]]
"""Counts the input of a call that is not made; it costs nothing, so no ledger row stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRoute:
    """`POST /v1/messages/count_tokens`."""

    endpoint: Endpoint
    read: ReadOrder
    count: CountTokens

    async def respond(self, request: Request) -> Response:
        """Answer with the count, or an estimate that says it is one."""
        order = await self.endpoint.order(request, self.read)
        if isinstance(order, Refusal):
            return self.endpoint.refused(order)
        answering = self.endpoint.office.answering
        decision = answering.decide(order.task)
        if isinstance(decision, Refused):
            return self.endpoint.refused(policy_refusal(decision, self.endpoint.office.clock()))
        seat = decision.route.seats[0]
        prompt = prompt_for(order.task, 1)
        prompt = replace(prompt, verbatim=order.task.verbatim)
        question = Question(task=order.task, seat=seat, prompt=prompt)
        counted = await self.count(question.call())
        headers = {"x-tercet-request-id": order.task.id, "x-tercet-route": decision.route.name}
        if isinstance(counted, Failure):
            headers["x-tercet-degraded"] = f"count:{counted.kind}"
            counted = max(decision.profile.size_tokens, 1)
        body = count_body(counted)
        return Response(body, headers=headers, media_type="application/json")
