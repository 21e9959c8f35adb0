"""Rules of upstreams for tests: small numbers, and no chance."""

from dataclasses import replace

from tercet.config import load
from tercet.rules import UpstreamRules

RULES = load().rules.upstreams


def upstream_rules(**changes: object) -> UpstreamRules:
    return replace(RULES, **changes)
