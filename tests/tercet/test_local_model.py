import json
import shutil
from pathlib import Path

import pytest

from tercet.config import PROJECT
from tercet.errors import ConfigError
from tercet.local_file import ConfigJson, load_local, read_config_json
from tercet.local_model import Architecture, Card, Quantization, Resources

LLAMA: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "max_position_embeddings": 4096,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
}

# What is replaced in local.yaml, the replacement, the problem.
BROKEN: dict[str, tuple[str, str, str]] = {
    "a card that is not listed": (
        "card: RTX 3090",
        "card: RTX 9090",
        r"profiles\.gpu\.card: there is no 'RTX 9090'; cards are \['RTX 3090', 'RTX 4090', 'A40'",
    ),
    "a profile too few": ("\n  cpu:", "\n  gpu:", "profiles: cpu is missing"),
    "a key nobody knows": (
        "max_num_seqs: 4",
        "max_seqs: 4",
        r"profiles\.gpu\.max_num_seqs: Field required\n.*profiles\.gpu\.max_seqs: Extra inputs",
    ),
    "a misspelt number of the architecture": (
        "num_key_value_heads: 8",
        "num_kv_heads: 8",
        r"profiles\.gpu\.architecture\.num_kv_heads: Extra inputs are not permitted",
    ),
    "all of the memory": (
        "gpu_memory_utilization: 0.95",
        "gpu_memory_utilization: 1",
        r"profiles\.gpu\.gpu_memory_utilization: Input should be less than 1",
    ),
    "a quantization nobody reckons": (
        "method: awq",
        "method: magic",
        r"profiles\.gpu\.quantization\.method: Input should be 'awq', 'gptq'",
    ),
    "a card without bandwidth": (
        "bandwidth_gb_s: 936",
        "bandwidth_gb_s: 0",
        r"cards\.RTX 3090\.bandwidth_gb_s: Input should be greater than 0",
    ),
}


def config_json(folder: Path, **changes: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA | changes, indent="\t"))
    return path


def quantization_of(folder: Path, **config: object) -> Quantization | None:
    return read_config_json(config_json(folder, quantization_config=config)).quantization


def test_the_gpu_profile_is_the_plans_model_on_the_plans_card() -> None:
    model = load_local().profiles["gpu"]

    assert model.name == "deepseek-coder-33b-instruct"
    assert model.source == "TheBloke/deepseek-coder-33B-instruct-AWQ"
    assert model.quantization == Quantization(method="awq", bits=4, group_size=128)
    assert model.architecture == Architecture(
        layers=62,
        hidden=7168,
        intermediate=19200,
        heads=56,
        kv_heads=8,
        head_dim=128,
        vocabulary=32256,
        window_tokens=16384,
    )
    assert model.resources == Resources(num_cpus=4, num_gpus=1, custom={"VPS_1": 1})
    assert model.card == "RTX 3090"
    assert model.cpu_offload_gb == 0


