import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionModel, SessionState } from "../../shared/types.ts";
import { LocalModel } from "../../standalone/model.ts";
import { Store } from "../session/store.ts";
import widget from "./index.ts";

const META = {
  version: 1, embedding: 0,
  images: [{ name: "one.png", width: 400, height: 300 }, { name: "two.png", width: 400, height: 300 }],
  maps: [{ image: 0, rows: 3, columns: 4, source: "a" }, { image: 1, rows: 3, columns: 4, source: "a" }],
  n_nodes: 24, n_eig: 2, click_eig: 2, eigenvalues: null, cluster_counts: [2, 3, 4], channel_names: null, abilities: [] as string[],
};
const STATE: SessionState = {
  meta: META, hover: null, selection: [], layer: "ncut", source: "a", blend: 0.7, smooth: false, eigenvector: 1,
  n_clusters: 2, hover_heatmap: true, point_size: 5, camera: null, coloring: { method: "pca", status: "ready", error: null },
  objects: [], active: null, refine: "none", cluster: null, cluster_names: {}, hidden_clusters: [], cluster_groups: [], channel: null, channels: [],
};
const column = (node: number) => node % 4;
/** Two clusters are the left and the right half, four the columns; the third comes off the first. */
const IDS: Record<number, number[]> = { 2: [0, 0, 1, 1], 3: [0, 2, 1, 1], 4: [0, 2, 1, 3] };
const ARRAYS: Record<string, [ArrayBufferView, string, number[]]> = {
  eigenvectors: [Float32Array.from({ length: 48 }, (_, i) => {
    const angle = (column(i >> 1) * Math.PI) / 6 + (i >> 1) * 0.001;
    return i % 2 ? Math.sin(angle) : Math.cos(angle);
  }), "float32", [24, 2]],
  "image/0": [Uint8Array.of(1), "uint8", [1]],
  "image/1": [Uint8Array.of(1), "uint8", [1]],
  "parents/3": [Int16Array.of(0, 1, 0), "int16", [3]],
  "parents/4": [Int16Array.of(0, 1, 2, 1), "int16", [4]],
};
for (const [count, ids] of Object.entries(IDS)) {
  ARRAYS[`labels/${count}`] = [Uint8Array.from({ length: 24 }, (_, node) => ids[column(node)]!), "uint8", [24]];
  ARRAYS[`cluster_colors/${count}`] = [Uint8Array.from({ length: 3 * +count }, (_, i) => 20 * i + 10), "uint8", [+count, 3]];
}

interface Painted { data: Uint8ClampedArray; width: number; height: number }

const mounted: AbortController[] = [];
let painted: Map<HTMLCanvasElement, Painted>;

beforeEach(() => {
  painted = new Map();
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function (this: HTMLCanvasElement) {
    return { putImageData: (image: Painted) => painted.set(this, image), clearRect: () => painted.delete(this) } as never;
  } as never);
  vi.stubGlobal("ImageData", class {
    constructor(readonly data: Uint8ClampedArray, readonly width: number, readonly height: number) {}
  });
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(600);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(500);
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, 400, 300));
  vi.stubGlobal("ResizeObserver", class {
    constructor(private readonly run: () => void) {}
    observe() { this.run(); }
    disconnect() {}
  });
});
afterEach(() => {
  for (const view of mounted.splice(0)) view.abort();
  document.body.replaceChildren();
});

