"""How many requests the engine works on, again and again: observer.py ADDRESS FILE."""

import asyncio
import json
import sys
import time
from pathlib import Path

import ray
from ray import serve


async def main(address: str, file: Path) -> None:
    ray.init(address=address, namespace="serve", log_to_driver=False)
    engine = serve.get_app_handle("local")
    with file.open("a", buffering=1) as told:
        while True:
            at = time.time()
            count = (await engine.state.remote())["unfinished"]
            told.write(json.dumps([at, count]) + "\n")
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