def test_the_cpu_profile_asks_for_no_card_and_no_gpu() -> None:
    model = load_local().profiles["cpu"]

    assert model.card is None
    assert model.resources.num_gpus == 0
    assert model.quantization is None
    assert model.environment["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert model.engine["enforce_eager"] is True


def test_cards_are_those_of_the_plan_and_larger_ones() -> None:
    cards = load_local().cards

    assert list(cards) == [
        "RTX 3090", "RTX 4090", "A40", "L40S", "RTX 6000 Ada", "A100 80", "H100 80",
    ]  # fmt: skip
    assert cards["RTX 4090"] == Card(
        name="RTX 4090",
        memory_gib=23.99,
        bandwidth_gb_s=1008,
        compute_capability=8.9,
        link_gb_s=25,
    )


@pytest.mark.parametrize(("old", "new", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_mistake_is_named_with_its_file_and_key(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    text = (PROJECT / "config" / "local.yaml").read_text()
    assert old in text
    (tmp_path / "local.yaml").write_text(text.replace(old, new, 1))

    with pytest.raises(ConfigError, match=problem):
        load_local(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"local\.yaml.*No such file"):
        load_local(tmp_path)


def test_a_models_own_file_says_its_shape(tmp_path: Path) -> None:
    assert read_config_json(config_json(tmp_path)) == ConfigJson(
        architecture=Architecture(
            layers=32,
            hidden=4096,
            intermediate=11008,
            heads=32,
            kv_heads=8,
            head_dim=128,
            vocabulary=32000,
            window_tokens=4096,
        ),
        quantization=None,
    )


def test_without_kv_heads_every_head_has_its_own(tmp_path: Path) -> None:
    path = config_json(tmp_path, num_key_value_heads=None)

    assert read_config_json(path).architecture.kv_heads == 32


def test_one_kv_head_is_multi_query_attention(tmp_path: Path) -> None:
    path = config_json(tmp_path, num_key_value_heads=1)

    assert read_config_json(path).architecture.kv_heads == 1


def test_a_head_size_of_its_own_counts(tmp_path: Path) -> None:
    assert read_config_json(config_json(tmp_path, head_dim=256)).architecture.head_dim == 256


def test_tied_embeddings_are_seen(tmp_path: Path) -> None:
    path = config_json(tmp_path, tie_word_embeddings=True)

    assert read_config_json(path).architecture.tied_embeddings


@pytest.mark.parametrize(
    ("rope", "window_tokens"),
    [
        (None, 4096),
        ({"type": "linear", "factor": 4.0}, 16384),
        ({"rope_type": "yarn", "factor": 2.5}, 10240),
        ({"rope_type": "llama3", "factor": 8.0}, 4096),
        ({"type": "longrope", "long_factor": [1.0]}, 4096),
    ],
)
def test_the_window_is_the_one_vllm_derives(
    tmp_path: Path, rope: object, window_tokens: int
) -> None:
    path = config_json(tmp_path, rope_scaling=rope)

    assert read_config_json(path).architecture.window_tokens == window_tokens


def test_gptq_says_its_bits_and_groups(tmp_path: Path) -> None:
    told = quantization_of(tmp_path, quant_method="gptq", bits=8, group_size=32, desc_act=True)

    assert told == Quantization(method="gptq", bits=8, group_size=32)


def test_a_group_size_of_minus_one_is_a_whole_column(tmp_path: Path) -> None:
    told = quantization_of(tmp_path, quant_method="gptq", bits=4, group_size=-1)

    assert told == Quantization(method="gptq", bits=4, group_size=None)


def test_fp8_has_eight_bits_without_saying_so(tmp_path: Path) -> None:
    told = quantization_of(tmp_path, quant_method="fp8", activation_scheme="dynamic")

    assert told == Quantization(method="fp8", bits=8, group_size=None)


def test_of_several_groups_the_largest_counts(tmp_path: Path) -> None:
    told = quantization_of(
        tmp_path,
        quant_method="compressed-tensors",
        config_groups={
            "group_0": {"weights": {"num_bits": 4, "group_size": 128}, "targets": ["Linear"]},
            "group_1": {"weights": {"num_bits": 8, "group_size": None}, "targets": ["o_proj"]},
        },
    )

    assert told == Quantization(method="compressed-tensors", bits=8, group_size=None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"num_local_experts": 8}, "has num_local_experts: only dense models are reckoned"),
        ({"kv_lora_rank": 512}, "has kv_lora_rank: only dense models are reckoned"),
        ({"hidden_size": None}, "hidden_size: Input should be a valid integer"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes"}},
            r"quantization_config\.quant_method: Input should be 'awq', 'gptq'",
        ),
    ],
)
def test_what_cannot_be_reckoned_is_refused(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_config_json(config_json(tmp_path, **changes))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "config" / "local.yaml", tmp_path / "config.json")
    with pytest.raises(ConfigError, match=r"config\.json: : Invalid JSON"):
        read_config_json(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="No such file"):
        read_config_json(tmp_path / "no.json")
