"""`router`, `deployments` and `cluster` are generic names: another package may bring the same."""

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
