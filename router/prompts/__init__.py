"""The texts sent to models, one Markdown file each, with `$name` holes."""

from collections.abc import Mapping
from importlib.resources import files


def load() -> Mapping[str, str]:
    """Return every text by its file's name without the ending."""
    folder = files("router.prompts")
    return {
        entry.name.removesuffix(".md"): entry.read_text("utf-8").strip()
        for entry in folder.iterdir()
        if entry.name.endswith(".md")
    }
