# Serve's own signatures are partly unknown to checkers.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Builder of the Serve application `local`; needs neither vLLM nor VPS_1."""

from typing import Any

from ray import serve
from ray.serve import Application

from deployments.local.definition import Definition
from deployments.local.engine import Engine

DEPLOYMENT = "Engine"
ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    # The engine's own sockets unpickle what they are sent (CVE-2025-32444).
    "VLLM_HOST_IP": "127.0.0.1",
    # An HTTP server in front of the replica would be a way around the gateway.
    "RAY_SERVE_ENABLE_HA_PROXY": "0",
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
}


def build(args: Definition) -> Application:
    """Build the application that `args` of its entry in the Serve configuration describe."""
    decorate = serve.deployment(name=DEPLOYMENT, **options(args))
    return decorate(Engine).bind(args.model_dump())


def options(definition: Definition) -> dict[str, Any]:
    """Return the options of the deployment."""
    return {
        "max_ongoing_requests": definition.concurrency,
        "max_queued_requests": definition.concurrency,
        "graceful_shutdown_timeout_s": definition.drain_s,
        "graceful_shutdown_wait_loop_s": 0.5,
        "health_check_period_s": 2.0,
        "health_check_timeout_s": 30.0,
        "autoscaling_config": {
            "min_replicas": 0,
            "initial_replicas": 0,
            "max_replicas": 1,
            "target_ongoing_requests": definition.concurrency,
            "upscale_delay_s": 0.0,
            "downscale_delay_s": definition.idle_s,
            "downscale_to_zero_delay_s": definition.idle_s,
            "metrics_interval_s": 1.0,
            "look_back_period_s": 2.0,
        },
        "ray_actor_options": {
            "num_cpus": definition.cpus,
            "num_gpus": definition.gpus,
            "resources": definition.resources,
            "runtime_env": {"env_vars": ENVIRONMENT | definition.environment},
        },
    }
