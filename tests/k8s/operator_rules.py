"""What KubeRay's operator 1.7 refuses although the schema lets it pass (see data/README.md)."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Spec = Mapping[str, Any]
Rule = Callable[[Spec], Iterator[str]]

UPGRADES = ("NewCluster", "NewClusterWithIncrementalUpgrade", "None")
LONGEST_NAME = 47
LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
LABEL_KEY = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
# Feature gates that are off in 1.7.0, by the field that needs them.
GATED = {
    "networkPolicy": "RayClusterNetworkPolicy",
    "tlsOptions": "RayClusterMTLS",
    "historyServerOptions": "RayClusterHistoryServer",
}
V2_VARIABLE = "RAY_enable_autoscaler_v2"
FT_ANNOTATION = "ray.io/ft-enabled"
STORAGE_ANNOTATION = "ray.io/external-storage-namespace"


def refusals(service: Spec) -> list[str]:
    """Return why the operator would not run this RayService."""
    cluster = service["spec"]["rayClusterConfig"]
    found = [it for rule in SERVICE_RULES for it in rule(service)]
    return found + [it for rule in CLUSTER_RULES for it in rule(cluster)]


def name(service: Spec) -> Iterator[str]:
    it = service["metadata"]["name"]
    if len(it) > LONGEST_NAME or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", it):
        yield f"name: {it} is no DNS label of at most {LONGEST_NAME} characters"


def upgrade(service: Spec) -> Iterator[str]:
    strategy = service["spec"].get("upgradeStrategy", {})
    kind = strategy.get("type", "NewCluster")
    if kind not in UPGRADES:
        yield f"upgrade: {kind} is none of {UPGRADES}"
    if kind == "NewClusterWithIncrementalUpgrade":
        if not service["spec"]["rayClusterConfig"].get("enableInTreeAutoscaling"):
            yield "upgrade: an incremental one needs the autoscaler"
        yield from _incremental(strategy.get("clusterUpgradeOptions"))


def _incremental(options: Spec | None) -> Iterator[str]:
    if options is None:
        yield "upgrade: an incremental one needs clusterUpgradeOptions"
        return
    surge, step = options.get("maxSurgePercent", 100), options["stepSizePercent"]
    if not 0 <= step <= surge <= 100:
        yield "upgrade: 0 <= stepSizePercent <= maxSurgePercent <= 100"
    if options["intervalSeconds"] <= 0:
        yield "upgrade: intervalSeconds is not positive"
    if not options.get("gatewayClassName"):
        yield "upgrade: gatewayClassName is missing"


def annotations(service: Spec) -> Iterator[str]:
    told = service["metadata"].get("annotations", {})
    has_options = "gcsFaultToleranceOptions" in service["spec"]["rayClusterConfig"]
    for it in (FT_ANNOTATION, STORAGE_ANNOTATION):
        if has_options and told.get(it):
            yield f"fault tolerance: {it} and gcsFaultToleranceOptions are both set"


def serve_port(service: Spec) -> Iterator[str]:
    ports = _container(service["spec"]["rayClusterConfig"]["headGroupSpec"]).get("ports", [])
    if not any(re.match(r"serve($|-)", port.get("name", "")) for port in ports):
        yield "head: no port is called serve"


def head_service(service: Spec) -> Iterator[str]:
    head = service["spec"]["rayClusterConfig"]["headGroupSpec"]
    if head.get("headService", {}).get("metadata", {}).get("name"):
        yield "head: headService may not have a name"


def containers(cluster: Spec) -> Iterator[str]:
    for label, group in _groups(cluster):
        if not group["template"]["spec"].get("containers"):
            yield f"{label}: no container"


def replicas(cluster: Spec) -> Iterator[str]:
    for group in cluster.get("workerGroupSpecs", []):
        least, most = group.get("minReplicas"), group.get("maxReplicas")
        if None in (least, most):
            if not cluster.get("enableInTreeAutoscaling"):
                yield f"{group['groupName']}: without autoscaler, minReplicas and maxReplicas"
        elif not 0 <= least <= most:
            yield f"{group['groupName']}: 0 <= minReplicas <= maxReplicas"


def resources(cluster: Spec) -> Iterator[str]:
    for label, group in _groups(cluster):
        told = {"num-cpus", "num-gpus", "memory", "resources"} & set(_parameters(group))
        if told and group.get("resources"):
            yield f"{label}: resources are also told in rayStartParams: {sorted(told)}"


def labels(cluster: Spec) -> Iterator[str]:
    for label, group in _groups(cluster):
        if "labels" in _parameters(group):
            yield f"{label}: labels belong under labels, not in rayStartParams"
        for key, value in group.get("labels", {}).items():
            if not (LABEL_KEY.fullmatch(key) and LABEL_VALUE.fullmatch(value)):
                yield f"{label}: {key}={value} is no label of Kubernetes"


def only_with_v2(cluster: Spec) -> Iterator[str]:
    for group in cluster.get("workerGroupSpecs", []):
        if "idleTimeoutSeconds" in group and not _is_v2(cluster):
            yield f"{group['groupName']}: idleTimeoutSeconds needs autoscaler v2"
        if group.get("priority") and not (_is_v2(cluster) and _version(cluster) >= (2, 56)):
            yield f"{group['groupName']}: priority needs autoscaler v2 and Ray 2.56"


def restarts(cluster: Spec) -> Iterator[str]:
    if not (_is_v2(cluster) and cluster.get("enableInTreeAutoscaling")):
        return
    for label, group in _groups(cluster):
        if group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            yield f"{label}: with autoscaler v2, restartPolicy is Never or left out"


def one_way_to_v2(cluster: Spec) -> Iterator[str]:
    value = _environment(cluster["headGroupSpec"]).get(V2_VARIABLE)
    if not cluster.get("enableInTreeAutoscaling"):
        if value in ("1", "true"):
            yield f"head: {V2_VARIABLE} without autoscaler"
    elif value is not None and cluster.get("autoscalerOptions", {}).get("version"):
        yield f"head: {V2_VARIABLE} and autoscalerOptions.version are both set"


def autoscaler(cluster: Spec) -> Iterator[str]:
    options = cluster.get("autoscalerOptions", {})
    if options.get("idleTimeoutSeconds", 0) < 0:
        yield "autoscaler: idleTimeoutSeconds is negative"
    if any(it["name"] == "KUBERAY_GEN_AUTOSCALER_START_CMD" for it in options.get("env", [])):
        yield "autoscaler: KUBERAY_GEN_AUTOSCALER_START_CMD is the operator's"
    if cluster.get("enableInTreeAutoscaling"):
        for group in cluster.get("workerGroupSpecs", []):
            if group.get("suspend"):
                yield f"{group['groupName']}: no suspend with the autoscaler"


def fault_tolerance(cluster: Spec) -> Iterator[str]:
    options, head = cluster.get("gcsFaultToleranceOptions"), cluster["headGroupSpec"]
    variables = _environment(head)
    if "RAY_REDIS_ADDRESS" in variables:
        yield "fault tolerance: RAY_REDIS_ADDRESS belongs in gcsFaultToleranceOptions"
    if "REDIS_USERNAME" in variables or "redis-username" in _parameters(head):
        yield "fault tolerance: the user of Redis belongs in gcsFaultToleranceOptions"
    if options is None:
        return
    if "REDIS_PASSWORD" in variables or _parameters(head).get("redis-password"):
        yield "fault tolerance: the password of Redis belongs in gcsFaultToleranceOptions"
    if options.get("backend", "redis") != "redis":
        yield "fault tolerance: rocksdb needs the gate GCSFaultToleranceEmbeddedStorage"
    elif "storage" in options:
        yield "fault tolerance: storage is for rocksdb alone"


def authentication(cluster: Spec) -> Iterator[str]:
    options = cluster.get("authOptions")
    if options is None:
        return
    if options.get("enableK8sTokenAuth"):
        yield "authentication: tokens of Kubernetes are not for a RayService"
    if options.get("mode", "token") == "token" and _version(cluster) < (2, 52):
        yield "authentication: tokens need rayVersion 2.52 or newer"


def gates(cluster: Spec) -> Iterator[str]:
    yield from (f"gate: {it} needs {gate}" for it, gate in GATED.items() if it in cluster)


SERVICE_RULES: tuple[Rule, ...] = (name, upgrade, annotations, serve_port, head_service)
CLUSTER_RULES: tuple[Rule, ...] = (
    *(containers, replicas, resources, labels, only_with_v2, restarts, one_way_to_v2),
    *(autoscaler, fault_tolerance, authentication, gates),
)


def _groups(cluster: Spec) -> Iterator[tuple[str, Spec]]:
    yield "head", cluster["headGroupSpec"]
    yield from ((group["groupName"], group) for group in cluster.get("workerGroupSpecs", []))


def _container(group: Spec) -> Spec:
    return next(iter(group["template"]["spec"].get("containers", [])), {})


def _parameters(group: Spec) -> Mapping[str, str]:
    return group.get("rayStartParams", {})


def _environment(group: Spec) -> Mapping[str, str | None]:
    return {it["name"]: it.get("value") for it in _container(group).get("env", [])}


def _is_v2(cluster: Spec) -> bool:
    return cluster.get("autoscalerOptions", {}).get("version") == "v2"


def _version(cluster: Spec) -> tuple[int, ...]:
    return tuple(int(it) for it in re.findall(r"\d+", cluster.get("rayVersion", ""))[:2])
