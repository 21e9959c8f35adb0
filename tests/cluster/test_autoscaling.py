import json
from pathlib import Path

import pytest
import yaml

from cluster import autoscaling, tunnel
from tercet.local_model import Resources

WANTS = Resources(num_cpus=0.5, num_gpus=1, custom={"VPS_1": 1})


def test_the_file_is_one_that_rays_own_reader_takes(tmp_path: Path) -> None:
    config = pytest.importorskip("ray.autoscaler.v2.instance_manager.config")
    file = tmp_path / "cluster.json"
    file.write_text(autoscaling.cluster_file(WANTS, Path("/etc/tercet")))

    read = config.FileConfigReader(str(file)).get_cached_autoscaling_config()

    types = read.get_node_type_configs()
    assert types["vps_1"].resources == {"CPU": 1, "GPU": 1, "VPS_1": 1}
    assert types["vps_1"].max_worker_nodes == 1
    assert types["vps_1"].min_worker_nodes == 0
    assert read.get_max_num_worker_nodes() == 1
    assert read.get_idle_timeout_s() == 60
    assert read.get_head_node_type() == "vps_2"
    assert read.get_provider_config()["module"] == "cluster.node_provider.RentedNodes"
    assert read.get_provider_config()["tercet_config"] == "/etc/tercet"
    assert read.disable_node_updaters()


def test_a_model_on_a_cpu_asks_for_no_gpu() -> None:
    wants = Resources(num_cpus=2, num_gpus=0, custom={"VPS_1": 1})
    told = json.loads(autoscaling.cluster_file(wants, None))
    assert told["available_node_types"]["vps_1"]["resources"] == {"CPU": 2, "VPS_1": 1}
    assert told["provider"]["tercet_config"] is None


def test_it_is_yaml_too() -> None:
    text = autoscaling.cluster_file(WANTS, None, idle_s=5)
    assert yaml.safe_load(text) == json.loads(text)


def test_the_head_is_started_on_pinned_ports_and_lists_itself() -> None:
    command = autoscaling.head_command("ray", Path("f.json"), ["--block"])
    assert command[:3] == ["ray", "start", "--head"]
    assert f"--node-ip-address={tunnel.HEAD}" in command
    assert command[-1] == "--block"
    told = autoscaling.head_environment()
    assert told["RAY_CLOUD_INSTANCE_ID"] == autoscaling.HEAD_ID
    assert told["RAY_enable_autoscaler_v2"] == "1"
    assert told["RAY_AUTH_MODE"] == "token"
    assert autoscaling.TOKEN not in told
