"""The pages there are: their names, addresses and titles, in the order of the navigation."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

BASE = "/console"
"""The application's `route_prefix` in `serve_config.yaml`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page; its template is `NAME.html`, and what is asked for again `parts/NAME.html`."""

    name: str
    path: str
    """Below `BASE`."""
    title: str
    is_in_nav: bool = True

    @property
    def href(self) -> str:
        """Its address."""
        return BASE + self.path


_ALL = (
    Page(name="overview", path="", title="Overview"),
    Page(name="requests", path="/requests", title="Requests"),
    Page(name="request", path="/requests/{id}", title="Request", is_in_nav=False),
    Page(name="migrations", path="/migrations", title="Migrations"),
    Page(name="gpu", path="/gpu", title="GPU"),
    Page(name="quality", path="/quality", title="Quality"),
    Page(name="providers", path="/providers", title="Providers"),
    Page(name="keys", path="/keys", title="Keys"),
    Page(name="playground", path="/playground", title="Playground"),
    Page(name="login", path="/login", title="Sign in", is_in_nav=False),
    Page(name="trouble", path="", title="Trouble", is_in_nav=False),
)
PAGES: Mapping[str, Page] = MappingProxyType({page.name: page for page in _ALL})
