import json
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.doorstep import WELCOME
from cluster.vps_2.welcome import answer

NODE = {"forwards": ["-L"], "command": ["ray"], "node_id": "a-1"}


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    (tmp_path / "secret.json").write_text('{"of": "another folder"}')
    folder = tmp_path / "nodes"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(NODE))
    return folder


def test_one_that_joins_is_told_all_and_is_heard(nodes: Path) -> None:
    assert json.loads(answer(nodes, "a", "join")) == NODE
    assert (nodes / "a.beat").exists()


@pytest.mark.parametrize("said", ["beat", "", "sh -i", "join; cat /etc/passwd", "JOIN"])
def test_whatever_else_it_says_it_hears_only_that_it_is_wanted(nodes: Path, said: str) -> None:
    assert json.loads(answer(nodes, "a", said)) == {"wanted": True}


@pytest.mark.parametrize("lease", ["../secret", "a/../a", "", "A", "a.json", "a\n", "a b"])
def test_a_name_that_is_no_leases_opens_no_file(nodes: Path, lease: str) -> None:
    assert answer(nodes, lease, "join") == "{}"
    assert not list(nodes.glob("*.beat"))


def test_one_that_is_not_wanted_is_told_so_and_is_not_heard(nodes: Path) -> None:
    (nodes / "a.json").unlink()
    for said in ("join", "beat"):
        assert answer(nodes, "a", said) == "{}"
    assert not (nodes / "a.beat").exists()


def test_it_runs_with_the_standard_library_alone(nodes: Path) -> None:
    command = [sys.executable, "-IS", str(WELCOME), str(nodes), "a"]
    told = subprocess.run(
        command, env={"SSH_ORIGINAL_COMMAND": "join"}, capture_output=True, check=True
    )
    assert json.loads(told.stdout) == NODE
