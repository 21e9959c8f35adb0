"""The composition root of the application that `serve_config.yaml` names."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict
from ray.serve import Application

from deployments.local_proxy import LocalProxy
from deployments.proxy import TierProxy
from deployments.serve import deploy, deploy_http
from router.auditor import Auditor
from router.ingress import Ingress
from tercet.catalog import LOCAL
from tercet.config import load


class Arguments(BaseModel):
    """`args` of the application in `serve_config.yaml`."""

    model_config = ConfigDict(extra="forbid")

    config: Path | None = None
    """Folder of the configuration; the project's own `config/` if left out."""


def build(args: Arguments) -> Application:
    """Build the gateway: one ingress in front of one proxy per tier, and the auditor beside it.

    Raises:
        ConfigError: the configuration cannot be run.
    """
    config = load(args.config)
    tiers = [tier for tier in config.catalog.tiers if tier != LOCAL]
    proxies = {tier: deploy(TierProxy, tier.capitalize(), tier, config) for tier in tiers}
    # Also without a local model: `serve_config.yaml` names each deployment.
    proxies[LOCAL] = deploy(LocalProxy, LOCAL.capitalize(), config)
    auditor = deploy(Auditor, "Auditor", config)
    return deploy_http(Ingress, "Ingress", config, proxies, auditor)
