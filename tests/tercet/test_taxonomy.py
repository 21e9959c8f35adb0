"""The kinds of work: what `config/taxonomy.yaml` may say."""

import shutil
from pathlib import Path

import pytest
import yaml

from tercet.config import PROJECT, load, settings
from tercet.errors import ConfigError
from tercet.taxonomy import BUILT_IN, KindRules

NOBODY = settings({})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "config", tmp_path / "config"))


def change(folder: Path, name: str, row: dict[str, object] | None) -> None:
    file = folder / "taxonomy.yaml"
    kinds = yaml.safe_load(file.read_text(encoding="utf-8"))
    if row is None:
        del kinds[name]
    else:
        kinds[name] = {**kinds.get(name, {}), **row}
    file.write_text(yaml.safe_dump(kinds, sort_keys=False), encoding="utf-8")


def test_the_shipped_taxonomy_has_the_built_in_kinds_with_their_flags_and_contracts() -> None:
    shipped = load(chosen=NOBODY).taxonomy

    assert [(k.name, k.rank, k.contract) for k in shipped.kinds] == [
        (k.name, k.rank, k.contract) for k in BUILT_IN.kinds
    ]
    assert all(kind.says and kind.examples for kind in shipped.kinds)


def test_a_kind_of_one_s_own_is_added_with_examples(folder: Path) -> None:
    row = {"says": "Law.", "design": True, "contract": "text", "examples": ["Is this legal?"]}
    change(folder, "legal", row)

    assert load(folder, NOBODY).taxonomy.rules_of("legal") == KindRules(
        name="legal", says="Law.", is_design=True, examples=("Is this legal?",)
    )


def test_a_flag_may_change(folder: Path) -> None:
    change(folder, "maths", {"critical": True})

    assert load(folder, NOBODY).taxonomy.rules_of("maths").rank == 0


def test_a_built_in_kind_may_not_be_missing(folder: Path) -> None:
    change(folder, "chat", None)

    with pytest.raises(ConfigError, match=r"taxonomy\.yaml: chat is missing; the classifier"):
        load(folder, NOBODY)


@pytest.mark.parametrize(
    ("name", "row", "problem"),
    [
        ("legal", {"says": "Law.", "contract": "text"}, "kinds.legal.examples: Field required"),
        ("chat", {"contract": "song"}, "kinds.chat.contract: Input should be 'text', 'short'"),
        ("Legal Work", {"says": "x", "contract": "text", "examples": ["x"]}, "should match"),
    ],
)
def test_a_broken_kind_is_refused_with_its_place(
    folder: Path, name: str, row: dict[str, object], problem: str
) -> None:
    change(folder, name, row)

    with pytest.raises(ConfigError, match=problem):
        load(folder, NOBODY)


def test_a_kind_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(KeyError, match="'poetry' is no kind of task; kinds are security, archi"):
        BUILT_IN.rules_of("poetry")
