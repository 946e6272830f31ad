"""Speed of the views in a browser: hover, click, scroll, first frame compared with plotly, and `explore`.

    python benchmarks/browser.py [--nodes 100000] [--out browser.json]

Needs a Chromium: NCUT_CHROMIUM, playwright's own, or one on the PATH. Prints a table and writes it as JSON. With
software rendering, the times include the work that a GPU would do.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import plotly
from playwright.sync_api import Browser, Page, Route, sync_playwright

import ncut_widgets as nw

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from chromium import ARGUMENTS, find_chromium

STATIC = Path(nw.__file__).parent / "static"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
SIDE = 32  # patches per side of an image
VIEWPORT = {"width": 1400, "height": 900}

# Both draw the same points alternately on one page, after a warm-up. Reading a pixel waits for the GPU.
FIRST_FRAMES = """
async ({ n, rounds }) => {
  const session = (await import("/session.js")).default;
  const scatter = (await import("/embedding_scatter.js")).default;
  const coords = new Float32Array(3 * n), rgb = new Uint8Array(3 * n);
  for (let i = 0; i < 3 * n; i++) {
    coords[i] = Math.sin(i * 12.9898) + Math.sin(i * 0.001);
    rgb[i] = (i * 2654435761) >>> 24;
  }
  const model = (state, arrays = {}) => {
    const on = {};
    return {
      get: (key) => state[key], set: (key, value) => { state[key] = value; }, save_changes() {},
      on: (name, f) => { (on[name] ??= []).push(f); }, off() {},
      send: ({ id, name }) => queueMicrotask(() => {
        const data = arrays[name];
        const reply = { kind: "reply", id, ok: true, part: 0, parts: 1, shape: [n, 3],
                        dtype: data.constructor.name.toLowerCase().replace("array", "") };
        for (const f of on["msg:custom"]) f(reply, [new DataView(data.buffer)]);
      }),
    };
  };
  const meta = { version: 0, embedding: 0, images: [{ name: "one", width: n, height: 1 }], n_nodes: n, n_eig: 3,
                 eigenvalues: null, maps: [{ image: 0, rows: 1, columns: n, source: "s" }], click_eig: 1,
                 cluster_counts: [2], channel_names: null, abilities: [] };
  const state = { meta, hover: null, selection: [], layer: "ncut", source: "s", blend: 1, smooth: false,
                  eigenvector: 0, n_clusters: 2, hover_heatmap: true, point_size: 3, camera: null,
                  hide_outliers: false, recolor_status: { method: null, status: "ready", error: null }, objects: [],
                  active_object: null, refine: null, selected_cluster: null, cluster_names: {}, hidden_clusters: [],
                  cluster_groups: [], hovered_channel: null, pinned_channels: [] };
  const { store } = session.initialize({ model: model(state, { coords, rgb }), signal: new AbortController().signal });
  const element = () => {
    const made = document.createElement("div");
    made.style.cssText = "width: 700px; height: 480px";
    document.body.replaceChildren(made);
    return made;
  };
  const ours = async () => {
    const el = element(), abort = new AbortController(), start = performance.now();
    const view = model({ session: "session", height: 480 });
    await scatter.render({ model: view, el, signal: abort.signal,
                           host: { getWidget: async () => ({ exports: { store } }) } });
    const root = el.firstElementChild;
    while (root.dataset.ready !== "true") {
      if (performance.now() - start > 60000) throw new Error("the scatter was not ready in time: " + root.textContent);
      await new Promise((done) => setTimeout(done));
    }
    root.querySelector("canvas").getContext("2d").getImageData(0, 0, 1, 1);
    const took = performance.now() - start;
    abort.abort();
    return took;
  };
  const axis = (k) => Array.from({ length: n }, (_, i) => coords[3 * i + k]);
  const colors = Array.from({ length: n }, (_, i) => `rgb(${rgb[3 * i]},${rgb[3 * i + 1]},${rgb[3 * i + 2]})`);
  const [x, y, z] = [axis(0), axis(1), axis(2)];
  const theirs = async () => {
    const el = element(), start = performance.now();
    await Plotly.newPlot(el, [{ type: "scatter3d", mode: "markers", x, y, z, marker: { size: 2, color: colors } }],
                         { width: 700, height: 480 });
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const canvas = el.querySelector("canvas"), gl = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    const took = performance.now() - start;
    Plotly.purge(el);
    return took;
  };
  const times = [];
  await ours(); // the first WebGL context of a page starts the GPU process
  for (let round = 0; round < rounds; round++) times.push([await ours(), await theirs()]);
  return times;
}
"""

# Measures all script time of a frame, from the event to the last callback.
TIMING = """
window.spent = 0;
const request = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (run) => request((now) => {
  const start = performance.now();
  run(now);
  window.spent += performance.now() - start;
});
let begun = 0;
for (const type of ["pointermove", "pointerup"]) {
  window.addEventListener(type, () => { begun = performance.now(); }, { capture: true });
  window.addEventListener(type, () => { window.spent += performance.now() - begun; });
}
"""

SCROLL = """
async (area) => {
  const frames = [];
  let last = await new Promise(requestAnimationFrame);
  for (let y = 0; y < area.scrollHeight - area.clientHeight; y += 60) {
    area.scrollTop = y;
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return frames;
}
"""


def synthetic(n_nodes: int) -> nw.Session:
    rng = np.random.default_rng(0)
    n_images = max(1, round(n_nodes / SIDE**2))
    grid = nw.PatchGrid([(256, 256)] * n_images, [nw.PatchMap(i, SIDE, SIDE) for i in range(n_images)])
    images = [np.repeat(np.repeat(rng.integers(0, 255, (32, 32, 3), np.uint8), 8, 0), 8, 1) for _ in range(n_images)]
    centers = rng.normal(size=(12, 20))
    vectors = centers[rng.integers(0, 12, grid.n_nodes)] + 0.4 * rng.normal(size=(grid.n_nodes, 20))
    return nw.Session(images, grid=grid, eigenvectors=vectors)


def open_page(browser: Browser, path: Path, script: str = "") -> Page:
    page = browser.new_page(viewport=VIEWPORT)
    page.add_init_script(script)
    page.goto(path.as_uri())
    page.wait_for_selector("[data-ncut-view=explorer][data-ready=true]")
    return page


def hover(browser: Browser, path: Path) -> float:
    """Return the median script time in ms from the mouse over a patch to its drawn heatmap, over 40 patches."""
    page = open_page(browser, path, TIMING)
    box = page.locator("[data-image='0']").evaluate("(tile) => tile.getBoundingClientRect().toJSON()")
    times = []
    for i in range(40):
        page.evaluate("() => { window.spent = 0; }")
        page.mouse.move(box["x"] + (i * 37) % box["width"], box["y"] + (i * 23) % box["height"])
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        times.append(page.evaluate("() => window.spent"))
    page.close()
    return median(times)


def click(browser: Browser, path: Path) -> float:
    """Return the median script time in ms from a click to its drawn mask in all images, over 40 first clicks."""
    page = open_page(browser, path, TIMING)
    page.wait_for_selector("[data-ncut-view=click-segmenter][data-ready=true]")
    box = page.locator("[data-image='0']").evaluate("(tile) => tile.getBoundingClientRect().toJSON()")
    times = []
    for i in range(40):
        # Below the button that enlarges an image.
        page.mouse.move(box["x"] + (i * 37) % box["width"], box["y"] + 30 + (i * 23) % (box["height"] - 30))
        page.mouse.down()
        page.evaluate("() => new Promise(requestAnimationFrame)")
        page.evaluate("() => { window.spent = 0; }")
        page.mouse.up()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        times.append(page.evaluate("() => window.spent"))
        page.keyboard.press("Control+z")
        page.evaluate("() => new Promise(requestAnimationFrame)")
    page.close()
    return median(times)


def scroll(browser: Browser, path: Path) -> tuple[float, float]:
    """Return the median and the 95 % quantile of the frame time in ms while scrolling through all images."""
    page = open_page(browser, path)
    # Large tiles, so that there is something to scroll. The first pass decodes the images.
    page.get_by_role("slider", name="Image size").fill("180")
    area = page.locator(".ncut-tiles")
    area.evaluate(SCROLL)
    frames = area.evaluate(SCROLL)
    page.close()
    return median(frames), float(np.quantile(frames, 0.95))


def first_frames(browser: Browser, n: int, rounds: int = 3) -> tuple[float, float]:
    """Return the time in ms to the first frame of n points, ours and plotly's, on one page."""

    def serve(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[-1]
        if name == "plotly.js":
            route.fulfill(path=PLOTLY)
        elif name:
            route.fulfill(path=STATIC / name)
        else:
            route.fulfill(body="<!doctype html><script src=/plotly.js></script>", content_type="text/html")

    page = browser.new_page(viewport=VIEWPORT)
    page.route("**/*", serve)
    page.goto("http://benchmark.invalid/")
    page.wait_for_function("() => window.Plotly")
    times = page.evaluate(FIRST_FRAMES, {"n": n, "rounds": rounds})
    page.close()
    ours, theirs = (median(column) for column in zip(*times, strict=True))
    return ours, theirs


def explore_to_paint(browser: Browser, folder: Path) -> float:
    """Return the seconds from `explore(sample_images())` to the first paint, with imports and browser warm."""
    images = nw.sample_images()
    nw.explore(images[:1], progress=False)
    start = time.perf_counter()
    path = nw.explore(images, progress=False).to_html(folder / "explored.html", progress=False)
    page = open_page(browser, path)
    took = time.perf_counter() - start
    page.close()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("browser.json"))
    options = parser.parse_args()
    chromium = find_chromium()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        session = synthetic(options.nodes)
        path = session.to_html(folder / "synthetic.html", progress=False)
        to_click = session.to_html(folder / "segment.html", tab="segment", progress=False)
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        ours, theirs = first_frames(browser, options.nodes)
        typical, slow = scroll(browser, path)
        rows = {
            f"hover to heatmap, script, {session.grid.n_nodes} nodes x 20 (ms)": hover(browser, path),
            f"click to mask drawn, script, {session.grid.n_nodes} nodes x 20 (ms)": click(browser, to_click),
            f"scrolling {len(session.images)} images, frame, median (ms)": typical,
            f"scrolling {len(session.images)} images, frame, 95 % quantile (ms)": slow,
            f"first frame of {options.nodes} points (ms)": ours,
            "the same by plotly scatter3d (ms)": theirs,
            "plotly / ours": theirs / ours,
            "explore(12 photographs), export and first paint (s)": explore_to_paint(browser, folder),
        }
        browser.close()
    for what, value in rows.items():
        print(f"{what:60} {value:9.2f}")
    options.out.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
