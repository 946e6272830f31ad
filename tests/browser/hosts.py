"""The explorer where people meet it: in JupyterLab with a kernel, and in an exported file without one.

Tests of what both must do take the `host` fixture and run twice.
"""

from __future__ import annotations

import base64
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from playwright.sync_api import Locator, Page

WAIT_SECONDS = 20
STILL = "img[src*='bmN1dC13aWRnZXRz']"
"""The still image that an explorer leaves beside itself in a notebook."""


class Host(ABC):
    """One explorer on a page, and the session's traits as its owner sees them."""

    page: Page
    root: Locator

    @abstractmethod
    def get(self, trait: str) -> Any:
        """Return a trait: Python's in Lab, the page's in an exported file."""

    def wait(self, trait: str, wanted: Callable[[Any], bool]) -> Any:
        """Wait until a trait is as wanted, and return it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not wanted(value := self.get(trait)):
            if time.monotonic() > deadline:
                raise AssertionError(f"`{trait}` did not become what was wanted; it is {value!r}.")
            self.next_frame()
        return value

    # -- where things are on the screen ------------------------------------------------------------------

    @property
    def grid(self) -> Locator:
        return self.root.locator("[data-ncut-view=image-grid]")

    @property
    def scatter(self) -> Locator:
        return self.root.locator("[data-ncut-view=embedding-scatter]")

    @property
    def tiles(self) -> Locator:
        return self.grid.locator("[data-image]")

    def tile(self, image: int) -> Locator:
        return self.grid.locator(f"[data-image='{image}']")

    def maps(self) -> list[dict]:
        return self.get("meta")["maps"]

    def first_node(self, image: int) -> int:
        return sum(m["rows"] * m["columns"] for m in self.maps()[:image])

    def node(self, image: int, row: int, column: int) -> int:
        return self.first_node(image) + row * self.maps()[image]["columns"] + column

    def patch_position(self, image: int, row: int, column: int) -> tuple[float, float]:
        """Return where the middle of a patch is on the page."""
        box = self.tile(image).bounding_box()
        m = self.maps()[image]
        return (
            box["x"] + (column + 0.5) / m["columns"] * box["width"],
            box["y"] + (row + 0.5) / m["rows"] * box["height"],
        )

    def point_position(self, node: int) -> tuple[float, float]:
        """Return where the point of a node is on the page."""
        place = self.scatter.evaluate("(element, node) => element.ncutProject(node)", node)
        return place["x"], place["y"]

    def a_point_in_front(self) -> int:
        """Return a node whose point no other hides."""
        return self.scatter.evaluate(
            "(element, n) => Array.from({ length: n }, (_, i) => i).find((i) => element.ncutProject(i)?.front)",
            self.get("meta")["n_nodes"],
        )

    # -- what is drawn there -----------------------------------------------------------------------------

    def overlay(self, image: int) -> np.ndarray:
        """Return the overlay of an image as it is drawn, (rows, columns, 4) RGBA."""
        pixels = (
            self.tile(image)
            .locator("canvas")
            .evaluate(
                """(canvas) => {
              const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              return { data: [...data], width, height };
            }"""
            )
        )
        return np.array(pixels["data"], np.uint8).reshape(pixels["height"], pixels["width"], 4)

    def cloud(self) -> np.ndarray:
        """Return the scatter as it is drawn, points and marks, (height, width, 4) RGBA in device pixels."""
        pixels = self.scatter.evaluate(
            """(scatter) => {
              const layers = [...scatter.querySelectorAll("canvas")];
              const { width, height } = layers[0];
              const copy = new OffscreenCanvas(width, height).getContext("2d");
              for (const layer of layers) copy.drawImage(layer, 0, 0);
              const { data } = copy.getImageData(0, 0, width, height);
              let text = "";
              for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
              return { data: btoa(text), width, height };
            }"""
        )
        flat = np.frombuffer(base64.b64decode(pixels["data"]), np.uint8)
        return flat.reshape(pixels["height"], pixels["width"], 4)

    def cloud_around(self, node: int, reach: int = 14) -> np.ndarray:
        """Return the pixels of the scatter around a node's point."""
        x, y = self.point_position(node)
        box = self.scatter.locator("canvas").first.bounding_box()
        column, row = round(x - box["x"]), round(y - box["y"])
        return self.cloud()[max(0, row - reach) : row + reach, max(0, column - reach) : column + reach].astype(int)

    def shows(self, what: str) -> None:
        """Wait until the overlays show a layer, or the heatmap of a hovered or pinned patch."""
        self.root.locator(f"[data-ncut-view=image-grid][data-shows={what}]").wait_for()

    def next_frame(self) -> None:
        """Let the page draw what it knows."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something drawn is as it must be."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"It never came to be that {what}.")
            self.next_frame()

    def choose(self, layer: str) -> None:
        self.grid.get_by_role("radio", name=layer).click()

    def mouse_away(self) -> None:
        box = self.root.bounding_box()
        self.page.mouse.move(box["x"] + box["width"] / 2, max(1, box["y"] - 12))


class LabHost(Host):
    def __init__(self, notebook: Any, cell: int) -> None:
        self.notebook = notebook
        self.page = notebook.page
        self.root = notebook.output(cell).locator("[data-ncut-view=explorer]")
        self.root.and_(self.page.locator("[data-ready=true]")).wait_for()
        self.root.scroll_into_view_if_needed()

    def get(self, trait: str) -> Any:
        return self.notebook.evaluate(f"explorer.session.{trait}")

    def set(self, trait: str, value: Any) -> None:
        self.notebook.execute(f"explorer.session.{trait} = __import__('json').loads({json.dumps(json.dumps(value))})")


class PageHost(Host):
    def __init__(self, page: Page, path: Any) -> None:
        self.page = page
        page.goto(path.as_uri())
        self.root = page.locator("[data-ncut-view=explorer]")
        self.root.and_(page.locator("[data-ready=true]")).wait_for()

    def get(self, trait: str) -> Any:
        return self.page.evaluate("(trait) => ncutSession.get(trait)", trait)

    def set(self, trait: str, value: Any) -> None:
        self.page.evaluate("([trait, value]) => ncutSession.set(trait, value)", [trait, value])


@dataclass
class View:
    """One view of an explorer on a page."""

    host: Host

    # As in its `data-ncut-view`.
    name: ClassVar[str]

    def __post_init__(self) -> None:
        self.root.and_(self.page.locator("[data-ready=true]")).wait_for()
        self.root.scroll_into_view_if_needed()

    @property
    def page(self) -> Page:
        return self.host.page

    @property
    def root(self) -> Locator:
        return self.host.root.locator(f"[data-ncut-view={self.name}]")

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def tile(self, image: int) -> Locator:
        return self.root.locator(f"[data-image='{image}']")

    def place(self, image: int, row: int, column: int) -> tuple[float, float]:
        """Return where the middle of a patch is on the page."""
        box, m = self.tile(image).bounding_box(), self.host.maps()[image]
        return (
            box["x"] + (column + 0.5) / m["columns"] * box["width"],
            box["y"] + (row + 0.5) / m["rows"] * box["height"],
        )
