"""Take the screenshots in docs/images: the views of an explorer, and one animation, in light and dark mode.

    python docs/figures/screenshots.py

Needs a Chromium: NCUT_CHROMIUM, playwright's own, or one on the PATH. Takes about a minute on
two cores.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, sync_playwright

import ncut_widgets as nw

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "browser"))
from chromium import ARGUMENTS, find_chromium

FOLDER = Path(__file__).parents[1] / "images"
WIDTH, HEIGHT = 1380, 560  # CSS pixels of the explorer
QUALITY = 78
NAMES = ("motorcycle, left", "motorcycle, right", "astronaut", "coffee", "flower", "temple")
SKY, LEAVES, SUIT, FLOOR = (5, 500, 60), (4, 60, 60), (2, 150, 300), (0, 60, 470)  # image, x, y
OBJECTS = {
    "paint": ("#2f6fde", [(0, 445, 215), (0, 560, 300)]),
    "floor": ("#2e9e5b", [FLOOR]),
    "suit": ("#9b59b6", [SUIT]),
    "leaves": ("#c2185b", [LEAVES]),
    "saucer": ("#e08a1e", [(3, 130, 290)]),
    "sky": ("#2bb5b0", [SKY]),
}
# Patches to hover in the animation: image, and position in fractions of its sides.
HOVERED = [
    *((0, 0.6, 0.3), (0, 0.36, 0.5), (0, 0.95, 0.5), (1, 0.35, 0.62), (1, 0.48, 0.2), (2, 0.5, 0.4), (2, 0.15, 0.2)),
    *((3, 0.8, 0.2), (3, 0.85, 0.85), (4, 0.5, 0.5), (4, 0.15, 0.3), (6, 0.4, 0.4), (6, 0.1, 0.9), (9, 0.3, 0.2)),
]
FRAME_MILLISECONDS = 900


def open_page(browser: Browser, page: Path, mode: str) -> Locator:
    """Open an exported page in a new tab and return its explorer, with all views ready."""
    tab = browser.new_page(viewport={"width": WIDTH + 60, "height": HEIGHT + 140}, color_scheme=mode)
    tab.goto(page.as_uri())
    explorer = tab.locator("[data-ncut-view=explorer][data-ready=true]")
    explorer.wait_for()
    tab.wait_for_function(
        "() => [...document.querySelectorAll('[data-ncut-view]')].every((view) => view.dataset.ready === 'true')"
    )
    return explorer


def screenshot(explorer: Locator) -> Image.Image:
    explorer.page.wait_for_timeout(500)  # transitions
    with Image.open(io.BytesIO(explorer.screenshot())) as image:
        return image.convert("RGB")


def shoot(browser: Browser, page: Path, name: str, prepare: Callable[[Locator], None] | None = None) -> None:
    """Save a screenshot of an exported page in both modes, after `prepare(explorer)`."""
    for mode in ("light", "dark"):
        explorer = open_page(browser, page, mode)
        if prepare is not None:
            prepare(explorer)
        screenshot(explorer).save(FOLDER / f"{name}-{mode}.webp", quality=QUALITY, method=6)
        explorer.page.close()


def animate(browser: Browser, page: Path, name: str) -> None:
    """Save an animation in which the mouse hovers one patch after another."""
    for mode in ("light", "dark"):
        explorer = open_page(browser, page, mode)
        frames = []
        for place in HOVERED:
            hover(*place)(explorer)
            frame = screenshot(explorer)
            frames.append(frame.resize((1000, round(1000 * frame.height / frame.width)), Image.Resampling.LANCZOS))
        first, *others = frames
        first.save(
            FOLDER / f"{name}-{mode}.webp",
            save_all=True,
            append_images=others,
            duration=FRAME_MILLISECONDS,
            loop=0,
            quality=QUALITY - 20,
            method=6,
        )
        explorer.page.close()


def hover(image: int, x: float, y: float) -> Callable[[Locator], None]:
    """Return a function that moves the mouse to a point of an image, in fractions of its sides."""

    def move(explorer: Locator) -> None:
        tile = explorer.locator(f"[data-image='{image}']:visible")
        box = tile.bounding_box()
        tile.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    return move


def show_channel(explorer: Locator) -> None:
    explorer.locator("[data-channel]:visible").nth(2).hover()


def explore(browser: Browser, folder: Path) -> None:
    explorer = nw.explore(nw.sample_images(), progress=False)
    page = explorer.to_html(folder / "explorer.html", attributions=[8], progress=False)
    shoot(browser, page, "explorer")
    animate(browser, page, "hover")
    explorer.close()


def edit(browser: Browser, folder: Path) -> None:
    photographs = {image.info["name"]: image for image in nw.sample_images()}
    explorer = nw.explore([photographs[name] for name in NAMES], n_eig=32, progress=False)
    session = explorer.session
    session.objects = [
        {
            "name": name,
            "color": color,
            "clicks": [{"image": i, "x": x, "y": y} for i, x, y in points],
            "n_eig": 32,
            "threshold": 0.4,
        }
        for name, (color, points) in OBJECTS.items()
    ]
    session.active_object = 0
    explorer.tab = "segment"
    shoot(browser, explorer.to_html(folder / "segment.html", attributions=[14], progress=False), "segment")
    session.n_clusters = 14
    labels = session.labels()
    for name, place in {"sky": SKY, "leaves": LEAVES, "suit": SUIT, "floor": FLOOR}.items():
        cluster = int(labels[session.grid.node_at(place[0], x=place[1], y=place[2])])
        session.cluster_names = {**session.cluster_names, str(cluster): name}
    explorer.tab = "clusters"
    page = explorer.to_html(folder / "clusters.html", attributions=[14], progress=False)
    shoot(browser, page, "clusters", hover(2, 0.33, 0.6))
    session.selected_cluster = int(labels[session.grid.node_at(SKY[0], x=SKY[1], y=SKY[2])])
    ranked = session.attribute(n_clusters=14).top_k(20, target=f"cluster {session.selected_cluster}")
    session.pinned_channels = [row.channel for row in ranked if row.score > 0][:3]
    explorer.tab = "channels"
    shoot(
        browser,
        explorer.to_html(folder / "channels.html", attributions=[14], progress=False),
        "channels",
        show_channel,
    )
    explorer.close()


def main() -> None:
    chromium = find_chromium()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        explore(browser, Path(name))
        edit(browser, Path(name))
        browser.close()


if __name__ == "__main__":
    main()
