"""Memory leaks when a cell runs repeatedly, in the kernel and on the page of a real JupyterLab.

    python benchmarks/leaks.py [--runs 50] [--images 4] [--coloring pca] [--cell "..."] [--out leaks.json]

Each run shows an explorer, opens its tabs, hovers an image, collects garbage on both sides and counts objects. Prints a
table with the growth per run over the second half of the runs, after one-time allocations. The page grows by about
0.5 MB per run: JupyterLab 4.6 keeps the models of closed widgets, ipywidgets' own as well, and with them the code of
seven views. Needs a Chromium, see
benchmarks/browser.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from chromium import ARGUMENTS, find_chromium
from jupyter_driver import JupyterLab, Notebook

CELLS = {
    "again": "nw.explore(images, n_eig=8, coloring={coloring!r})",
    "variable": "e = nw.explore(images, n_eig=8, coloring={coloring!r})\ne",
    "close": "globals().get('e') and e.close()\ne = nw.explore(images, n_eig=8, coloring={coloring!r})\ndisplay(e)",
}
TABS = {
    "segment": "click-segmenter",
    "clusters": "cluster-panel",
    "channels": "channel-bars",
    "explore": "image-grid",
}
KERNEL = """
def _leaks():
    import gc, os, threading
    from comm import get_comm_manager
    from ipywidgets.widgets.widget import _instances
    gc.collect()
    pages = int(open('/proc/self/statm').read().split()[1])
    return {'kernel MB': pages * os.sysconf('SC_PAGE_SIZE') / 1e6, 'widgets': len(_instances),
            'comms': len(get_comm_manager().comms), 'threads': threading.active_count(),
            'objects': len(gc.get_objects())}
"""
# Counts resources of the page that its garbage collector does not free.
COUNTERS = """
{
  const counts = (window.__held = { contexts: 0, urls: 0, observers: 0, bitmaps: 0 });
  const seen = new WeakSet();
  const getContext = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    const context = getContext.call(this, kind, ...rest);
    if (context && String(kind).startsWith("webgl") && !seen.has(context)) {
      seen.add(context);
      counts.contexts++;
      this.addEventListener("webglcontextlost", () => counts.contexts--);
    }
    return context;
  };
  const { createObjectURL, revokeObjectURL } = URL;
  URL.createObjectURL = (...a) => { counts.urls++; return createObjectURL.apply(URL, a); };
  URL.revokeObjectURL = (...a) => { counts.urls--; return revokeObjectURL.apply(URL, a); };
  for (const kind of ["MutationObserver", "ResizeObserver", "IntersectionObserver"]) {
    const { observe, disconnect } = window[kind].prototype;
    const on = new WeakSet();
    window[kind].prototype.observe = function (...a) {
      if (!on.has(this)) { on.add(this); counts.observers++; }
      return observe.apply(this, a);
    };
    window[kind].prototype.disconnect = function () {
      if (on.delete(this)) counts.observers--;
      return disconnect.call(this);
    };
  }
  const make = window.createImageBitmap, { close } = ImageBitmap.prototype;
  window.createImageBitmap = (...a) => { counts.bitmaps++; return make(...a); };
  ImageBitmap.prototype.close = function () { counts.bitmaps--; return close.call(this); };
}
"""


def use(page: Page) -> None:
    """Open all tabs of the explorer and hover an image."""
    explorer = page.locator("[data-ncut-view=explorer][data-ready=true]")
    explorer.wait_for()
    for tab, view in TABS.items():
        explorer.locator(f"[data-tab={tab}]").click()
        explorer.locator(f"[data-ncut-view={view}][data-ready=true]").wait_for()
    explorer.locator("[data-ncut-view=image-grid] [data-image='0']").hover()
    page.mouse.move(0, 0)


def count(page: Page, devtools: CDPSession, notebook: Notebook) -> dict[str, float]:
    for _ in range(3):
        devtools.send("HeapProfiler.collectGarbage")
    usage = devtools.send("Runtime.getHeapUsage")
    metrics = {entry["name"]: entry["value"] for entry in devtools.send("Performance.getMetrics")["metrics"]}
    held = page.evaluate("() => ({ ...window.__held })")
    return {
        **notebook.evaluate("_leaks()"),
        "page MB": usage["usedSize"] / 1e6,
        "arrays MB": usage.get("backingStorageSize", 0) / 1e6,
        "nodes": metrics["Nodes"],
        "listeners": metrics["JSEventListeners"],
        "WebGL contexts": held["contexts"],
        "blob URLs": held["urls"],
        "observers": held["observers"],
        "bitmaps": held["bitmaps"],
    }


def measure(cell: str, *, images: int, runs: int) -> list[dict[str, float]]:
    """Run the cell `runs` times and return the counts after each run."""
    setup = f"import ncut_widgets as nw\nimages = nw.sample_images()[:{images}]\n{KERNEL}"
    found = []
    chromium = find_chromium()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = JupyterLab(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(120_000)
            page.add_init_script(COUNTERS)
            notebook = lab.open(page, [setup, cell])
            devtools = page.context.new_cdp_session(page)
            devtools.send("Performance.enable")
            notebook.run(0)
            for run in range(runs):
                start = time.perf_counter()
                notebook.run(1)
                use(page)
                found.append(count(page, devtools, notebook))
                print(f"run {run + 1}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
        finally:
            browser.close()
            lab.stop()
    return found


def slopes(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the growth of each count per run, over the second half of the runs."""
    half = found[len(found) // 2 :]
    at = np.arange(len(half))
    return {name: float(np.polyfit(at, [entry[name] for entry in half], 1)[0]) for name in half[0]}


def table(found: list[dict[str, float]]) -> None:
    growth = slopes(found)
    middle = len(found) // 2
    print(f"{'':16}{'run 1':>12}{f'run {middle + 1}':>12}{f'run {len(found)}':>12}{'per run':>12}")
    for name, slope in growth.items():
        shown = "".join(f"{found[at][name]:12.1f}" for at in (0, middle, -1))
        print(f"{name:16}{shown}{slope:12.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--coloring", default="pca", help="coloring of the explorer; pca is the fastest")
    parser.add_argument("--cell", choices=[*CELLS], nargs="*", default=[*CELLS], help="which cells to run")
    parser.add_argument("--out", type=Path, help="write the counts of each run as JSON")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for name in options.cell:
        cell = CELLS[name].format(coloring=options.coloring)
        print(f"\n{cell}\n", flush=True)
        found = measure(cell, images=options.images, runs=options.runs)
        table(found)
        results[name] = {"cell": cell, "runs": found, "per run": slopes(found)}
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