async function shown(change: Partial<SessionState> = {}) {
  const local = new LocalModel({ ...STATE, ...change });
  const asked: string[] = [];
  local.answer = (message, reply) => {
    const { id, name } = message as { id: string; name: string };
    asked.push(name);
    const [{ buffer }, dtype, shape] = ARRAYS[name]!;
    reply({ kind: "reply", id, ok: true, part: 0, parts: 1, dtype, shape }, [new DataView(buffer)]);
  };
  const store = new Store(local.proxy<SessionModel>(), new AbortController().signal);
  const gone = new AbortController();
  mounted.push(gone);
  const el = document.createElement("div");
  document.body.append(el);
  await widget.render({
    el, signal: gone.signal, model: new LocalModel({ session: "s", height: 400 }).proxy(),
    host: { getWidget: async () => ({ exports: { store } }) },
  } as never);
  const root = el.querySelector<HTMLElement>("[data-ncut-view='cluster-panel']")!;
  const rows = () => [...root.querySelectorAll<HTMLElement>("[role='row']")];
  await vi.waitFor(() => {
    expect(root.querySelectorAll("[data-image]")).toHaveLength(2);
    // No picture is ever loaded here.
    for (const picture of root.querySelectorAll("img")) picture.dispatchEvent(new Event("load"));
    expect(root.dataset.ready).toBe("true");
    expect(rows().length).toBeGreaterThan(0);
  });
  const find = <E extends HTMLElement>(selector: string) => root.querySelector<E>(selector)!;
  const row = (id: number) => find(`[data-cluster='${id}']`);
  const names = () => rows().map((one) => one.querySelector(".ncut-cluster-name")!.textContent);
  const press = (label: string) => find(`[aria-label='${label}']`).click();
  const key = (target: Element, name: string) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, composed: true }));
  /** A click on a patch of the first image. */
  const click = (row: number, column: number, more: object = {}) => find("[data-image='0']").dispatchEvent(
    Object.assign(new Event("click", { bubbles: true }), { clientX: (column + 0.5) * 100, clientY: (row + 0.5) * 100, ...more }));
  const overlay = (image = 0) => {
    const { data } = painted.get(find<HTMLCanvasElement>(`[data-image='${image}'] canvas`))!;
    return [0, 1, 2, 3].map((at) => data[at * 4 + 3]);
  };
  return { root, store, asked, find, rows, row, names, press, key, click, overlay };
}

describe("the legend", () => {
  it("has a row for each cluster, in which the session's names, colours and shares are", async () => {
    const { rows, names, row } = await shown({ n_clusters: 4, cluster_names: { 3: "wall" } });
    expect(names()).toEqual(["Cluster 0", "Cluster 1", "Cluster 2", "wall"]);
    expect(rows().map((one) => one.querySelector(".ncut-share")!.textContent)).toEqual(Array(4).fill("25.0 %"));
    expect(row(1).querySelector<HTMLElement>(".ncut-swatch")!.style.getPropertyValue("--swatch")).toBe("#465a6e");
  });

  it("follows the slider; a cluster that is gone is no longer selected", async () => {
    const { find, names, store } = await shown({ n_clusters: 4, cluster: 3 });
    const slider = find<HTMLInputElement>("[aria-label='Number of clusters']");
    slider.value = "1";
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    expect(store.get("n_clusters")).toBe(3);
    expect(store.get("cluster")).toBeNull();
    await vi.waitFor(() => expect(names()).toEqual(["Cluster 0", "Cluster 1", "Cluster 2"]));
  });

  it("selects by a click and lets go by another", async () => {
    const { row, store, overlay } = await shown();
    row(1).click();
    expect(store.get("cluster")).toBe(1);
    await vi.waitFor(() => expect(row(1).getAttribute("aria-selected")).toBe("true"));
    await vi.waitFor(() => expect(overlay()).toEqual([70, 70, 255, 255]));
    row(1).click();
    expect(store.get("cluster")).toBeNull();
  });

  it("renames by F2 and Enter, keeps the old name on Escape, and forgets an empty one", async () => {
    const { row, find, key, store } = await shown();
    const type = async (text: string, end: string) => {
      key(row(0), "F2");
      const field = await vi.waitFor(() => {
        const input = find<HTMLInputElement>("[type='text']");
        expect(input).not.toBeNull();
        return input;
      });
      field.value = text;
      key(field, end);
      await vi.waitFor(() => expect(find("[type='text']")).toBeNull());
    };
    await type("sky", "Enter");
    expect(store.get("cluster_names")).toEqual({ 0: "sky" });
    expect(document.activeElement).toBe(row(0));
    await type("sea", "Escape");
    expect(store.get("cluster_names")).toEqual({ 0: "sky" });
    await type("", "Enter");
    expect(store.get("cluster_names")).toEqual({});
  });

  it("renames by a double click on the name, and does not take the name shown for one that was given", async () => {
    const { row, find, store } = await shown();
    row(1).querySelector(".ncut-cluster-name")!.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    await vi.waitFor(() => expect(find("[type='text']")).not.toBeNull());
    find("[type='text']").dispatchEvent(new Event("blur"));
    await vi.waitFor(() => expect(find("[type='text']")).toBeNull());
    expect(store.get("cluster_names")).toEqual({});
  });

  it("hides, shows alone and shows all", async () => {
    const { press, find, store, overlay } = await shown();
    press("Hide Cluster 0");
    expect(store.get("hidden_clusters")).toEqual([0]);
    await vi.waitFor(() => expect(overlay()).toEqual([0, 0, 255, 255]));
    press("Show only Cluster 0");
    expect(store.get("hidden_clusters")).toEqual([1, 2, 3]);
    await vi.waitFor(() => expect(find("[aria-label='Show only Cluster 0']").getAttribute("aria-pressed")).toBe("true"));
    [...find(".ncut-legend-actions").querySelectorAll("button")].at(-1)!.click();
    expect(store.get("hidden_clusters")).toEqual([]);
  });

  it("merges what is ticked, here and in the session, and splits it again", async () => {
    const { press, find, names, store, rows } = await shown({ n_clusters: 4, cluster_names: { 2: "arm" } });
    const merge = find(".ncut-legend-actions button");
    merge.click();
    press("Tick arm");
    press("Tick Cluster 1");
    await vi.waitFor(() => expect(merge.textContent).toBe("Merge 2"));
    merge.click();
    expect(store.get("cluster_groups")).toEqual([[1, 2]]);
    await vi.waitFor(() => expect(names()).toEqual(["Cluster 0", "arm", "Cluster 3"]));
    expect(rows()[1]!.querySelector(".ncut-share")!.textContent).toBe("50.0 %");
    press("Split arm");
    await vi.waitFor(() => expect(rows()).toHaveLength(4));
    expect(store.get("cluster_groups")).toEqual([]);
  });

  it("is gone through by arrow keys, row by row and through what is in one", async () => {
    const { row, key, store } = await shown();
    expect([row(0).tabIndex, row(1).tabIndex]).toEqual([0, -1]);
    row(0).focus();
    key(row(0), "ArrowDown");
    expect(document.activeElement).toBe(row(1));
    key(row(1), "ArrowRight");
    expect(document.activeElement).toBe(row(1).querySelector(".ncut-swatch"));
    key(document.activeElement!, "ArrowLeft");
    key(row(1), "Enter");
    expect(store.get("cluster")).toBe(1);
    key(row(1), "h");
    expect(store.get("hidden_clusters")).toEqual([1]);
    key(row(1), "S");
    expect(store.get("hidden_clusters")).toEqual([0, 2, 3]);
  });

  it("tells what a cluster came off from", async () => {
    const { row, asked } = await shown({ n_clusters: 3, cluster_names: { 0: "cup" } });
    expect(row(2).title).not.toContain("cup");
    row(2).dispatchEvent(new Event("pointerenter"));
    await vi.waitFor(() => expect(row(2).title).toContain("Split off from cup at 3 clusters"));
    expect(asked.filter((name) => name.startsWith("parents/"))).toEqual(["parents/3"]);
  });

  it("lights the region of the row under the pointer", async () => {
    const { row, find, overlay } = await shown();
    row(0).dispatchEvent(new Event("pointerenter"));
    await vi.waitFor(() => expect(overlay(1)).toEqual([255, 255, 70, 70]));
    find("[role='grid']").dispatchEvent(new Event("pointerleave"));
    await vi.waitFor(() => expect(overlay(1)).toEqual([255, 255, 255, 255]));
  });
});

