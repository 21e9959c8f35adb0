# Serve's own signatures are partly unknown to checkers.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Builder of the Serve application `local`; needs neither vLLM nor VPS_1."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application

from deployments.local.definition import DEPLOYMENT, Definition
from deployments.local.engine import Engine
from deployments.local.profile import definition_of
from deployments.local.relay import Relay
from router.doctor.report import check
from tercet.config import load, settings
from tercet.errors import ConfigError
from tercet.local_file import LocalDefinition, load_local
from tercet.local_model import LocalModel, ProfileName
from tercet.rental_file import load_rental

# An HTTP server in front of the replica would be a way around the gateway.
NO_INGRESS = {"RAY_SERVE_ENABLE_HA_PROXY": "0", "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"}
ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    # The engine's own sockets unpickle what they are sent (CVE-2025-32444).
    "VLLM_HOST_IP": "127.0.0.1",
    **NO_INGRESS,
}


class Arguments(BaseModel):
    """`args` of the application in `serve_config.yaml`."""

    model_config = ConfigDict(extra="forbid")

    profile: ProfileName | None = None
    """Of `local.yaml`; left out, the one the gateway uses, and `gpu` if that has none: an
    application that nobody wakes costs nothing."""
    idle_s: float | None = Field(default=None, gt=0)
    """Overrides `lifecycle.idle_s`."""
    config: Path | None = None
    """Folder of the configuration; the project's own `config/` if left out."""


def build(args: Arguments) -> Application:
    """Build the application.

    Raises:
        ConfigError: the model cannot run on its card as it is set.
    """
    told = load_local(args.config)
    model = told.profiles[args.profile] if args.profile else _in_force(args, told)
    _refuse_what_cannot_work(model, told)
    definition = definition_of(model, told.lifecycle, idle_s=args.idle_s)
    rules, config = load_rental(args.config), None if args.config is None else str(args.config)
    chosen = options(definition)
    if rules is not None:
        renting = {"is_rented": True} | ({} if config is None else {"config": config})
        chosen["autoscaling_config"]["policy"]["policy_kwargs"] |= renting
    if rules is not None and rules.mode == "remote_http":
        decorate = serve.deployment(name=DEPLOYMENT, **relayed(chosen))
        return decorate(Relay).bind(definition.model_dump(), config)
    return serve.deployment(name=DEPLOYMENT, **chosen)(Engine).bind(definition.model_dump())


def _in_force(args: Arguments, told: LocalDefinition) -> LocalModel:
    return load(args.config, settings()).local or told.profiles["gpu"]


def _refuse_what_cannot_work(model: LocalModel, told: LocalDefinition) -> None:
    if model.card is None:
        return
    report = check(model, told.cards[model.card])
    if report.problems:
        found = "\n".join(f"- {problem}" for problem in report.problems)
        raise ConfigError(
            f"config/local.yaml: {model.name} cannot run on {model.card} as it is set:\n{found}\n"
            "`tercet doctor` has the arithmetic"
        )


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
            # It begins at these; an `initial_replicas` would stop a running one at each deployment.
            "min_replicas": 0,
            "max_replicas": 1,
            "target_ongoing_requests": definition.concurrency,
            # The policy has the only say.
            "upscale_delay_s": 0.0,
            "downscale_delay_s": 0.0,
            "downscale_to_zero_delay_s": 0.0,
            "metrics_interval_s": 1.0,
            "look_back_period_s": 2.0,
            "policy": {
                "policy_function": "deployments.local.scaling:KeepAlive",
                "policy_kwargs": {
                    "idle_s": definition.idle_s,
                    "give_up_s": definition.give_up_s,
                },
            },
        },
        "ray_actor_options": {
            "num_cpus": definition.cpus,
            "num_gpus": definition.gpus,
            "resources": definition.resources,
            "runtime_env": {"env_vars": ENVIRONMENT | definition.environment},
        },
    }


def relayed(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the options where the replica is on the head, and its engine outside the cluster."""
    return chosen | {
        "ray_actor_options": {
            "num_cpus": 0.1,
            "label_selector": {"node": "vps_2"},
            "runtime_env": {"env_vars": NO_INGRESS},
        }
    }
