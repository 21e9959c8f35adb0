"""What the definition of the local model becomes; needs no vLLM."""

import subprocess
import sys
from dataclasses import replace

import pytest
from pydantic import ValidationError

from deployments.local.app import Arguments, build, options
from deployments.local.definition import Definition
from deployments.local.flags import flags
from deployments.local.profile import definition_of
from tercet.environment import PROJECT
from tercet.errors import ConfigError
from tercet.local_file import load_local

LIFECYCLE = load_local().lifecycle


def defined(**more):
    return Definition.model_validate({"name": "coder", "source": "/models/coder"} | more)


def test_the_application_is_built_where_vllm_is_not_installed():
    program = (
        "import sys; from deployments.local.app import Arguments, build;"
        "build(Arguments(profile='gpu'));"
        "sys.exit('vllm' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_it_sleeps_at_first_and_never_has_a_second_replica():
    scaling = options(defined())["autoscaling_config"]
    bounds = [scaling.get(name) for name in ("min_replicas", "initial_replicas", "max_replicas")]
    assert bounds == [0, None, 1]


def test_it_has_vps_1_and_its_cards_to_itself():
    placed = options(defined(gpus=1, cpus=4))["ray_actor_options"]
    assert (placed["num_cpus"], placed["num_gpus"]) == (4, 1)
    assert placed["resources"] == {"VPS_1": 1}


def test_its_environment_reaches_the_processes_of_vllm():
    placed = options(defined(environment={"HF_HUB_OFFLINE": "1"}))["ray_actor_options"]
    variables = placed["runtime_env"]["env_vars"]
    assert (variables["HF_HUB_OFFLINE"], variables["VLLM_HOST_IP"]) == ("1", "127.0.0.1")


def test_engine_arguments_become_the_words_of_vllm_serve():
    engine = {
        "max_model_len": 16384,
        "enforce_eager": True,
        "enable_prefix_caching": False,
        "cudagraph_capture_sizes": [1, 2, 4],
        "speculative_config": {"method": "ngram"},
    }
    definition = defined(revision="0123abc", engine=engine)
    assert flags(definition.model_dump()) == [
        *("--model", "/models/coder", "--served-model-name", "coder", "--revision", "0123abc"),
        *("--max-model-len", "16384", "--enforce-eager", "--no-enable-prefix-caching"),
        *("--cudagraph-capture-sizes", "1", "2", "4"),
        *("--speculative-config", '{"method": "ngram"}'),
    ]


def test_a_word_the_definition_does_not_have_is_refused():
    with pytest.raises(ValidationError, match="quantisation"):
        defined(quantisation="awq")


@pytest.mark.parametrize(
    ("arguments", "source", "idle_s"),
    [
        ({"profile": "cpu"}, "var/tiny-llama", 600),
        ({"profile": "gpu", "idle_s": 900}, "TheBloke/deepseek-coder-33B-instruct-AWQ", 900),
        ({}, "TheBloke/deepseek-coder-33B-instruct-AWQ", 600),
    ],
)
def test_the_application_is_one_deployment_of_a_profile(monkeypatch, arguments, source, idle_s):
    monkeypatch.delenv("TERCET_LOCAL", raising=False)
    deployment = build(Arguments(**arguments))._bound_deployment
    (definition,) = deployment.init_args
    assert deployment.name == "Engine"
    assert (definition["source"], definition["idle_s"]) == (source, idle_s)


def test_without_a_word_in_its_args_it_is_the_profile_the_gateway_uses(monkeypatch):
    monkeypatch.setenv("TERCET_LOCAL", "cpu")
    (definition,) = build(Arguments())._bound_deployment.init_args
    assert definition["name"] == "tiny-llama"


def test_a_model_that_cannot_run_on_its_card_is_refused_with_the_numbers(tmp_path):
    shipped = (PROJECT / "config" / "local.yaml").read_text()
    wide = shipped.replace("max_model_len: 16384", "max_model_len: 65536")
    (tmp_path / "local.yaml").write_text(wide)
    with pytest.raises(ConfigError) as refusal:
        build(Arguments(profile="gpu", config=tmp_path))
    told = str(refusal.value)
    assert "deepseek-coder-33b-instruct cannot run on RTX 3090 as it is set" in told
    assert "max_model_len is 65536 and the model's own limit 16384" in told


def test_the_policy_that_stops_it_is_ours_and_has_its_times(monkeypatch):
    scaling = options(defined(idle_s=60, give_up_s=300))["autoscaling_config"]
    assert scaling["policy"] == {
        "policy_function": "deployments.local.scaling:KeepAlive",
        "policy_kwargs": {"idle_s": 60, "give_up_s": 300},
    }


def test_the_profile_for_a_card_is_the_definition_of_config():
    definition = definition_of(load_local().profiles["gpu"], LIFECYCLE, idle_s=900)
    assert definition == Definition(
        name="deepseek-coder-33b-instruct",
        source="TheBloke/deepseek-coder-33B-instruct-AWQ",
        revision="main",
        engine={
            "dtype": "float16",
            "max_model_len": 16384,
            "max_num_seqs": 4,
            "enable_prompt_tokens_details": True,
            "gpu_memory_utilization": 0.95,
            "kv_cache_dtype": "auto",
            "cpu_offload_gb": 0.0,
            "enable_prefix_caching": True,
            "cudagraph_capture_sizes": [1, 2, 4],
            "safetensors_load_strategy": "prefetch",
            "stream_interval": 2,
        },
        environment={"HF_HOME": "/workspace/huggingface", "VLLM_CACHE_ROOT": "/workspace/vllm"},
        cpus=4,
        gpus=1,
        resources={"VPS_1": 1},
        concurrency=4,
        idle_s=900,
        give_up_s=1200,
        drain_s=120,
    )


def test_the_profile_for_a_cpu_names_nothing_of_a_card():
    definition = definition_of(load_local().profiles["cpu"], LIFECYCLE, idle_s=900)
    assert definition.gpus == 0
    assert definition.engine == {
        "dtype": "bfloat16",
        "max_model_len": 4096,
        "max_num_seqs": 8,
        "enable_prompt_tokens_details": True,
        "enable_prefix_caching": True,
        "block_size": 32,
        "enforce_eager": True,
        "stream_interval": 8,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }


def test_a_parser_of_tool_calls_lets_the_model_choose_its_tools():
    model = replace(load_local().profiles["cpu"], tool_parser="hermes", reasoning_parser="qwen3")
    engine = definition_of(model, LIFECYCLE, idle_s=900).engine
    assert engine["tool_call_parser"] == "hermes"
    assert engine["enable_auto_tool_choice"] is True
    assert engine["reasoning_parser"] == "qwen3"
