"""A relay in a process of its own, as Serve has it: relay_process.py DEFINITION CONFIG TERMS.

Takes JSON lines, one call each, and answers with one each. It is a process because the relay reads
the environment, and because it has to be killed.
"""

import asyncio
import json
import signal
import sys

from deployments.local.relay import Relay, Terms
from deployments.local.remote import LostError

stopping: list[asyncio.Task] = []


async def call(relay: Relay, name: str, arguments: list) -> object:
    match name:
        case "chat":
            return [chunk async for chunk in relay.chat(*arguments)]
        case "leave":
            async for _ in (chunks := relay.chat(*arguments)):
                break
            await chunks.aclose()
            return "left"
        case _:
            return await getattr(relay, name)()


async def main() -> None:
    definition, config, terms = sys.argv[1:]
    relay = Relay.__new__(Relay)
    loop = asyncio.get_running_loop()
    # What Serve does with a replica that has to go, started or not.
    loop.add_signal_handler(
        signal.SIGTERM, lambda: stopping.append(loop.create_task(relay.close()))
    )
    try:
        await relay.__init__(json.loads(definition), config, Terms(**json.loads(terms)))
    except RuntimeError as error:
        say({"error": repr(error)})
        return
    say({"is": "ready"})
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            say({"is": await call(relay, *json.loads(line))})
        except LostError as error:
            say({"error": repr(error)})


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
