"""The composition root of the application that `serve_config.yaml` names."""

from pathlib import Path
from typing import Any, cast

import ray
from pydantic import BaseModel, ConfigDict
from ray.serve import Application
from ray.serve.context import _get_global_client  # pyright: ignore[reportPrivateUsage]

from deployments.ledger import LedgerError
from deployments.ledger.inspection import inspected
from deployments.local_proxy import LocalProxy
from deployments.proxy import TierProxy
from deployments.serve import deploy, deploy_http
from router.auditor import Auditor
from router.doctor.starting import Place, needs_key, objections
from router.ingress import Ingress
from tercet.catalog import LOCAL
from tercet.config import Settings, environment, load, settings
from tercet.errors import ConfigError


class Arguments(BaseModel):
    """`args` of the application in `serve_config.yaml`."""

    model_config = ConfigDict(extra="forbid")

    config: Path | None = None
    """Folder of the configuration; the project's own `config/` if left out."""
    local: bool = True
    """Whether to build `Local`. `serve_config.yaml` names it, so it is built though it may have no
    model to ask; `make run` leaves both out then, which saves a replica's memory."""


def build(args: Arguments) -> Application:
    """Build the gateway: one ingress in front of one proxy per tier, and the auditor beside it.

    Raises:
        ConfigError: the configuration cannot be run, or must not be run here.
    """
    if ray.is_initialized():
        require_shut(_place(), settings())
    config = load(args.config)
    tiers = [tier for tier in config.catalog.tiers if tier != LOCAL]
    proxies = {tier: deploy(TierProxy, tier.capitalize(), tier, config) for tier in tiers}
    if args.local:
        proxies[LOCAL] = deploy(LocalProxy, LOCAL.capitalize(), config)
    auditor = deploy(Auditor, "Auditor", config)
    return deploy_http(Ingress, "Ingress", config, proxies, auditor)


def require_shut(place: Place, chosen: Settings) -> None:
    """Refuse a place where a gateway may not be started.

    Raises:
        ConfigError: others reach it, and nobody needs a key or Ray needs no token.
    """
    found = list(objections(place, has_key=not needs_key(place) or _has_key(chosen)))
    if found:
        raise ConfigError("\n".join(found))


def _place() -> Place:
    """Ask Serve, which knows by now what it was told: its own options, not a copy in `args`."""
    client, util = _get_global_client(), cast("Any", ray.util)
    if client is None:
        raise ConfigError("Serve does not run; `serve deploy` or `make run` starts it")
    return Place(
        http_host=cast("str", client.http_config.host),
        node=cast("str", util.get_node_ip_address()),
        auth_mode=environment().get("RAY_AUTH_MODE", ""),
    )


def _has_key(chosen: Settings) -> bool:
    if chosen.api_key is not None:
        return True
    try:
        with inspected(chosen.ledger) as books:
            return any(key.revoked_at is None for key in books.every_key())
    except LedgerError:
        return False  # not made yet, so nobody has made a key either
