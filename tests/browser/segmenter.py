"""The segmenter on a page, as tests see and use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from playwright.sync_api import Locator

import ncut_widgets as nw
from hosts import LabHost, View

# Of the photographs in use: the astronaut's suit and face, and the sky behind the temple.
SUIT, FACE, SKY = (1, 46, 24), (1, 14, 29), (3, 6, 48)


@dataclass
class Segmenter(View):
    """The segmenter of an explorer on a page."""

    name: ClassVar[str] = "click-segmenter"
    python: nw.Session

    def marks(self, image: int) -> Locator:
        return self.tile(image).locator("[data-prompt]")

    def middle(self, image: int, row: int, column: int) -> tuple[float, float]:
        """Return the middle of a patch in pixels of the image."""
        size, m = self.host.get("meta")["images"][image], self.host.maps()[image]
        return (column + 0.5) / m["columns"] * size["width"], (row + 0.5) / m["rows"] * size["height"]

    def click(self, place: tuple[int, int, int], *, button: str = "left", key: str | None = None) -> None:
        if key is not None:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.place(*place), button=button)
        if key is not None:
            self.page.keyboard.up(key)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=4)
        self.page.mouse.up()

    def radio(self, name: str) -> Locator:
        return self.root.get_by_role("radio", name=name, exact=True)

    def slider(self, name: str) -> Locator:
        return self.root.get_by_role("slider", name=name, exact=True)

    def on_slider(self, name: str, share: float) -> tuple[float, float]:
        """A point on the page: so far along a slider, in [0, 1]."""
        box = self.slider(name).bounding_box()
        return box["x"] + share * box["width"], box["y"] + box["height"] / 2

    def objects(self, wanted: Callable[[list[dict]], bool]) -> list[dict]:
        """Wait until Python has the objects as wanted and the page has heard so, and return them."""
        objects = self.host.wait("objects", wanted)
        self.host.next_frame()
        return objects

    def clicks(self, count: int) -> list[dict]:
        """Wait until the first object has so many clicks, and return them."""
        return self.objects(lambda objects: bool(objects) and len(objects[0]["clicks"]) == count)[0]["clicks"]

    def drawn(self, image: int) -> np.ndarray:
        """Return the overlay of an image as it is drawn, (rows, columns, 4) RGBA."""
        data, width, height = (
            self.tile(image)
            .locator("canvas")
            .evaluate(
                """(canvas) => {
              const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              return [[...data], width, height];
            }"""
            )
        )
        return np.array(data, np.uint8).reshape(height, width, 4)

    def covered(self) -> list[np.ndarray]:
        """Return where some mask is drawn, for each image."""
        return [self.drawn(image)[..., 3] > 0 for image in range(4)]

    def spill(self, image: int) -> tuple[int, int, int]:
        """Return a patch of an image in the middle of what is covered there."""
        rows, columns = np.nonzero(self.covered()[image])
        middle = len(rows) // 2
        return image, int(rows[middle]), int(columns[middle])

    def masks(self, resolution: str = "patch") -> dict[str, list[np.ndarray]]:
        """Return the masks that Python has."""
        if isinstance(self.host, LabHost):
            plain = f"explorer.session.masks(resolution={resolution!r}).items()"
            found = self.host.notebook.evaluate(f"{{name: [m.tolist() for m in masks] for name, masks in {plain}}}")
            return {name: [np.array(mask, bool) for mask in masks] for name, masks in found.items()}
        self.python.objects = self.host.get("objects")
        return self.python.masks(resolution=resolution)

    def shows_what_python_has(self) -> None:
        """Wait until the overlays are the union of Python's masks."""
        union = [np.logical_or.reduce(masks) for masks in zip(*self.masks().values(), strict=True)]
        # An exported file holds eigenvectors in half precision, and a patch may lie at the threshold.
        self.host.until(
            lambda: all((a != b).mean() < 0.005 for a, b in zip(self.covered(), union, strict=True)),
            "the masks are drawn as Python has them",
        )
        assert any(mask.any() for mask in union)

    def download(self, name: str) -> tuple[str, bytes]:
        with self.page.expect_download() as event:
            self.button(f"Export {name}").click()
        return event.value.suggested_filename, Path(event.value.path()).read_bytes()
