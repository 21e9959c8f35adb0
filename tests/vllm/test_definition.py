"""What the definition of the local model becomes; needs no vLLM."""

import subprocess
import sys
from dataclasses import replace

import pytest
from pydantic import ValidationError

from deployments.local.app import build, options
from deployments.local.definition import Definition
from deployments.local.flags import flags
from deployments.local.profile import definition_of
from tercet.local_file import load_local


def defined(**more):
    return Definition.model_validate({"name": "coder", "source": "/models/coder"} | more)


def test_the_application_is_built_where_vllm_is_not_installed():
    program = (
        "import sys; from deployments.local.app import build;"
        "from deployments.local.definition import Definition;"
        "build(Definition(name='coder', source='/models/coder'));"
        "sys.exit('vllm' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_it_sleeps_at_first_and_never_has_a_second_replica():
    scaling = options(defined())["autoscaling_config"]
    bounds = [scaling[name] for name in ("min_replicas", "initial_replicas", "max_replicas")]
    assert bounds == [0, 0, 1]


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


def test_building_names_the_deployment():
    assert build(defined())._bound_deployment.name == "Engine"


def test_the_profile_for_a_card_is_the_definition_of_config():
    definition = definition_of(load_local().profiles["gpu"], idle_s=900)
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
        },
        environment={"HF_HOME": "/workspace/huggingface", "VLLM_CACHE_ROOT": "/workspace/vllm"},
        cpus=4,
        gpus=1,
        resources={"VPS_1": 1},
        concurrency=4,
        idle_s=900,
    )


def test_the_profile_for_a_cpu_names_nothing_of_a_card():
    definition = definition_of(load_local().profiles["cpu"], idle_s=900)
    assert definition.gpus == 0
    assert definition.engine == {
        "dtype": "bfloat16",
        "max_model_len": 1024,
        "max_num_seqs": 8,
        "enable_prompt_tokens_details": True,
        "enable_prefix_caching": True,
        "block_size": 32,
        "enforce_eager": True,
    }


def test_a_parser_of_tool_calls_lets_the_model_choose_its_tools():
    model = replace(load_local().profiles["cpu"], tool_parser="hermes", reasoning_parser="qwen3")
    engine = definition_of(model, idle_s=900).engine
    assert engine["tool_call_parser"] == "hermes"
    assert engine["enable_auto_tool_choice"] is True
    assert engine["reasoning_parser"] == "qwen3"
