"""Arms by their names."""

import pytest
from fakes.golden import ARGON, FLASH, HAIKU, LEAD, LED, PAIR, SONNET, arms

from tercet.errors import ConfigError


def test_tiers_models_the_local_model_and_repeats_have_names() -> None:
    named = arms("tier3", LED, SONNET, "local", FLASH, f"{HAIKU}*3", f"{SONNET}*2", "tier3")
    assert [(arm.id, arm.model, arm.answers) for arm in named] == [
        (PAIR, "tier3", 1),
        (LED, "tier2", 1),
        (LEAD, SONNET, 1),
        ("local(tiny-llama)", "local", 1),
        (FLASH, FLASH, 1),
        (f"{HAIKU}*3", HAIKU, 3),
        (f"{LEAD}*2", SONNET, 2),
    ]


def test_what_is_no_arm_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError) as refusal:
        arms(
            "gpt", "tier3*2", f"{HAIKU}*1", f"{HAIKU}*10", f"tier3+tier2({HAIKU}+{FLASH}+{SONNET})"
        )
    *problems, known = str(refusal.value).split("\n")
    assert problems == [
        "'gpt' is no arm that can be asked for",
        "'tier3*2': before the * has to be a single model",
        f"'{HAIKU}*1': it may be asked 2 to 9 times",
        f"'{HAIKU}*10': it may be asked 2 to 9 times",
        f"'tier3+tier2({HAIKU}+{FLASH}+{SONNET})' is no arm that can be asked for",
    ]
    assert known == (
        f"arms are tier1(claude-opus-5-5+{ARGON}), tier1(claude-opus-5-5), {LED}, {LEAD}, {PAIR}, "
        f"local(tiny-llama), {HAIKU}, {ARGON}, {FLASH}, and MODEL*N"
    )
