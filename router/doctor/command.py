"""`tercet doctor`: what its arguments are."""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from router.arguments import share_as, take_json
from router.doctor.report import as_json, check
from router.doctor.security import look, take_security
from router.doctor.speed import Q4_K_M
from router.doctor.text import as_text
from tercet.errors import ConfigError
from tercet.local_file import LocalDefinition, load_local, read_config_json
from tercet.local_model import Card, LocalModel, Quantization

Commands = Any  # argparse's own type is private

_QUANTIZATIONS: Mapping[str, Quantization | None] = {
    "none": None,
    "awq": Quantization(method="awq", bits=4, group_size=128),
    "gptq": Quantization(method="gptq", bits=4, group_size=128),
    "fp8": Quantization(method="fp8", bits=8),
    "gguf": Q4_K_M,
}
_SETTINGS = (
    "max_model_len", "max_num_seqs", "gpu_memory_utilization", "kv_cache_dtype", "cpu_offload_gb",
)  # fmt: skip
_OWN_LINK_GB_S = 25.0  # four fifths of PCIe 4.0 x16


def add_doctor(commands: Commands) -> None:
    """Add `doctor` to the commands of `tercet`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="say whether the local model fits a card, and how fast it will be",
        description="Reckons weights, KV cache and speed of the `gpu` profile in config/local.yaml "
        "on a card, before one is rented. Nothing is downloaded or started. Exit status 1 if it "
        "cannot work as it is set; each problem says what to change. docs/doctor.md has the "
        "arithmetic. With --security: which doors of a running system are open.",
        epilog="examples: tercet doctor; tercet doctor --card a40 --max-model-len 8192; "
        "tercet doctor --security --url https://tercet.example; "
        "tercet doctor --config-json config.json --memory-gib 15.7 --bandwidth-gb-s 288 "
        "--compute-capability 8.9",
    )
    _take_card(parser)
    _take_model(parser)
    _take_settings(parser)
    take_security(parser)
    take_json(parser, "")
    parser.set_defaults(do=_doctor)


def _take_card(parser: argparse.ArgumentParser) -> None:
    card = parser.add_argument_group("the card", "By name, or by three numbers.")
    card.add_argument(
        "--card",
        metavar="NAME",
        help="one of `cards` in config/local.yaml, such as rtx-4090, a40 or h100-80; "
        "default: the profile's",
    )
    card.add_argument("--memory-gib", type=_amount, metavar="N", help="as nvidia-smi shows it")
    card.add_argument("--bandwidth-gb-s", type=_amount, metavar="N", help="of its own memory")
    card.add_argument("--compute-capability", type=_amount, metavar="X.Y", help="such as 8.6")


def _take_model(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("the model", "Default: the profile's.")
    model.add_argument(
        "--config-json",
        type=Path,
        metavar="PATH",
        help="the config.json of a dense Hugging Face model, quantization included",
    )
    model.add_argument(
        "--quantization",
        choices=list(_QUANTIZATIONS),
        help="awq, gptq: 4 bit in groups of 128; gguf: Q4_K_M; none: 16 bit",
    )


def _take_settings(parser: argparse.ArgumentParser) -> None:
    settings = parser.add_argument_group(
        "settings of vLLM", "Default: the profile's; given here, they are tried, not kept."
    )
    settings.add_argument("--max-model-len", type=_count, metavar="TOKENS")
    settings.add_argument("--max-num-seqs", type=_count, metavar="N", help="requests at once")
    settings.add_argument("--gpu-memory-utilization", type=share_as("0.9"), metavar="SHARE")
    settings.add_argument("--kv-cache-dtype", choices=["auto", "bfloat16", "fp8"])
    settings.add_argument(
        "--cpu-offload-gb", type=_amount, metavar="GIB", help="weights kept in RAM"
    )


def _doctor(arguments: argparse.Namespace) -> int:
    if arguments.security:
        return look(arguments)
    definition = load_local()
    report = check(_model(arguments, definition), _card(arguments, definition))
    said = json.dumps(as_json(report), indent=2) + "\n" if arguments.json else as_text(report)
    sys.stdout.write(said)
    return 1 if report.problems else 0


def _model(arguments: argparse.Namespace, definition: LocalDefinition) -> LocalModel:
    model = definition.profiles["gpu"]
    if arguments.config_json is not None:
        told = read_config_json(arguments.config_json)
        model = replace(
            model,
            name=str(arguments.config_json),
            architecture=told.architecture,
            quantization=told.quantization,
        )
    if arguments.quantization is not None:
        model = replace(model, quantization=_QUANTIZATIONS[arguments.quantization])
    given = {name: getattr(arguments, name) for name in _SETTINGS}
    return replace(model, **{name: value for name, value in given.items() if value is not None})


def _card(arguments: argparse.Namespace, definition: LocalDefinition) -> Card:
    numbers = (arguments.memory_gib, arguments.bandwidth_gb_s, arguments.compute_capability)
    if any(number is not None for number in numbers):
        if arguments.card is not None or None in numbers:
            raise ConfigError(
                "a card is --card alone, or --memory-gib, --bandwidth-gb-s and "
                "--compute-capability together"
            )
        return Card(
            name="this card",
            memory_gib=arguments.memory_gib,
            bandwidth_gb_s=arguments.bandwidth_gb_s,
            compute_capability=arguments.compute_capability,
            link_gb_s=_OWN_LINK_GB_S,
        )
    wanted = arguments.card or definition.profiles["gpu"].card or ""
    for name, card in definition.cards.items():
        if _plain(name) == _plain(wanted):
            return card
    raise ConfigError(
        f"there is no card {wanted!r}; cards are {', '.join(definition.cards)}; "
        "any other by --memory-gib, --bandwidth-gb-s and --compute-capability"
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount < 1e6:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no amount; write a number above 0")
    return amount


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:10])):
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no count; write a whole number from 1 up"
        )
    return int(text)
