"""Templates and static files: the only module that knows Jinja."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound

from router.console.pages import BASE
from router.console.spelling import document
from router.console.views import Shell
from router.console.wording import filters

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
TEMPLATES = FOLDER / "templates"


class Renderer:
    """Turns views into HTML; whatever a view holds is escaped."""

    def __init__(self, clock: Callable[[], float], templates: Path = TEMPLATES) -> None:
        """Read templates when they are first needed."""
        self._environment = Environment(
            loader=FileSystemLoader(templates),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(filters(clock))
        self._environment.filters["document"] = document
        more: dict[str, Any] = {"static": static_url, "base": BASE}
        self._environment.globals.update(more)

    def page(self, template: str, view: object, shell: Shell) -> str:
        """Return a page.

        Raises:
            TemplateNotFound: there is no such template.
        """
        return self._environment.get_template(template).render(view=view, shell=shell)


def static_file(path: str) -> Path | None:
    """Return a file of the static folder, or `None`."""
    file = (STATIC / path).resolve()
    return file if file.is_file() and file.is_relative_to(STATIC.resolve()) else None


def static_url(path: str) -> str:
    """Return the address of a static file, which another content changes.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return f"{BASE}/static/{path}?v={digest(path)}"


@cache
def digest(path: str) -> str:
    """Return the beginning of a static file's SHA-256."""
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]


__all__ = ["Renderer", "TemplateNotFound", "digest", "static_file", "static_url"]