describe("the images", () => {
  it("show clusters whatever the layer is; using the panel has all views follow", async () => {
    const { root, store, find } = await shown({ layer: "eigenvector", selection: [3] });
    expect(root.dataset.shows).toBe("clusters");
    expect(store.get("layer")).toBe("eigenvector");
    find(".ncut-rows").dispatchEvent(new Event("pointerdown", { bubbles: true }));
    expect([store.get("layer"), store.get("selection")]).toEqual(["clusters", []]);
  });

  it("select a cluster by a click on its region, again to let go, with Shift to tick it", async () => {
    const { click, store, find } = await shown();
    click(1, 3);
    expect(store.get("cluster")).toBe(1);
    click(0, 2);
    expect(store.get("cluster")).toBeNull();
    click(0, 0, { shiftKey: true });
    expect(store.get("cluster")).toBeNull();
    await vi.waitFor(() => expect(find<HTMLInputElement>("[aria-label='Tick Cluster 0']").checked).toBe(true));
  });

  it("do by keys at the patch that the keys have moved to what rows do", async () => {
    const { find, key, store } = await shown({ hover: 2 });
    key(find(".ncut-tiles"), "Enter");
    expect(store.get("cluster")).toBe(1);
    key(find(".ncut-tiles"), "h");
    expect(store.get("hidden_clusters")).toEqual([1]);
  });

  it("draw borders, between hidden clusters none, and none when that is switched off", async () => {
    const { find, store } = await shown({ n_clusters: 4 });
    const path = () => find("[data-image='0'] .ncut-line")?.getAttribute("d");
    expect(path()).toBe("M1 0V3M2 0V3M3 0V3");
    store.set("hidden_clusters", [1, 3]);
    await vi.waitFor(() => expect(path()).toBe("M1 0V3M2 0V3"));
    const check = [...find(".ncut-bar").querySelectorAll("label")].find((label) => label.textContent === "Borders")!;
    check.querySelector("input")!.click();
    await vi.waitFor(() => expect(path()).toBeUndefined());
  });

  it("let go on Escape of what was done last: the selection, then the ticks", async () => {
    const { root, key, press, click, store, find } = await shown();
    press("Tick Cluster 0");
    click(0, 0);
    key(root, "Escape");
    expect(store.get("cluster")).toBeNull();
    await vi.waitFor(() => expect(find<HTMLInputElement>("[aria-label='Tick Cluster 0']").checked).toBe(true));
    key(root, "Escape");
    await vi.waitFor(() => expect(find<HTMLInputElement>("[aria-label='Tick Cluster 0']").checked).toBe(false));
  });
});

