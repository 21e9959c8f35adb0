import pytest


@pytest.fixture(scope="session")
def system(tmp_path_factory):
    """One running system for the whole session; tests leave it as they found it."""
    from fakes.running import running  # a second's import that few tests need

    with running(tmp_path_factory.mktemp("tercet")) as started:
        yield started
