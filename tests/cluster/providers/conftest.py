import pytest
from fakes.rented_cloud import inside


@pytest.fixture
def cloud(tmp_path):
    """A fake cloud in this process, with three machines."""
    with inside(tmp_path) as site:
        yield site
