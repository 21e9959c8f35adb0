import pytest


def pytest_collection_modifyitems(config, items) -> None:
    """Leave out what needs an installed client, unless it is asked for by its marker."""
    if "clients" in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker("clients")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("clients")]


@pytest.fixture
def workplace(tmp_path):
    """A home and a project for an agent."""
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "note.txt").write_text("the note says 42\n")
    return tmp_path
