"""What no overlay may do, and who may reach what in it."""

import re
from collections.abc import Iterator

import pytest
from k8s.networking import Peer, admits
from k8s.rendering import (
    OVERLAYS,
    Manifest,
    changed,
    cluster,
    container,
    of_kind,
    rendered,
    service,
    strings,
    templates,
)

from tercet.config import PROJECT
from tercet.environment import KEY_FILES

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
SECRET_NAME = re.compile(r"KEY|TOKEN|PASSWORD|SECRET|LEDGER")
IMAGE = re.compile(r"[\w./-]+:(?P<ours>[\d.]+)-ray(?P<ray>[\d.]+)@sha256:[0-9a-f]{64}")
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def offences(spec: Manifest) -> list[str]:
    """Return what a RayCluster's spec does that it may not."""
    found = [
        f"{name}: {it}" for name, template in templates(spec).items() for it in _of_pod(template)
    ]
    if "autoscalerOptions" in spec:
        found += [f"autoscaler: {it}" for it in _of_container(spec["autoscalerOptions"])]
    head = spec["headGroupSpec"]
    if head.get("serviceType") != "ClusterIP" or "headService" in head:
        found.append("head: its service may be reached from outside")
    return found


def _of_pod(template: Manifest) -> Iterator[str]:
    spec = template["spec"]
    context = spec.get("securityContext", {})
    if not context.get("runAsNonRoot") or context.get("runAsUser", 0) == 0:
        yield "runs as root"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "has no seccomp profile"
    if spec.get("automountServiceAccountToken", True):
        yield "has a token of the API server"
    if any(spec.get(it) for it in ("hostNetwork", "hostPID", "hostIPC")):
        yield "shares a namespace with its machine"
    for it in spec["volumes"]:
        yield from _of_volume(it, context)
    for it in spec["containers"] + spec.get("initContainers", []):
        yield from _of_container(it)
        yield from _without_probe(it)


def _of_volume(it: Manifest, context: Manifest) -> Iterator[str]:
    if "hostPath" in it:
        yield f"mounts {it['name']}"
    if "secret" in it and it["secret"].get("defaultMode") != 0o440:
        yield f"has {it['name']} that others may read"
    if "secret" in it and "fsGroup" not in context:
        yield f"has {it['name']} that it may not read"


def _without_probe(it: Manifest) -> Iterator[str]:
    missing = {"livenessProbe", "readinessProbe"} - it.keys()
    yield from (f"has no {probe}" for probe in sorted(missing))


def _of_container(it: Manifest) -> Iterator[str]:
    context = it.get("securityContext", {})
    yield from (f"lacks {key}" for key, value in RESTRICTED.items() if context.get(key) != value)
    if "runAsUser" in context or context.get("privileged"):
        yield "is another user than its pod"
    if not {"cpu", "memory", "ephemeral-storage"} <= set(it["resources"].get("limits", {})):
        yield "has no limits"
    if it["resources"].get("requests", {}).keys() != it["resources"].get("limits", {}).keys():
        yield "requests other things than it limits"
    for variable in it.get("env", []):
        if "value" in variable and SECRET_NAME.search(variable["name"]):
            yield f"has the value of {variable['name']}"
        if variable["name"] in KEY_FILES:
            yield f"has {variable['name']} in its environment"
    if not any(mount["mountPath"] == "/tmp" for mount in it.get("volumeMounts", [])):  # noqa: S108
        yield "has nowhere to write"


@each_overlay
def test_nothing_does_what_it_may_not(overlay: str) -> None:
    assert offences(cluster(overlay)) == []


