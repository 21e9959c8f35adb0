"""Who may reach whom, as NetworkPolicies say it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Labels = Mapping[str, str]
Policy = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """A pod, or an address outside the cluster."""

    labels: Labels = field(default_factory=dict[str, str])
    namespace: Labels = field(default_factory=lambda: {"kubernetes.io/metadata.name": "tercet"})
    address: str | None = None


def admits(policies: list[Policy], way: str, pod: Labels, peer: Peer, port: int) -> bool:
    """Say whether `pod` takes from (`Ingress`) or sends to (`Egress`) `peer`."""
    about = [
        it["spec"]
        for it in policies
        if way in it["spec"]["policyTypes"] and selects(it["spec"]["podSelector"], pod)
    ]
    if not about:
        return True  # whoever no policy is about is open
    side = "from" if way == "Ingress" else "to"
    rules = [rule for spec in about for rule in spec.get(way.lower(), [])]
    return any(
        _is_port(rule, port)
        and (side not in rule or any(_is_peer(it, peer) for it in rule[side]))
        for rule in rules
    )  # fmt: skip


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    wanted: Labels = selector.get("matchLabels", {})
    among = selector.get("matchExpressions", [])
    assert {it["operator"] for it in among} <= {"In"}, "teach this reader the operator"
    return wanted.items() <= labels.items() and all(
        labels.get(it["key"]) in it["values"] for it in among
    )


def _is_port(rule: Mapping[str, Any], port: int) -> bool:
    return "ports" not in rule or any(it["port"] == port for it in rule["ports"])


def _is_peer(entry: Mapping[str, Any], peer: Peer) -> bool:
    if "ipBlock" in entry:
        block = entry["ipBlock"]
        return (
            peer.address is not None
            and ip_address(peer.address) in ip_network(block["cidr"])
            and not any(
                ip_address(peer.address) in ip_network(it) for it in block.get("except", [])
            )
        )
    if peer.address is not None:
        return False
    own = {"matchLabels": {"kubernetes.io/metadata.name": "tercet"}}
    return selects(entry.get("namespaceSelector", own), peer.namespace) and selects(
        entry.get("podSelector", {}), peer.labels
    )