describe("the levels", () => {
  const lit = (root: HTMLElement, level: number) => {
    const { data } = painted.get(root.querySelector<HTMLCanvasElement>(`[data-level='${level}'] canvas`)!)!;
    return [0, 1, 2, 3].map((at) => data[at * 4 + 3] === 0);
  };

  it("fetch nothing until a patch is hovered, then show its region at each of them", async () => {
    const { root, store, asked, find } = await shown({ n_clusters: 3, cluster_names: { 1: "wall" } });
    expect(asked.filter((name) => name.startsWith("labels/"))).toEqual(["labels/3"]);
    store.set("hover", 3);
    await vi.waitFor(() => expect(lit(root, 4)).toEqual([false, false, false, true]));
    expect(lit(root, 3)).toEqual([false, false, true, true]);
    expect(lit(root, 2)).toEqual([false, false, true, true]);
    expect(find("[data-level='3']").getAttribute("aria-label")).toBe("3 clusters: wall");
    expect(find("[data-level='3']").getAttribute("aria-current")).toBe("true");
    expect(asked.filter((name) => name.startsWith("labels/")).sort()).toEqual(["labels/2", "labels/3", "labels/4"]);
  });

  it("show the region of a patch that was tapped, since fingers don't hover", async () => {
    const { root, click } = await shown();
    click(2, 1);
    await vi.waitFor(() => expect(lit(root, 4)).toEqual([false, true, false, false]));
  });

  it("stay when the pointer leaves the patch, and lead to their number of clusters", async () => {
    const { store, find } = await shown();
    store.set("hover", 1);
    await vi.waitFor(() => expect(find("[data-level='4']")).not.toBeNull());
    store.set("hover", null);
    find("[data-level='4']").click();
    expect(store.get("n_clusters")).toBe(4);
    await vi.waitFor(() => expect(find("[data-level='4']").getAttribute("aria-current")).toBe("true"));
  });
});

describe("a mask of a cluster", () => {
  it("becomes the active object, is shown with how well it fits, until the panel is used again", async () => {
    const { press, root, store, find } = await shown({ cluster_names: { 1: "wall" } });
    press("Make a mask of wall");
    await vi.waitFor(() => expect(store.get("objects")).toHaveLength(1));
    const [object] = store.get("objects");
    expect(object).toMatchObject({ name: "wall", color: "#465a6e", visible: true, n_eig: 2 });
    expect([store.get("active"), store.get("layer")]).toEqual([0, "masks"]);
    await vi.waitFor(() => expect(root.dataset.shows).toBe("masks"));
    await store.prepare();
    expect([...store.masks()![0]!.nodes].map((inside, node) => inside === Number(column(node) >= 2))).not.toContain(false);
    expect(find(".ncut-legend-actions p").textContent).toContain("IoU 1.00: wall");
    find(".ncut-tiles").dispatchEvent(new Event("pointerdown", { bubbles: true }));
    await vi.waitFor(() => expect(root.dataset.shows).toBe("clusters"));
    press("Make a mask of wall");
    await vi.waitFor(() => expect(store.get("objects").map(({ name }) => name)).toEqual(["wall", "wall 2"]));
    expect(store.undo()).toBe(true);
    expect(store.get("objects")).toHaveLength(1);
  });
});
