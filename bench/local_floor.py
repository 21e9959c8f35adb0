"""The engine without Serve and the gateway: local_floor.py DEFINITION ASKED, by VPS_1's Python.

Both arguments are JSON: a definition of `deployments.local`, and `{"tokens", "streams", "times"}`.
Prints one line of JSON for each number of streams: seconds to the first token, and tokens a second.
"""

import asyncio
import json
import sys
import time
from statistics import median

from deployments.local import vllm_server

MESSAGES = [{"role": "user", "content": "Tell me more."}]


async def main() -> None:
    """Measure, and print."""
    definition, asked = (json.loads(argument) for argument in sys.argv[1:])
    server = await vllm_server.start(definition)
    await stream(server, 8)
    for streams in asked["streams"]:
        rounds = [await together(server, streams, asked["tokens"]) for _ in range(asked["times"])]
        first_s, tokens_s = (median(column) for column in zip(*rounds, strict=True))
        sys.stdout.write(json.dumps([streams, first_s, tokens_s]) + "\n")
    server.stop()


async def together(server: vllm_server.Server, streams: int, tokens: int) -> tuple[float, float]:
    """Return the median time to the first token, and all tokens a second."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        jobs = [group.create_task(stream(server, tokens)) for _ in range(streams)]
    elapsed_s = time.perf_counter() - began
    firsts, counts = zip(*(job.result() for job in jobs), strict=True)
    return median(firsts), sum(counts) / elapsed_s


async def stream(server: vllm_server.Server, tokens: int) -> tuple[float, int]:
    """Return the seconds to the first token, and how many there were."""
    began = time.perf_counter()
    first_s = 0.0
    count = 0
    async for chunk in server.stream({"messages": MESSAGES, "max_tokens": tokens}, {}):
        if "error" in chunk:
            raise RuntimeError(chunk["error"])
        said = any(choice["delta"].get("content") for choice in chunk["choices"])
        first_s = first_s or (time.perf_counter() - began if said else 0.0)
        count = (chunk.get("usage") or {}).get("completion_tokens", count)
    return first_s, count


if __name__ == "__main__":
    asyncio.run(main())