POD = "headGroupSpec/template/spec"
OFFENCES = {
    "head: runs as root": (f"{POD}/securityContext/runAsUser", 0),
    "head: has no seccomp profile": (f"{POD}/securityContext/seccompProfile", None),
    "head: has a token of the API server": (f"{POD}/automountServiceAccountToken", None),
    "head: shares a namespace with its machine": (f"{POD}/hostNetwork", True),
    "head: mounts docker": (f"{POD}/volumes/0", {"name": "docker", "hostPath": {"path": "/run"}}),
    "head: has no livenessProbe": (f"{POD}/containers/0/livenessProbe", None),
    "head: lacks readOnlyRootFilesystem": (
        f"{POD}/containers/0/securityContext/readOnlyRootFilesystem",
        False,
    ),
    "head: lacks capabilities": (f"{POD}/containers/0/securityContext/capabilities", None),
    "head: is another user than its pod": (
        f"{POD}/containers/0/securityContext/privileged",
        True,
    ),
    "head: has no limits": (f"{POD}/containers/0/resources", {"requests": {}, "limits": {}}),
    "head: requests other things than it limits": (
        f"{POD}/containers/0/resources/requests/memory",
        None,
    ),
    "head: has the value of OPENAI_API_KEY": (
        f"{POD}/containers/0/env",
        [{"name": "OPENAI_API_KEY", "value": "sk-1"}],
    ),
    "head: has GEMINI_API_KEY in its environment": (
        f"{POD}/containers/0/env",
        [
            {
                "name": "GEMINI_API_KEY",
                "valueFrom": {"secretKeyRef": {"name": "tercet-keys", "key": "gemini"}},
            }
        ],
    ),
    "head: has keys that others may read": (f"{POD}/volumes/2/secret/defaultMode", 0o444),
    "head: has keys that it may not read": (f"{POD}/securityContext/fsGroup", None),
    "head: has nowhere to write": (f"{POD}/containers/0/volumeMounts", []),
    "head: its service may be reached from outside": ("headGroupSpec/serviceType", "LoadBalancer"),
    "autoscaler: lacks allowPrivilegeEscalation": ("autoscalerOptions/securityContext", {}),
}


@pytest.mark.parametrize(("says", "change"), OFFENCES.items(), ids=OFFENCES)
def test_an_offence_is_seen(says: str, change: tuple[str, object]) -> None:
    assert says in offences(changed(cluster("gpu"), *change))


@each_overlay
def test_no_secret_is_in_a_manifest(overlay: str) -> None:
    objects = rendered(overlay)
    assert of_kind(objects, "Secret") == []
    told = [line for it in of_kind(objects, "ConfigMap") for line in it["data"].items()]
    named = {name for name, _ in told if SECRET_NAME.search(name)}
    # Paths.
    assert named <= {"TERCET_LEDGER", *KEY_FILES.values()}
    assert {dict(told)[it] for it in KEY_FILES.values()} == {
        "/etc/tercet/keys/anthropic",
        "/etc/tercet/keys/gemini",
        "/etc/tercet/keys/api-key",
        "/etc/tercet/keys/admin",
    }
    assert dict(told).get("TERCET_LEDGER", "/var/lib/tercet/ledger.sqlite3").startswith("/var/lib")
    leaks = [it for it in strings(objects) if re.search(r"\w+://[^/\s]+:[^/\s]+@|sk-ant-|AIza", it)]
    assert leaks == []


@each_overlay
def test_only_who_answers_tasks_has_the_keys(overlay: str) -> None:
    has_keys: set[str] = set()
    for template in templates(cluster(overlay)).values():
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]
        volumes = {it["name"]: it for it in template["spec"]["volumes"]}
        mounted = {it["mountPath"]: it for it in container(template)["volumeMounts"]}
        if "tercet-keys" in set(strings(template)):
            keys = {"name": "keys", "mountPath": "/etc/tercet/keys", "readOnly": True}
            assert mounted["/etc/tercet/keys"] == keys
            assert volumes["keys"]["secret"] == {"secretName": "tercet-keys", "defaultMode": 0o440}
            has_keys.add(component)
    assert has_keys == {"gateway"}
    # The autoscaler, in the head's pod, has the volume beside it and does not mount it.
    assert "/etc/tercet/keys" not in set(strings(cluster(overlay).get("autoscalerOptions", {})))


