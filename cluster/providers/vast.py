"""Vast.ai: the `GpuProvider` over its REST API.

Shapes, thresholds and words are those of its OpenAPI documents, github.com/vast-ai/docs at c624622,
api-reference/openapi/yaml/; where they contradict its guides, the line says so.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from pydantic import BaseModel

from cluster.providers.asking import TIMEOUT_S, Answer, Asking, Request, Sleep
from cluster.providers.prices import usd
from cluster.providers.vast_wire import (
    ChargesJson,
    CreatedJson,
    ErrorJson,
    InstanceJson,
    OfferJson,
    OffersJson,
    PageJson,
    ShownJson,
    Wish,
    charges_of,
    create_body,
    instance_of,
    is_gone,
    offer_of,
    refusal_kind,
    search_body,
    unfit,
)
from tercet.renting import (
    Charge,
    Instance,
    MachineSpec,
    Offer,
    ProviderOfMachines,
    RentFailure,
    RentFailureKind,
    Want,
)

URL = "https://console.vast.ai"
INTERVALS: Mapping[str, float] = {
    "search": 6.0,  # 10 a minute
    "create": 4.5,
    "show": 2.0,
    "list": 1.0,
    "manage": 1.0,
    "destroy": 3.0,
    "charges": 1.0,
}
"""Seconds between requests, by `x-rate-limit` of each endpoint. A 429 says no time."""
CREATE_PENALTY_S = 12.0
"""`x-rate-limit.penalty` of create_instance.yaml."""
MOST_PAGES = 400
_REMEDIES: Mapping[RentFailureKind, str] = {
    "unauthorized": "; make a key with the scopes misc, instance_read, instance_write and "
    "billing_read, and put it in the key's file",
    "no_credit": "; add credit to the account",
    "no_gpu": "; it waits for its card, and would be billed from then on: stop or destroy it",
}
Shape = TypeVar("Shape", bound=BaseModel)


class Vast:
    """An account at Vast.ai, or at what speaks like it."""

    def __init__(  # noqa: PLR0913  the last two are the effects
        self,
        key: str,
        url: str = URL,
        *,
        name: ProviderOfMachines = "vast",
        intervals: Mapping[str, float] = INTERVALS,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Take an account's key; the scopes that `_REMEDIES` names are enough."""
        self._name: ProviderOfMachines = name
        self._api = Asking(
            who=name,
            url=url,
            key=key,
            intervals=intervals,
            timeout_s=timeout_s,
            clock=clock,
            sleep=sleep,
        )
        self._wishes: dict[str, Wish] = {}

    @property
    def name(self) -> ProviderOfMachines:
        """Who it is."""
        return self._name

    async def search(self, want: Want) -> Sequence[Offer] | RentFailure:
        """Return what fits, the cheapest first; empty if nothing does."""
        asked = Request(
            method="POST", path="/api/v0/bundles/", endpoint="search", body=search_body(want)
        )
        found = self._good(OffersJson, await self._api.ask(asked))
        if isinstance(found, RentFailure):
            return found
        offers = (offer_of(OfferJson.read(one), want, self._name) for one in found.offers)
        fitting = (one for one in offers if one is not None)
        return sorted(fitting, key=lambda one: (one.hourly_nano_usd, one.offer_id))

    async def create(self, offer: Offer, spec: MachineSpec) -> Instance | RentFailure:
        """Rent it and boot it: a bid with its price, on demand without. It is sent once.

        After any failure there may be an instance: a bid too low makes a stopped one whose disk
        is billed. It bears the label, and `instances` finds it.
        """
        if (why := unfit(spec)) is not None:
            return self._api.failure("rejected", why)
        bid_nano_usd = offer.hourly_nano_usd - offer.stopped_hourly_nano_usd
        asked = Request(
            method="PUT",
            path=f"/api/v0/asks/{offer.offer_id}/",
            endpoint="create",
            body=create_body(spec) | ({"price": usd(bid_nano_usd)} if offer.interruptible else {}),
            tries=1,
        )
        made = self._good(CreatedJson, await self._api.ask(asked))
        if isinstance(made, RentFailure):
            is_early = made.kind == "rate_limited"
            return replace(made, retry_after_s=CREATE_PENALTY_S) if is_early else made
        instance_id = str(made.new_contract)
        self._wishes[instance_id] = "starting"
        return Instance(
            provider=self._name,
            instance_id=instance_id,
            label=spec.label,
            state="loading",
            gpu=offer.gpu,
            hourly_nano_usd=offer.hourly_nano_usd,
            stopped_hourly_nano_usd=offer.stopped_hourly_nano_usd,
            interruptible=offer.interruptible,
        )

    async def start(self, instance_id: str) -> RentFailure | None:
        """Ask for the card back; if it is taken, the instance stays `stopped` and waits for it.

        It starts and bills when the card comes free, unless it is stopped or destroyed before.
        """
        failure = await self._manage(instance_id, "running")
        if failure is None:
            self._wishes[instance_id] = "starting"
        return failure

    async def stop(self, instance_id: str) -> RentFailure | None:
        """Give the card back and keep the disk; also of one that loads or waits for its card."""
        failure = await self._manage(instance_id, "stopped")
        if failure is None:
            self._wishes[instance_id] = "stopped"
        return failure

    async def destroy(self, instance_id: str) -> RentFailure | None:
        """End all billing; of one that is gone too, that is success."""
        asked = Request(
            method="DELETE", path=f"/api/v0/instances/{instance_id}/", endpoint="destroy"
        )
        answer = await self._api.ask(asked)
        if not _is_gone(answer) and (failure := self._refusal(answer)) is not None:
            return failure
        self._wishes.pop(instance_id, None)
        return None

    async def status(self, instance_id: str) -> Instance | RentFailure | None:
        """Return what there is; `None`: it is gone."""
        asked = Request(method="GET", path=f"/api/v0/instances/{instance_id}/", endpoint="show")
        answer = await self._api.ask(asked)
        if _is_gone(answer):
            return None
        shown = self._good(ShownJson, answer)
        if isinstance(shown, RentFailure):
            return shown
        return None if shown.instances is None else self._instance(shown.instances)

    async def instances(self, prefix: str) -> Sequence[Instance] | RentFailure:
        """Return every instance of the account whose label begins so, all pages of them."""
        found: list[Instance] = []
        query = {"limit": "25"}
        for _ in range(MOST_PAGES):
            asked = Request(method="GET", path="/api/v1/instances/", endpoint="list", query=query)
            page = self._good(PageJson, await self._api.ask(asked))
            if isinstance(page, RentFailure):
                return page
            found += [
                self._instance(one)
                for one in page.instances
                if (one.label or "").startswith(prefix)
            ]
            if page.next_token is None:
                return found
            query = query | {"after_token": page.next_token}
        return self._api.failure("unreachable", f"its list has no end after {MOST_PAGES} pages")

    async def charges(self, since: float, until: float) -> Sequence[Charge] | RentFailure:
        """Return the lines of the bill that overlap the time, by the provider's own account."""
        days = {"day": {"gte": int(since), "lte": int(until)}, "type": {"in": ["instance"]}}
        found: list[Charge] = []
        query = {"select_filters": json.dumps(days), "limit": "500"}
        for _ in range(MOST_PAGES):
            asked = Request(method="GET", path="/api/v0/charges/", endpoint="charges", query=query)
            page = self._good(ChargesJson, await self._api.ask(asked))
            if isinstance(page, RentFailure):
                return page
            lines = [line for one in page.results for line in charges_of(one)]
            found += [line for line in lines if line.until >= since and line.since <= until]
            if page.next_token is None:
                return found
            query = query | {"after_token": page.next_token}
        return self._api.failure("unreachable", f"its bill has no end after {MOST_PAGES} pages")

    async def close(self) -> None:
        """Close connections."""
        await self._api.close()

    async def _manage(self, instance_id: str, state: str) -> RentFailure | None:
        asked = Request(
            method="PUT",
            path=f"/api/v0/instances/{instance_id}/",
            endpoint="manage",
            body={"state": state},
        )
        return self._refusal(await self._api.ask(asked))

    def _instance(self, shown: InstanceJson) -> Instance:
        instance = instance_of(shown, self._wishes.get(str(shown.id)), self._name)
        if instance.state in ("loading", "running") and shown.intended_status != "stopped":
            self._wishes[instance.instance_id] = "up"
        return instance

    def _good(self, shape: type[Shape], answer: Answer | RentFailure) -> Shape | RentFailure:
        if isinstance(answer, RentFailure):
            return answer
        return self._refusal(answer) or self._api.read(shape, answer)

    def _refusal(self, answer: Answer | RentFailure) -> RentFailure | None:
        if isinstance(answer, RentFailure):
            return answer
        if not isinstance(answer.json, dict):
            said = f"answered {answer.status} with what is no object of JSON: {answer.text!r}"
            return self._api.failure("unreachable", said)
        said = ErrorJson.read(cast("object", answer.json))
        kind = refusal_kind(answer.status, said)
        if kind is None:
            return None
        words = f"refused with {answer.status}: {said.words or answer.text!r}"
        return self._api.failure(kind, f"{words}{_REMEDIES.get(kind, '')}")


def _is_gone(answer: Answer | RentFailure) -> bool:
    return isinstance(answer, Answer) and is_gone(answer.status, answer.json)
