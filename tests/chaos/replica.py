"""The real tier proxy as a host of `fakes.crashing`."""

from tercet.call import Call, Completion, Failure, Outcome
from tercet.config import load


class Proxied:
    """The product's own proxy of one tier."""

    def __init__(self) -> None:
        from deployments.proxy import TierProxy

        self._proxy = TierProxy("tier1", load())

    async def answer(self, call: Call) -> Outcome:
        """Return the call's last word."""
        last: Outcome | None = None
        async for item in self._proxy.call(call):
            if isinstance(item, Completion | Failure):
                last = item
        if last is None:
            raise AssertionError(f"{call.task_id} ended without a last word")
        return last

    async def close(self) -> None:
        await self._proxy.close()
