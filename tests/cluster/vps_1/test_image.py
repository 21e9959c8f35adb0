import re

import pytest

from cluster.rentals.rentals import BOOT
from tercet.config import PROJECT

DOCKERFILE = (PROJECT / "cluster" / "vps_1" / "Dockerfile").read_text(encoding="utf-8")
COPIED = [
    (source, to)
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
    for *sources, to in [line.split()]
    for source in sources
]


@pytest.mark.parametrize(("source", "to"), COPIED)
def test_what_is_copied_is_there_and_lands_where_the_checkout_has_it(source: str, to: str) -> None:
    assert (PROJECT / source).exists()
    assert to.rstrip("/").endswith((f"/opt/tercet/{source}", "/opt/tercet/cluster/vps_1"))


def test_what_a_machine_boots_is_in_it() -> None:
    python, boot = re.findall(r"/opt/tercet/[\w./]+", BOOT)
    assert f'CMD ["{python}", "{boot}"]' in DOCKERFILE
    assert f"install.sh {python.removesuffix('/bin/python')}\n" in DOCKERFILE


def test_its_python_is_the_one_that_vps_2_is_installed_with() -> None:
    install = (PROJECT / "cluster" / "vps_2" / "install.sh").read_text(encoding="utf-8")
    assert "Make a Debian 12 machine VPS_2" in install
    assert "for package in python3-venv " in install
    assert re.search(r"\nARG BASE=debian:12[\d.]*-slim@sha256:[0-9a-f]{64}\n", DOCKERFILE)
    assert " python3-venv python3-dev " in DOCKERFILE


def test_no_folder_with_secrets_is_copied() -> None:
    assert {source.split("/")[0] for source, _ in COPIED} == {
        "tercet", "router", "deployments", "cluster", "config",
    }  # fmt: skip
