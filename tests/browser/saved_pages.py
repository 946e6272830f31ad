"""Pages with saved widgets and no kernel, opened without a network: what they load from a CDN comes from packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anywidget
from playwright.sync_api import Page, Route

_NODE_MODULES = Path(__file__).parents[2] / "node_modules"
# The address that a page asks for, and the file that answers: in a folder, the rest of the address is its path there.
_FILES = (
    (re.compile(r"/require(?:\.min)?\.js"), _NODE_MODULES / "requirejs" / "require.js"),
    (re.compile(r"@jupyter-widgets/html-manager@[^/]+/"), _NODE_MODULES / "@jupyter-widgets" / "html-manager"),
    (re.compile(r"/anywidget@[^/]+/dist/index\.js"), Path(anywidget.__file__).parent / "nbextension" / "index.js"),
)
# Formulas and diagrams of a notebook that has none.
_UNUSED = re.compile(r"mathjax|mermaid")


@contextmanager
def packages_for_a_cdn(page: Page) -> Iterator[None]:
    """Answer what pages with widgets load from a CDN, and fail on any other request."""
    unknown: list[str] = []

    def answer(route: Route) -> None:
        url = route.request.url
        if url.startswith("file:"):
            route.continue_()
            return
        for address, file in _FILES:
            if found := address.search(url):
                route.fulfill(path=file / url[found.end() :] if file.is_dir() else file)
                return
        if not _UNUSED.search(url):
            unknown.append(url)
        route.abort()

    page.context.route("**/*", answer)
    yield
    if unknown:
        raise AssertionError("The page asked for what no package here has:\n" + "\n".join(unknown))
