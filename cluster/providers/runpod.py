"""RunPod: the `GpuProvider` over its REST API v2; on demand alone, it has nothing to bid for.

Shapes and words are those of github.com/runpod/docs at a900806, api-reference-v2/openapi.json.
With a network volume, stopping is of no use: the pod is tied to its host, and the volume is not.
The caller destroys it then, and the next create may go anywhere in the volume's data centre.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import BaseModel

from cluster.providers.asking import TIMEOUT_S, Answer, Asking, Request, Sleep
from cluster.providers.prices import nano
from cluster.providers.runpod_wire import (
    BillJson,
    Cloud,
    GpusJson,
    PodJson,
    PodsJson,
    ProblemJson,
    charges_of,
    create_body,
    has_card,
    instance_of,
    offers_of,
    refusal_kind,
)
from tercet.renting import (
    Charge,
    Instance,
    MachineSpec,
    Offer,
    ProviderOfMachines,
    RentFailure,
    Want,
)

URL = "https://api.runpod.io"
_REMEDIES = {
    "unauthorized": "; make a restricted key that may read and write pods and read billing, and "
    "put it in the key's file",
    "no_credit": "; add credit to the account",
    "no_offer": "; there is no room, or the account or its key may not use this pool",
}
Shape = TypeVar("Shape", bound=BaseModel)


class RunPod:
    """An account at RunPod."""

    def __init__(
        self,
        key: str,
        url: str = URL,
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Take an account's key; its pace is what RunPod's own headers say."""
        self._api = Asking(
            who="runpod",
            url=url,
            key=key,
            intervals={},
            timeout_s=timeout_s,
            clock=clock,
            sleep=sleep,
        )
        self._hourly: dict[tuple[str, Cloud], int] = {}
        """Of a card, as last seen: a stopped pod's own price reads 0."""

    @property
    def name(self) -> ProviderOfMachines:
        """Who it is."""
        return "runpod"

    async def search(self, want: Want) -> Sequence[Offer] | RentFailure:
        """Return what fits, the cheapest first; empty if nothing does, as for every bid."""
        if want.interruptible:
            return ()
        cloud: Cloud = "SECURE" if want.trusted else "COMMUNITY"
        gpus = await self._catalog(cloud)
        if isinstance(gpus, RentFailure):
            return gpus
        return sorted(offers_of(gpus, want), key=lambda one: one.hourly_nano_usd)

    async def create(self, offer: Offer, spec: MachineSpec) -> Instance | RentFailure:
        """Rent it and boot it; it is billed from now on. It is sent once.

        After `unreachable` there may be a pod all the same; it bears the label.
        """
        asked = Request(
            method="POST",
            path="/v2/pods",
            endpoint="create",
            body=create_body(offer, spec),
            tries=1,
        )
        pod = self._good(PodJson, await self._api.ask(asked), of_create=True)
        return pod if isinstance(pod, RentFailure) else await self._instance(pod)

    async def start(self, instance_id: str) -> RentFailure | None:
        """Boot a stopped pod on the host it is tied to."""
        return await self._act(instance_id, "start")

    async def stop(self, instance_id: str) -> RentFailure | None:
        """Give the card back and keep the volume disk; the container's is lost."""
        return await self._act(instance_id, "stop")

    async def destroy(self, instance_id: str) -> RentFailure | None:
        """End all billing but a network volume's; of one that is gone too, that is success."""
        asked = Request(method="DELETE", path=f"/v2/pods/{instance_id}", endpoint="destroy")
        answer = await self._api.ask(asked)
        if isinstance(answer, Answer) and (answer.status == 204 or _is_gone(answer)):
            return None
        return self._refusal(answer)

    async def status(self, instance_id: str) -> Instance | RentFailure | None:
        """Return what there is; `None`: it is gone."""
        pod = await self._pod(instance_id)
        return await self._instance(pod) if isinstance(pod, PodJson) else pod

    async def instances(self, prefix: str) -> Sequence[Instance] | RentFailure:
        """Return every pod of the account whose name begins so; the list has one page."""
        asked = Request(method="GET", path="/v2/pods", endpoint="list")
        found = self._good(PodsJson, await self._api.ask(asked))
        if isinstance(found, RentFailure):
            return found
        instances: list[Instance] = []
        for pod in found.pods:
            if pod.status == "TERMINATED" or not pod.name.startswith(prefix):
                continue
            instance = await self._instance(pod)
            if isinstance(instance, RentFailure):
                return instance
            instances.append(instance)
        return instances

    async def charges(self, since: float, until: float) -> Sequence[Charge] | RentFailure:
        """Return the bill by whole hours that overlap the time, by RunPod's own account."""
        query = {"startTime": _told(since), "endTime": _told(until), "bucketSize": "hour"}
        asked = Request(method="GET", path="/v2/billing/pods", endpoint="bill", query=query)
        bill = self._good(BillJson, await self._api.ask(asked))
        if isinstance(bill, RentFailure):
            return bill
        return [charge for record in bill.records for charge in charges_of(record)]

    async def close(self) -> None:
        """Close connections."""
        await self._api.close()

    async def _act(self, instance_id: str, action: Literal["start", "stop"]) -> RentFailure | None:
        """Ask for a change; refused because there is nothing to change is done."""
        asked = Request(
            method="POST",
            path=f"/v2/pods/{instance_id}/action",
            endpoint="action",
            body={"action": action},
        )
        answer = await self._api.ask(asked)
        if isinstance(answer, Answer) and answer.status == 409:
            return await self._conflict(instance_id, action, answer)
        pod = self._good(PodJson, answer)
        if isinstance(pod, RentFailure):
            return self._no_gpu(pod.message) if _tells_of_no_gpu(action, pod) else pod
        if action == "start" and not has_card(pod):
            return self._no_gpu(f"the pod {instance_id} was started without a card")
        return None

    async def _conflict(
        self, instance_id: str, action: Literal["start", "stop"], answer: Answer
    ) -> RentFailure | None:
        found = await self.status(instance_id)
        done = ("stopped", "failed") if action == "stop" else ("loading", "running")
        is_done = isinstance(found, Instance) and found.state in done
        return None if is_done else self._refusal(answer)

    def _no_gpu(self, message: str) -> RentFailure:
        said = f"{message}; its host's card is another's: destroy it and rent another"
        return self._api.failure("no_gpu", said)

    async def _pod(self, instance_id: str) -> PodJson | RentFailure | None:
        asked = Request(method="GET", path=f"/v2/pods/{instance_id}", endpoint="show")
        answer = await self._api.ask(asked)
        if isinstance(answer, Answer) and _is_gone(answer):
            return None
        pod = self._good(PodJson, answer)
        return None if isinstance(pod, PodJson) and pod.status == "TERMINATED" else pod

    async def _instance(self, pod: PodJson) -> Instance | RentFailure:
        hourly = await self._card_hourly(pod)
        return hourly if isinstance(hourly, RentFailure) else instance_of(pod, hourly)

    async def _card_hourly(self, pod: PodJson) -> int | RentFailure:
        """Return a pod's price by itself, or what its like costs where it says 0: stopped."""
        if pod.gpu is None:
            return nano(pod.cost)
        card = (pod.gpu.id, pod.cloud)
        if pod.cost:
            self._hourly[card] = nano(pod.cost)
        elif card not in self._hourly:
            gpus = await self._catalog(pod.cloud)
            if isinstance(gpus, RentFailure):
                return gpus
        if card not in self._hourly:
            return self._api.failure("unreachable", f"its catalog has no price of {card}")
        return self._hourly[card]

    async def _catalog(self, cloud: Cloud) -> GpusJson | RentFailure:
        query = {"include": "AVAILABILITY", "product": "POD", "count": "1", "cloud": cloud}
        asked = Request(method="GET", path="/v2/catalog/gpus", endpoint="catalog", query=query)
        gpus = self._good(GpusJson, await self._api.ask(asked))
        if not isinstance(gpus, RentFailure):
            for gpu in gpus.gpus:
                self._hourly.setdefault((gpu.id, cloud), gpu.hourly(cloud))
        return gpus

    def _good(
        self, shape: type[Shape], answer: Answer | RentFailure, *, of_create: bool = False
    ) -> Shape | RentFailure:
        if isinstance(answer, RentFailure):
            return answer
        refusal = self._refusal(answer, of_create=of_create)
        return refusal or self._api.read(shape, answer)

    def _refusal(
        self, answer: Answer | RentFailure, *, of_create: bool = False
    ) -> RentFailure | None:
        if isinstance(answer, RentFailure):
            return answer
        kind = refusal_kind(answer.status, of_create=of_create)
        if kind is None:
            return None
        said = ProblemJson.read(answer.json)
        words = f"refused with {answer.status}: {said.words or repr(answer.text)}"
        return self._api.failure(kind, f"{words}{_REMEDIES.get(kind, '')}")


def _is_gone(answer: Answer) -> bool:
    """Say whether an answer tells that there is no such pod: a proxy's page does not."""
    return answer.status == 404 and bool(ProblemJson.read(answer.json).words)


def _tells_of_no_gpu(action: str, refusal: RentFailure) -> bool:
    said = refusal.message.lower()
    is_of_room = any(word in said for word in ("zero gpu", "no gpu", "not enough free gpu"))
    return action == "start" and refusal.kind != "unauthorized" and is_of_room


def _told(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
