"""`router`, `deployments` and `cluster` are generic names: another package may bring the same."""

import subprocess
import sys
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from tercet.config import PROJECT

NAMES = ("tercet", "router", "deployments", "cluster")


@pytest.mark.parametrize("name", NAMES)
def test_no_other_distribution_owns_the_name(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {"tercet"}


@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_imported_from_this_checkout(name: str) -> None:
    found = find_spec(name)
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin) == PROJECT / name / "__init__.py"


def test_the_ingress_loads_no_providers_sdk() -> None:
    """An SDK costs seconds of start and 80 MB; only the proxies pay for it."""
    script = "import sys, router.ingress; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "router.ingress" in loaded
    assert {"anthropic", "google.genai", "genai_prices"} & set(loaded) == set()
