"""A driver of the rehearsed cluster: takes JSON lines, one call each, and answers with one each.

A process of its own, because Ray reads who it is from the environment when it is imported.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from cluster import tunnel
from deployments.serve import listen_on_own_address
from tercet.config import environment


@serve.deployment(
    name="StandIn",
    ray_actor_options={
        "num_cpus": 0,
        "resources": {"VPS_1": 1},
        # As `deployments.local.app` has them: no HTTP server on the machine.
        "runtime_env": {
            "env_vars": {"RAY_SERVE_ENABLE_HA_PROXY": "0", "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}
        },
    },
    health_check_period_s=1.0,
    health_check_timeout_s=5.0,
    graceful_shutdown_timeout_s=1.0,
    autoscaling_config={
        "min_replicas": 0,
        "max_replicas": 1,
        "upscale_delay_s": 0.0,
        "downscale_delay_s": 0.0,
        "downscale_to_zero_delay_s": 0.0,
        "metrics_interval_s": 0.5,
        "look_back_period_s": 1.0,
        "policy": {
            "policy_function": "deployments.local.scaling:KeepAlive",
            "policy_kwargs": {
                "idle_s": 2.0,
                "give_up_s": 120.0,
                "is_rented": True,
                "config": environment()["TEST_CONFIG"],
            },
        },
    },
)
class StandIn:
    """Stands for the local model: it wants the same node."""

    def __init__(self) -> None:
        listen_on_own_address()

    def __call__(self) -> list[str]:
        return [str(Path("/proc/self/ns/net").readlink()), environment()["RAY_CLOUD_INSTANCE_ID"]]


def connect() -> None:
    ray.init(address=f"{tunnel.HEAD}:{tunnel.GCS_PORT}", log_to_driver=False, logging_level="error")
    serve.start(proxy_location="Disabled")


def deploy() -> str:
    serve.run(StandIn.bind(), name="stand_in", route_prefix=None, blocking=False)
    return "deployed"


async def ask(within_s: float) -> list[str] | None:
    """Ask until there is an answer: a call whose replica dies is asked again."""
    handle = serve.get_deployment_handle("StandIn", "stand_in")
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while True:
                try:
                    return await handle.remote()
                except (RayError, RayServeException) as error:
                    sys.stderr.write(f"{type(error).__name__}: {error}\n")
                    await asyncio.sleep(0.5)
    return None


def nodes() -> list[str]:
    return sorted(node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"])


CALLS = {"deploy": deploy, "ask": ask, "nodes": nodes}


async def main(replies: IO[str]) -> None:
    connect()
    replies.write('"ready"\n')
    replies.flush()
    # The loop runs on meanwhile: by it Serve's handle hears of replicas.
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, arguments = json.loads(line)
        result = CALLS[name](*arguments)
        replies.write(json.dumps(await result if asyncio.iscoroutine(result) else result) + "\n")
        replies.flush()


if __name__ == "__main__":
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints what it likes
    asyncio.run(main(out))