@each_overlay
def test_no_service_is_open_to_the_world(overlay: str) -> None:
    assert of_kind(rendered(overlay), "Service") == []
    assert not {"LoadBalancer", "NodePort"} & set(strings(rendered(overlay)))
    assert "serveService" not in service(overlay)["spec"]


@each_overlay
def test_the_namespace_takes_restricted_pods_alone(overlay: str) -> None:
    (namespace,) = of_kind(rendered(overlay), "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@each_overlay
def test_an_image_is_named_by_its_digest_and_has_the_cluster_s_ray(overlay: str) -> None:
    spec = cluster(overlay)
    locks = ("requirements.lock", "cluster/vps_1/gpu.lock")
    locked = [
        re.search(r"^ray==([\d.]+)", (PROJECT / it).read_text(), re.MULTILINE) for it in locks
    ]
    assert [it and it[1] for it in locked] == [spec["rayVersion"]] * 2
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    for template in templates(spec).values():
        image = IMAGE.fullmatch(container(template)["image"])
        assert image is not None, container(template)["image"]
        assert image["ray"] == spec["rayVersion"]
        assert f'\nversion = "{image["ours"]}"\n' in project


@pytest.mark.parametrize("image", ["tercet", "r/tercet:latest", "r/tercet:0.1.0-ray2.60.0"])
def test_an_image_without_digest_is_no_image(image: str) -> None:
    assert IMAGE.fullmatch(image) is None


# Ray's, HAProxy's, the console's and those of metrics.
PORTS_INSIDE = (6379, 10001, 8265, 52365, 8404, 8500, 9101, 30000, 22, 8001, 8080, 44217, 44227)
INGRESS = Peer({}, {"tercet-callers": "true"})
STRANGER = Peer({"app": "x"}, {"kubernetes.io/metadata.name": "default"})
MONITORING = Peer({}, {"kubernetes.io/metadata.name": "monitoring"})
OPERATOR = Peer(
    {"app.kubernetes.io/name": "kuberay-operator"},
    {"kubernetes.io/metadata.name": "kuberay-system"},
)
CHEAT = Peer({"app.kubernetes.io/part-of": "tercet"}, {"kubernetes.io/metadata.name": "default"})


def pods(overlay: str) -> Iterator[tuple[str, list[Manifest], dict[str, str]]]:
    policies = of_kind(rendered(overlay), "NetworkPolicy")
    for name, template in templates(cluster(overlay)).items():
        yield name, policies, template["metadata"]["labels"]


@each_overlay
def test_callers_reach_the_gateway_and_nothing_else(overlay: str) -> None:
    for _, policies, pod in pods(overlay):
        assert admits(policies, "Ingress", pod, INGRESS, 8000)
        assert not any(admits(policies, "Ingress", pod, INGRESS, it) for it in PORTS_INSIDE)


@each_overlay
def test_strangers_reach_nothing(overlay: str) -> None:
    outside = Peer(address="203.0.113.9")
    for _, policies, pod in pods(overlay):
        for peer in (STRANGER, CHEAT, outside):
            ports = (*PORTS_INSIDE, 8000)
            assert not any(admits(policies, "Ingress", pod, peer, it) for it in ports)
    # A pod that is none of ours is shut as well.
    assert not admits(policies, "Ingress", {"app": "other"}, INGRESS, 8000)
    assert not admits(policies, "Egress", {"app": "other"}, outside, 443)


@each_overlay
def test_the_operator_reaches_the_head_s_dashboard(overlay: str) -> None:
    for name, policies, pod in pods(overlay):
        assert admits(policies, "Ingress", pod, OPERATOR, 8265) == (name == "head")
        assert not admits(policies, "Ingress", pod, OPERATOR, 6379)
        assert admits(policies, "Ingress", pod, MONITORING, 8080)
        assert not admits(policies, "Ingress", pod, MONITORING, 8265)


@each_overlay
def test_ray_s_nodes_reach_each_other_and_the_name_server(overlay: str) -> None:
    dns = Peer({"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"})
    for _, policies, pod in pods(overlay):
        assert admits(policies, "Egress", pod, dns, 53)
        for _, _, other in pods(overlay):
            assert admits(policies, "Ingress", pod, Peer(other), 41234)
            assert admits(policies, "Egress", pod, Peer(other), 41234)


@each_overlay
def test_who_asks_providers_reaches_public_addresses_alone(overlay: str) -> None:
    for _, policies, pod in pods(overlay):
        asks = pod["app.kubernetes.io/component"] in ("gateway", "model")
        assert admits(policies, "Egress", pod, Peer(address="203.0.113.9"), 443) == asks
        assert not admits(policies, "Egress", pod, Peer(address="203.0.113.9"), 80)
        assert not admits(policies, "Egress", pod, Peer(address="169.254.169.254"), 443)
        assert not admits(policies, "Egress", pod, Peer(address="10.9.8.7"), 22)


def test_the_autoscaler_reaches_the_api_server_and_the_others_do_not() -> None:
    server = Peer(address="10.96.0.1")
    assert {
        (overlay, name): admits(policies, "Egress", pod, server, 443)
        for overlay in OVERLAYS
        for name, policies, pod in pods(overlay)
    } == {
        ("cpu-only", "head"): False,
        ("gpu", "head"): True,
        ("gpu", "gpu"): False,
        ("high-availability", "head"): False,
        ("high-availability", "gateway"): False,
    }


def test_only_the_autoscaler_has_a_token_of_the_api_server() -> None:
    spec = cluster("gpu")
    mounts = {it["name"] for it in spec["autoscalerOptions"]["volumeMounts"]}
    assert "api-server" in mounts
    for template in templates(spec).values():
        assert "api-server" not in {it["name"] for it in container(template)["volumeMounts"]}


def test_the_replicated_reach_their_databases() -> None:
    policies = of_kind(rendered("high-availability"), "NetworkPolicy")
    found = templates(cluster("high-availability"))
    head, gateway = (found[it]["metadata"]["labels"] for it in ("head", "gateway"))
    database = Peer({}, {"kubernetes.io/metadata.name": "data"})
    assert admits(policies, "Egress", gateway, database, 5432)
    assert not admits(policies, "Egress", head, database, 5432)
    assert admits(policies, "Egress", head, database, 6379)
    # The operator's job that empties Redis has the head's labels but one.
    job = {**head, "ray.io/node-type": "redis-cleanup"}
    assert admits(policies, "Egress", job, database, 6379)


def test_without_the_default_a_pod_would_be_open() -> None:
    found = of_kind(rendered("cpu-only"), "NetworkPolicy")
    policies = [it for it in found if it["metadata"]["name"] != "default-deny"]
    assert admits(policies, "Ingress", {"app": "other"}, STRANGER, 22)


@each_overlay
def test_a_budget_is_about_pods_that_are_there(overlay: str) -> None:
    (budget,) = of_kind(rendered(overlay), "PodDisruptionBudget")
    wanted = budget["spec"]["selector"]["matchLabels"]
    spec = cluster(overlay)
    sizes = {"head": 1} | {it["groupName"]: it["minReplicas"] for it in spec["workerGroupSpecs"]}
    covered = [
        sizes[name]
        for name, template in templates(spec).items()
        if wanted.items() <= template["metadata"]["labels"].items()
    ]
    assert covered == [2 if overlay == "high-availability" else 1]
    # Ray's pods have no controller that Kubernetes can count: maxUnavailable would allow nothing.
    assert budget["spec"]["minAvailable"] == 1
