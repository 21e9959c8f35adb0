"""Every overlay, read as the API server, the operator, Ray and Serve do; without a cluster."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from k8s.operator_rules import CLUSTER_RULES, SERVICE_RULES, refusals
from k8s.rendering import (
    OVERLAYS,
    Manifest,
    changed,
    cluster,
    container,
    of_kind,
    render,
    rendered,
    service,
    templates,
)
from k8s.schemas import problems
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.serve.schema import ServeDeploySchema

from k8s import generate
from tercet.config import PROJECT

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
# Kinds that are not Kubernetes' own.
CUSTOM = {"RayService", "PodMonitor"}
KUBERNETES = ("1.29", "1.32")


@pytest.mark.parametrize("name", generate.files())
def test_a_generated_file_says_what_its_source_says(name: str) -> None:
    written = (PROJECT / name).read_text(encoding="utf-8")
    assert written == generate.files()[name], f"{name} is behind: run python k8s/generate.py"


def test_a_change_of_serve_config_changes_the_generated_files(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "ray.env").write_text("A=1\n")
    (tmp_path / "serve_config.yaml").write_text("http_options: {host: 127.0.0.1, port: 1}\n")
    made = generate.files(tmp_path)
    assert "port: 1" in made["k8s/base/serve.yaml"]
    assert "\nA=1\n" in made["k8s/base/ray.env"]


def settings_of(file: str) -> dict[str, str]:
    lines = (PROJECT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_pods_have_the_settings_of_cluster_ray_env_and_one_more() -> None:
    assert settings_of("k8s/base/ray.env") == settings_of("cluster/ray.env") | {
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "630"
    }


def serve(overlay: str) -> dict[str, Any]:
    return yaml.safe_load(service(overlay)["spec"]["serveConfigV2"])


@pytest.mark.parametrize(
    ("overlay", "location"),
    [("cpu-only", "HeadOnly"), ("gpu", "HeadOnly"), ("high-availability", "EveryNode")],
)
def test_serve_runs_what_serve_config_says_elsewhere(overlay: str, location: str) -> None:
    shipped = yaml.safe_load((PROJECT / "serve_config.yaml").read_text(encoding="utf-8"))
    told = serve(overlay)
    assert told["applications"] == shipped["applications"]
    assert told["http_options"] == shipped["http_options"] | {"host": "0.0.0.0"}  # noqa: S104
    assert told["proxy_location"] == location
    rest = {"applications", "http_options", "proxy_location"}
    assert {k: v for k, v in told.items() if k not in rest} == {
        k: v for k, v in shipped.items() if k not in rest
    }
    names = [it["name"] for it in shipped["applications"]]
    assert [it.name for it in ServeDeploySchema.model_validate(told).applications] == names


@each_overlay
def test_every_node_has_the_settings_of_ray_env(overlay: str) -> None:
    objects = rendered(overlay)
    made = {it["metadata"]["name"]: it["data"] for it in of_kind(objects, "ConfigMap")}
    for template in templates(cluster(overlay)).values():
        first = container(template)["envFrom"][0]["configMapRef"]["name"]
        assert made[first]["RAY_AUTH_MODE"] == "token"
        assert made[first]["RAY_agent_register_timeout_ms"] == "120000"
        # Later than the last answer, sooner than the kill.
        grace = template["spec"]["terminationGracePeriodSeconds"]
        assert 620 < int(made[first]["RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S"]) < grace


@each_overlay
@pytest.mark.parametrize("version", KUBERNETES)
def test_objects_of_kubernetes_are_valid(overlay: str, version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    ours = [it for it in rendered(overlay) if it["kind"] not in CUSTOM]
    assert len(ours) > 9
    for it in ours:
        validator.validate(it, version, strict=True)


@each_overlay
def test_pod_templates_are_valid(overlay: str) -> None:
    # The CRD has them too, but an older copy of them.
    validator = pytest.importorskip("kubernetes_validate")
    for name, template in templates(cluster(overlay)).items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **template}
        validator.validate(pod, KUBERNETES[-1], strict=True)


@each_overlay
def test_the_service_is_valid_for_the_crd_and_the_operator(overlay: str) -> None:
    assert problems(service(overlay)) == []
    assert refusals(service(overlay)) == []


def test_the_gpu_group_fits_the_replicated_gateway_too(tmp_path: Path) -> None:
    way = Path(os.path.relpath(PROJECT / "k8s", tmp_path))
    told = {
        "namespace": "tercet",
        "resources": [str(way / "base")],
        "components": [str(way / "components" / it) for it in ("replicated", "gpu", "images")],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(told))
    (made,) = of_kind(render(tmp_path), "RayService")
    assert problems(made) == []
    assert refusals(made) == []
    assert list(templates(made["spec"]["rayClusterConfig"])) == ["head", "gateway", "gpu"]


SCHEMA_ERRORS = {
    "a misspelt field": ("spec/rayClusterConfg", {}),
    "a wrong type": ("spec/rayClusterConfig/workerGroupSpecs/0/maxReplicas", "one"),
    "a value that is none of the choices": (
        "spec/rayClusterConfig/autoscalerOptions/upscalingMode",
        "Eager",
    ),
    "no head": ("spec/rayClusterConfig/headGroupSpec", None),
    "a misspelt field of a container": (
        "spec/rayClusterConfig/headGroupSpec/template/spec/containers/0/imagePullPolice",
        "Always",
    ),
    "a negative delay": ("spec/rayClusterDeletionDelaySeconds", -1),
}


@pytest.mark.parametrize(("path", "value"), SCHEMA_ERRORS.values(), ids=SCHEMA_ERRORS)
def test_the_schema_finds(path: str, value: object) -> None:
    assert len(problems(changed(service("gpu"), path, value))) == 1


def test_defaults_and_nulls_are_as_at_the_api_server() -> None:
    probe = "spec/rayClusterConfig/headGroupSpec/template/spec/containers/0/ports/0"
    # `protocol` is a key of the list, so that its default has to be there before it is checked.
    assert problems(changed(service("gpu"), f"{probe}/protocol", "TCP")) == []
    emptied = service("gpu")
    emptied["spec"]["serveService"] = None
    assert problems(emptied) == []


HEAD = "spec/rayClusterConfig/headGroupSpec"
GROUP = "spec/rayClusterConfig/workerGroupSpecs/0"
ENV = f"{HEAD}/template/spec/containers/0/env"
FT = "spec/rayClusterConfig/gcsFaultToleranceOptions"
INCREMENTAL = {"type": "NewClusterWithIncrementalUpgrade"}
OPTIONS = {"stepSizePercent": 10, "intervalSeconds": 5, "gatewayClassName": "istio"}

REFUSED: dict[str, tuple[str, str, object]] = {
    "a long name": ("name: ", "metadata/name", "t" * 48),
    "an unknown upgrade": ("upgrade: Rolling", "spec/upgradeStrategy/type", "Rolling"),
    "an incremental upgrade without options": (
        "upgrade: an incremental one needs clusterUpgradeOptions",
        "spec/upgradeStrategy",
        INCREMENTAL,
    ),
    "a step above the surge": (
        "upgrade: 0 <= stepSize",
        "spec/upgradeStrategy",
        INCREMENTAL | {"clusterUpgradeOptions": OPTIONS | {"maxSurgePercent": 5}},
    ),
    "an incremental upgrade without gateway": (
        "upgrade: gatewayClassName",
        "spec/upgradeStrategy",
        INCREMENTAL | {"clusterUpgradeOptions": OPTIONS | {"gatewayClassName": ""}},
    ),
    "no port for callers": (
        "head: no port",
        f"{HEAD}/template/spec/containers/0/ports/2/name",
        "http",
    ),
    "a name of the head's service": ("head: headService", f"{HEAD}/headService/metadata/name", "x"),
    "no container": ("gpu: no container", f"{GROUP}/template/spec/containers", []),
    "min above max": ("gpu: 0 <= min", f"{GROUP}/minReplicas", 2),
    "resources told twice": ("gpu: resources", f"{GROUP}/rayStartParams/num-gpus", "1"),
    "labels among the parameters": ("head: labels", f"{HEAD}/rayStartParams/labels", "a=b"),
    "a label that is none": ("head: node=vps 2", f"{HEAD}/labels/node", "vps 2"),
    "idle time without v2": (
        "gpu: idleTimeout",
        "spec/rayClusterConfig/autoscalerOptions/version",
        "v1",
    ),
    "priority with an old Ray": ("gpu: priority", f"{GROUP}/priority", 5),
    "a worker that restarts": (
        "gpu: with autoscaler v2",
        f"{GROUP}/template/spec/restartPolicy",
        "Always",
    ),
    "a head that restarts": (
        "head: with autoscaler v2",
        f"{HEAD}/template/spec/restartPolicy",
        "OnFailure",
    ),
    "v2 chosen twice": (
        "head: RAY_enable_autoscaler_v2 and",
        ENV,
        [{"name": "RAY_enable_autoscaler_v2", "value": "1"}],
    ),
    "a suspended group": ("gpu: no suspend", f"{GROUP}/suspend", True),
    "the operator's own variable": (
        "autoscaler: KUBERAY_GEN",
        "spec/rayClusterConfig/autoscalerOptions/env",
        [{"name": "KUBERAY_GEN_AUTOSCALER_START_CMD", "value": "x"}],
    ),
    "Redis by a variable": (
        "fault tolerance: RAY_REDIS_ADDRESS",
        ENV,
        [{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}],
    ),
    "a user of Redis by a parameter": (
        "fault tolerance: the user",
        f"{HEAD}/rayStartParams/redis-username",
        "me",
    ),
    "RocksDB": ("fault tolerance: rocksdb", FT, {"backend": "rocksdb"}),
    "a disk for Redis": (
        "fault tolerance: storage",
        FT,
        {"redisAddress": "r:6379", "storage": {"size": "1Gi"}},
    ),
    "tokens with an old Ray": (
        "authentication: tokens need",
        "spec/rayClusterConfig/rayVersion",
        "2.51.0",
    ),
    "tokens of Kubernetes": (
        "authentication: tokens of",
        "spec/rayClusterConfig/authOptions",
        {"mode": "token", "enableK8sTokenAuth": True},
    ),
    "the operator's own NetworkPolicy": (
        "gate: networkPolicy",
        "spec/rayClusterConfig/networkPolicy",
        {"mode": "denyAll"},
    ),
    "TLS by the operator": ("gate: tlsOptions", "spec/rayClusterConfig/tlsOptions", {}),
}


@pytest.mark.parametrize(("says", "path", "value"), REFUSED.values(), ids=REFUSED)
def test_the_operator_refuses(says: str, path: str, value: object) -> None:
    given = service("gpu")
    if "priority" in path:
        given = changed(given, "spec/rayClusterConfig/rayVersion", "2.55.0")
    found = refusals(changed(given, path, value))
    assert [it for it in found if it.startswith(says)], found


REFUSED_REPLICATED: dict[str, tuple[str, str, object]] = {
    "no limits of a group without autoscaler": (
        "gateway: without autoscaler",
        f"{GROUP}/maxReplicas",
        None,
    ),
    "an incremental upgrade without autoscaler": (
        "upgrade: an incremental one needs the autoscaler",
        "spec/upgradeStrategy",
        INCREMENTAL | {"clusterUpgradeOptions": OPTIONS},
    ),
    "v2 without autoscaler": (
        "head: RAY_enable_autoscaler_v2 without",
        ENV,
        [{"name": "RAY_enable_autoscaler_v2", "value": "true"}],
    ),
    "a password of Redis by a parameter": (
        "fault tolerance: the password",
        f"{HEAD}/rayStartParams/redis-password",
        "$REDIS_PASSWORD",
    ),
    "fault tolerance twice": (
        "fault tolerance: ray.io/ft-enabled",
        "metadata/annotations",
        {"ray.io/ft-enabled": "true"},
    ),
}


@pytest.mark.parametrize(
    ("says", "path", "value"), REFUSED_REPLICATED.values(), ids=REFUSED_REPLICATED
)
def test_the_operator_refuses_of_the_replicated(says: str, path: str, value: object) -> None:
    found = refusals(changed(service("high-availability"), path, value))
    assert [it for it in found if it.startswith(says)], found


def test_every_rule_of_the_operator_has_been_seen_to_refuse() -> None:
    cases = [("gpu", it) for it in REFUSED.values()]
    cases += [("high-availability", it) for it in REFUSED_REPLICATED.values()]
    fired: set[str] = set()
    for overlay, (_, path, value) in cases:
        bad = changed(service(overlay), path, value)
        inner = bad["spec"]["rayClusterConfig"]
        fired |= {it.__name__ for it in SERVICE_RULES if list(it(bad))}
        fired |= {it.__name__ for it in CLUSTER_RULES if list(it(inner))}
    assert {it.__name__ for it in SERVICE_RULES + CLUSTER_RULES} - fired == set()


def test_ray_s_autoscaler_knows_a_machine_that_is_not_there_yet() -> None:
    (crd,) = [it for it in rendered("gpu") if it["kind"] == "RayService"]
    custom = {"metadata": {"name": "t", "namespace": "tercet"}, "spec": _spec(crd)}
    config = _derive_autoscaling_config_from_ray_cr(custom)
    kind = config["available_node_types"]["gpu"]
    assert kind["min_workers"] == 0
    assert kind["max_workers"] == 1
    wanted = yaml.safe_load((PROJECT / "config" / "local.yaml").read_text())["profiles"]["gpu"]
    needs = {"CPU": wanted["resources"]["num_cpus"], "GPU": wanted["resources"]["num_gpus"]}
    needs |= wanted["resources"]["custom"]
    assert {name: kind["resources"][name] for name in needs} == {"CPU": 4, "GPU": 1, "VPS_1": 1}
    assert all(kind["resources"][name] >= value for name, value in needs.items())


def _spec(crd: Manifest) -> dict[str, Any]:
    return crd["spec"]["rayClusterConfig"]


@each_overlay
def test_the_gateway_has_room_where_its_label_sends_it(overlay: str) -> None:
    spec = cluster(overlay)
    groups = [(1, spec["headGroupSpec"])]
    groups += [(it["minReplicas"], it) for it in spec["workerGroupSpecs"]]
    labelled = [(n, it) for n, it in groups if it.get("labels") == {"node": "vps_2"}]
    room = sum(number * float(it["resources"]["CPU"]) for number, it in labelled)
    gateway = [it for app in serve(overlay)["applications"] for it in app["deployments"]]
    assert {it["ray_actor_options"]["label_selector"]["node"] for it in gateway} == {"vps_2"}
    needed = sum(it["num_replicas"] * it["ray_actor_options"]["num_cpus"] for it in gateway)
    # Half of the nodes may be away.
    assert needed <= room / len(labelled)


def test_one_pod_alone_writes_the_ledger_s_file() -> None:
    for overlay in ("cpu-only", "gpu"):
        (ledger,) = [
            it
            for it in of_kind(rendered(overlay), "PersistentVolumeClaim")
            if it["metadata"]["name"] == "tercet-ledger"
        ]
        assert ledger["spec"]["accessModes"] == ["ReadWriteOncePod"]
        assert service(overlay)["spec"]["upgradeStrategy"] == {"type": "None"}
    assert of_kind(rendered("high-availability"), "PersistentVolumeClaim") == []


@each_overlay
def test_a_pod_ends_later_than_its_last_answer(overlay: str) -> None:
    gateway = serve(overlay)["applications"][0]["deployments"]
    longest = max(it.get("graceful_shutdown_timeout_s", 0) for it in gateway)
    assert longest == 620
    for template in templates(cluster(overlay)).values():
        assert template["spec"]["terminationGracePeriodSeconds"] >= longest + 30
        command = container(template)["lifecycle"]["preStop"]["exec"]["command"]
        assert "/opt/tercet/bin/drain.py" in " ".join(command)
    assert service(overlay)["spec"]["rayClusterDeletionDelaySeconds"] > longest


@each_overlay
def test_a_monitor_names_ports_that_its_pods_have(overlay: str) -> None:
    found = templates(cluster(overlay)).values()
    for monitor in of_kind(rendered(overlay), "PodMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        ports = {it["port"] for it in monitor["spec"]["podMetricsEndpoints"]}
        for template in found:
            if wanted.items() <= template["metadata"]["labels"].items():
                assert ports <= {it["name"] for it in container(template)["ports"]}
