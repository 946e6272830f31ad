import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionModel, SessionState } from "../../shared/types.ts";
import { LocalModel } from "../../standalone/model.ts";
import { Store } from "../session/store.ts";
import widget from "./index.ts";

const META = {
  version: 1, embedding: 0,
  images: [{ name: "one.png", width: 400, height: 300 }, { name: "two.png", width: 400, height: 300 }],
  maps: [{ image: 0, rows: 3, columns: 4, source: "a" }, { image: 1, rows: 3, columns: 4, source: "a" }],
  n_nodes: 24, n_eig: 2, click_eig: 2, eigenvalues: null, cluster_counts: [2], channel_names: null, abilities: [] as string[],
};
const STATE: SessionState = {
  meta: META, hover: null, selection: [], layer: "ncut", source: "a", blend: 0.7, smooth: false, eigenvector: 1,
  n_clusters: 2, hover_heatmap: true, point_size: 5, camera: null, coloring: { method: "pca", status: "ready", error: null },
  objects: [], active: null, refine: "none", cluster: null, cluster_names: {}, hidden_clusters: [], cluster_groups: [], channel: null, channels: [],
};
/** The left half of each image is one thing, the right half another. */
const EIGENVECTORS = Float32Array.from({ length: 48 }, (_, i) => {
  const right = ((i >> 1) % 4) >= 2;
  return i % 2 ? (right ? 1 : 0) + 0.01 * (i % 5) : right ? 0.02 : 1;
});
const BOX = { left: 100, top: 50, width: 200, height: 150 };

type More = { time?: number; [field: string]: unknown };

const mounted: AbortController[] = [];
let downloads: { name: string; blob: Blob }[];

beforeEach(() => {
  downloads = [];
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue({ putImageData() {}, clearRect() {} } as never);
  vi.stubGlobal("ImageData", class {});
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(400);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(500);
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(BOX.left, BOX.top, BOX.width, BOX.height));
  vi.stubGlobal("ResizeObserver", class {
    constructor(private readonly run: () => void) {}
    observe() { this.run(); }
    disconnect() {}
  });
  HTMLElement.prototype.setPointerCapture = () => undefined;
  const blobs = new Map<string, Blob>();
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    blobs.set(`blob:${blobs.size}`, blob as Blob);
    return `blob:${blobs.size - 1}`;
  });
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    downloads.push({ name: this.download, blob: blobs.get(this.getAttribute("href")!)! });
  });
});
afterEach(() => {
  for (const view of mounted.splice(0)) view.abort();
  document.body.replaceChildren();
});

async function shown(change: Partial<SessionState> = {}) {
  const local = new LocalModel({ ...STATE, ...change });
  const asked: { name: string; params: unknown; id: string }[] = [];
  let reply: (content: object, buffers?: DataView[]) => void = () => undefined;
  local.answer = (message, answer) => {
    const { id, name, params } = message as { id: string; name: string; params: unknown };
    const array = name === "eigenvectors" ? EIGENVECTORS : name?.startsWith("image/") ? Uint8Array.of(1) : null;
    reply = (content, buffers = []) => answer({ id, ...content }, buffers);
    if (!array) return void asked.push({ name, params, id });
    const shape = name === "eigenvectors" ? [24, 2] : [1];
    reply({ kind: "reply", ok: true, part: 0, parts: 1, dtype: name === "eigenvectors" ? "float32" : "uint8", shape },
      [new DataView(array.buffer)]);
  };
  const store = new Store(local.proxy<SessionModel>(), new AbortController().signal);
  await store.prepare();
  const gone = new AbortController();
  mounted.push(gone);
  const el = document.createElement("div");
  document.body.append(el);
  await widget.render({
    el, signal: gone.signal, model: new LocalModel({ session: "s", height: 400 }).proxy(),
    host: { getWidget: async () => ({ exports: { store } }) },
  } as never);
  const root = el.querySelector<HTMLElement>("[data-ncut-view='click-segmenter']")!;
  await vi.waitFor(() => expect(root.querySelectorAll("[data-image]")).toHaveLength(2));
  await vi.waitFor(() => {
    // No picture is ever loaded here.
    for (const picture of root.querySelectorAll("img")) picture.dispatchEvent(new Event("load"));
    expect(root.dataset.ready).toBe("true");
  });

  const tile = (image: number) => root.querySelector<HTMLElement>(`[data-image='${image}']`)!;
  const pointer = (type: string, target: Element, x: number, y: number, { time = 0, ...more }: More = {}) => {
    const event = new Event(type, { bubbles: true, cancelable: true, composed: true });
    Object.defineProperty(event, "timeStamp", { value: time });
    target.dispatchEvent(Object.assign(event, {
      pointerId: 1, pointerType: "mouse", button: 0, altKey: false, ctrlKey: false, clientX: x, clientY: y, ...more,
    }));
  };
  /** At a pixel of the image. */
  const at = (x: number, y: number) => [BOX.left + x / 2, BOX.top + y / 2] as const;
  const press = (image: number, x: number, y: number, more: More = {}) => {
    pointer("pointerdown", tile(image), ...at(x, y), more);
    pointer("pointerup", tile(image), ...at(x, y), more);
  };
  const drag = (target: Element, from: [number, number], to: [number, number], more: More = {}) => {
    pointer("pointerdown", target, ...at(...from), more);
    for (const part of [0.5, 1]) {
      pointer("pointermove", target, ...at(from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part), more);
    }
    pointer("pointerup", target, ...at(...to), more);
  };
  const area = root.querySelector<HTMLElement>(".ncut-tiles")!;
  const key = (name: string, more: object = {}, target: Element = area) => {
    const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, composed: true, ...more });
    target.dispatchEvent(event);
    return event;
  };
  const named = <E extends HTMLElement>(name: string) => root.querySelector<E>(`[aria-label='${name}']`)!;
  const slide = (name: string, value: number) => {
    const slider = named<HTMLInputElement>(name);
    slider.value = String(value);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const settled = () => new Promise(requestAnimationFrame).then(() => new Promise((done) => setTimeout(done)));
  const one = () => store.get("objects")[0]!;
  return { root, store, tile, pointer, at, press, drag, area, key, named, slide, settled, one, asked, answer: () => reply };
}

describe("the mouse", () => {
  it("adds by a click, takes away by Alt, Control or the other button, and shows the masks everywhere", async () => {
    const { store, press, one, tile, settled } = await shown({ selection: [3] });
    press(0, 50, 100);
    expect(store.get("objects")).toMatchObject([{ name: "object 1", clicks: [{ image: 0, x: 50, y: 100, positive: true }] }]);
    expect(store.get("active")).toBe(0);
    expect(store.get("layer")).toBe("masks");
    expect(store.get("selection")).toEqual([]);
    for (const more of [{ altKey: true }, { ctrlKey: true }, { button: 2 }]) press(1, 350, 100, more);
    expect(one().clicks.slice(1)).toEqual(Array(3).fill({ image: 1, x: 350, y: 100, positive: false }));
    await settled();
    expect(tile(0).querySelector("[data-prompt='clicks 0']")!.getAttribute("data-sign")).toBe("+");
    expect(tile(1).querySelector("[data-prompt='clicks 1']")!.getAttribute("data-sign")).toBe("-");
  });

  it("outlines the mask in all images", async () => {
    const { press, tile, settled } = await shown();
    press(0, 50, 100);
    await settled();
    // Between the second and the third column, in each image.
    for (const image of [0, 1]) expect(tile(image).querySelector(".ncut-outlines path")!.getAttribute("d")).toBe("M2 0V3");
  });

  it("drags a point, in one step that can be undone and redone", async () => {
    const { store, press, drag, tile, one, named, settled } = await shown();
    press(0, 50, 100);
    await settled();
    drag(tile(0).querySelector("[data-prompt]")!, [50, 100], [150, 160]);
    expect(one().clicks).toMatchObject([{ x: 150, y: 160 }]);
    named("Undo").click();
    expect(one().clicks).toMatchObject([{ x: 50, y: 100 }]);
    named("Redo").click();
    expect(one().clicks).toMatchObject([{ x: 150, y: 160 }]);
    expect(store.history).toEqual({ undo: 2, redo: 0 });
  });

  it("does nothing by a drag beside a point, a press on a button or a second pointer", async () => {
    const { store, drag, tile, pointer, at } = await shown();
    drag(tile(0), [50, 100], [150, 160]);
    pointer("pointerdown", tile(0).querySelector("button")!, ...at(10, 10));
    pointer("pointerup", tile(0), ...at(10, 10));
    pointer("pointerdown", tile(0), ...at(10, 10));
    pointer("pointerdown", tile(0), ...at(90, 90), { pointerId: 2 });
    pointer("pointerup", tile(0), ...at(10, 10));
    expect(store.get("objects")).toEqual([]);
  });

  it("draws boxes with the box in hand, which can be moved and removed", async () => {
    const { press, drag, tile, one, key, settled, root } = await shown();
    press(0, 50, 100);
    root.querySelector<HTMLElement>("[value='box']")!.click();
    drag(tile(1), [300, 200], [100, 50], { altKey: true });
    expect(one().boxes).toEqual([{ image: 1, x0: 100, y0: 50, x1: 300, y1: 200, positive: false }]);
    press(1, 20, 20);
    expect(one().clicks).toHaveLength(1);
    await settled();
    drag(tile(1).querySelector("[data-prompt='boxes 0']")!, [100, 50], [120, 10]);
    expect(one().boxes).toMatchObject([{ x0: 120, y0: 10, x1: 320, y1: 160 }]);
    key("Delete");
    expect(one()).toMatchObject({ boxes: [], clicks: [{ x: 50 }] });
  });

  it("lets go of a drag at Escape, and what was moved goes back", async () => {
    const { press, pointer, tile, at, one, key, settled, root } = await shown();
    press(0, 50, 100);
    await settled();
    const mark = tile(0).querySelector("[data-prompt]")!;
    pointer("pointerdown", mark, ...at(50, 100));
    pointer("pointermove", mark, ...at(150, 100));
    expect(one().clicks).toMatchObject([{ x: 150 }]);
    key("Escape");
    expect(one().clicks).toMatchObject([{ x: 50 }]);
    root.querySelector<HTMLElement>("[value='box']")!.click();
    pointer("pointerdown", tile(0), ...at(50, 100));
    pointer("pointermove", tile(0), ...at(250, 200));
    await settled();
    expect(tile(0).querySelector(".ncut-box")).not.toBeNull();
    key("Escape");
    pointer("pointerup", tile(0), ...at(250, 200));
    await settled();
    expect(tile(0).querySelector(".ncut-box")).toBeNull();
    expect(one().boxes).toEqual([]);
  });

  it("is told by the cursor what a click would do", async () => {
    const { root, key, named, settled } = await shown();
    const sign = () => root.querySelector<HTMLElement>(".ncut-segmenter")!.dataset.sign;
    expect(sign()).toBe("+");
    key("Alt", { altKey: true });
    await settled();
    expect(sign()).toBe("-");
    key("Alt", { altKey: false });
    await settled();
    expect(sign()).toBe("+");
    named("What clicks do").querySelector<HTMLElement>("[value='-']")!.click();
    await settled();
    expect(sign()).toBe("-");
  });
});

describe("touch", () => {
  it("takes away by the switch, and a long press does nothing", async () => {
    const { press, pointer, tile, at, one, named } = await shown();
    const touch = { pointerType: "touch" };
    press(0, 50, 100, touch);
    named("What clicks do").querySelector<HTMLElement>("[value='-']")!.click();
    press(1, 350, 100, touch);
    expect(one().clicks.map(({ positive }) => positive)).toEqual([true, false]);
    pointer("pointerdown", tile(0), ...at(10, 10), { ...touch, time: 1000 });
    pointer("pointerup", tile(0), ...at(10, 10), { ...touch, time: 1700 });
    expect(one().clicks).toHaveLength(2);
    const menu = new Event("contextmenu", { bubbles: true, cancelable: true });
    const notebook = vi.fn();
    document.addEventListener("contextmenu", notebook);
    tile(0).dispatchEvent(menu);
    document.removeEventListener("contextmenu", notebook);
    expect(menu.defaultPrevented).toBe(true);
    expect(notebook).not.toHaveBeenCalled();
  });
});

describe("keys", () => {
  it("add, take away, select, move and remove points, and make objects", async () => {
    const { store, key, one } = await shown();
    key("PageDown");
    key("Enter");
    key("ArrowRight");
    key("Enter", { altKey: true });
    // The middles of the third and the fourth column, in the second row.
    expect(one().clicks).toMatchObject([{ x: 250, y: 150, positive: true }, { x: 350, y: 150, positive: false }]);
    key("ArrowLeft");
    key("Enter");
    expect(one().clicks).toHaveLength(2);
    key("ArrowUp", { shiftKey: true });
    expect(one().clicks).toMatchObject([{ x: 250, y: 50 }, { x: 350, y: 150 }]);
    key("Backspace");
    expect(one().clicks).toMatchObject([{ x: 350 }]);
    key("Delete");
    expect(one().clicks).toHaveLength(1);
    key("n");
    expect(store.get("objects")).toHaveLength(2);
    expect(store.get("active")).toBe(1);
  });

  it("undo and redo with Control or Command, wherever the focus is but in a text", async () => {
    const { press, key, one, named, settled } = await shown();
    press(0, 50, 100);
    press(0, 60, 100);
    expect(key("z", { ctrlKey: true }).defaultPrevented).toBe(true);
    expect(one().clicks).toHaveLength(1);
    key("Z", { ctrlKey: true, shiftKey: true }, named("Threshold"));
    expect(one().clicks).toHaveLength(2);
    key("z", { metaKey: true });
    key("y", { ctrlKey: true });
    expect(one().clicks).toHaveLength(2);
    await settled();
    expect(key("z", { ctrlKey: true }, named("Name of object 1")).defaultPrevented).toBe(false);
    expect(one().clicks).toHaveLength(2);
  });
});

describe("the panel", () => {
  it("has sliders that act at once, each drag one step to undo", async () => {
    const { store, press, slide, one, named, settled } = await shown();
    expect(named<HTMLInputElement>("Threshold").disabled).toBe(true);
    press(0, 50, 100);
    await settled();
    for (const value of [0.6, 0.7, 0.8]) slide("Threshold", value);
    slide("Gamma", 0.5);
    slide("Negative threshold", 0.4);
    slide("Denoise", 7);
    slide("Opacity", 0.3);
    expect(one()).toMatchObject({ threshold: 0.8, gamma: 3.162, negative_threshold: 0.4, denoise: 7 });
    expect(store.get("blend")).toBe(0.3);
    expect(store.history.undo).toBe(5);
  });

  it("lists the objects, of which one is active, with colour, name, share and whether it is seen", async () => {
    const { store, press, key, root, named, settled } = await shown();
    press(0, 50, 100);
    key("n");
    await settled();
    const rows = () => [...root.querySelectorAll<HTMLElement>("[data-object]")];
    expect(rows().map((row) => row.querySelector("output")!.textContent)).toEqual(["50.0%", "0.0%"]);
    expect(rows().map((row) => row.dataset.active)).toEqual(["false", "true"]);
    rows()[0]!.querySelector<HTMLInputElement>("[type=radio]")!.click();
    expect(store.get("active")).toBe(0);
    const name = named<HTMLInputElement>("Name of object 1");
    name.value = " hand ";
    name.dispatchEvent(new Event("change", { bubbles: true }));
    expect(store.get("objects").map((object) => object.name)).toEqual(["hand", "object 2"]);
    await settled();
    const color = named<HTMLInputElement>("Colour of hand");
    color.value = "#ff0000";
    color.dispatchEvent(new Event("input", { bubbles: true }));
    named("Show hand").click();
    expect(store.get("objects")[0]).toMatchObject({ color: "#ff0000", visible: false });
    await settled();
    expect(root.querySelector(".ncut-outlines")).toBeNull();
  });

  it("says why a name can't be, and keeps the old one", async () => {
    const { store, key, root, named, settled } = await shown();
    key("n");
    key("n");
    await settled();
    const name = named<HTMLInputElement>("Name of object 2");
    name.value = "object 1";
    name.dispatchEvent(new Event("change", { bubbles: true }));
    await settled();
    expect(root.querySelector("[role=alert]")!.textContent).toContain("another object");
    expect(name.value).toBe("object 2");
    expect(store.get("objects")[1]!.name).toBe("object 2");
  });

  it("copies, clears and deletes the active object", async () => {
    const { store, press, root, settled } = await shown();
    press(0, 50, 100);
    await settled();
    const action = async (text: string) => {
      [...root.querySelectorAll("button")].find((button) => button.textContent === text)!.click();
      await settled();
    };
    await action("Copy");
    expect(store.get("objects")[1]).toMatchObject({ name: "object 1 copy 1", clicks: [{ x: 50 }] });
    await action("Clear");
    expect(store.get("objects").map(({ clicks }) => clicks.length)).toEqual([1, 0]);
    await action("Delete");
    expect(store.get("objects")).toHaveLength(1);
    await action("Delete");
    expect(store.get("objects")).toEqual([]);
    await action("Delete");
    expect(root.textContent).toContain("Click on an image to begin");
  });
});

describe("the kernel", () => {
  const KERNEL = { meta: { ...META, abilities: ["refine", "ncut", "export"] } };

  it("is not offered for what it can't do", async () => {
    const { root, named } = await shown();
    expect(named("Method")).toBeNull();
    expect(named("Edges")).toBeNull();
    expect([...root.querySelectorAll(".ncut-export button")].map((button) => button.textContent)).toEqual(["Masks", "Overlays", "Clicks"]);
  });

  it("is asked for a cut with the clicks in it, shown on its way, and can be told to stop", async () => {
    const { root, press, named, slide, asked, one, settled } = await shown(KERNEL);
    press(0, 50, 100);
    await settled();
    named("Method").querySelector<HTMLElement>("[value=ncut]")!.click();
    slide("Weight of the clicks", 0.25);
    expect(one()).toMatchObject({ method: "ncut", click_weight: 0.25 });
    await vi.waitFor(() => expect(asked.map(({ name }) => name)).toContain("click_heat/4//0.250"));
    await vi.waitFor(() => expect(root.querySelector(".ncut-tasks")!.textContent).toContain("object 1"));
    root.querySelector<HTMLElement>(".ncut-task button")!.click();
    await vi.waitFor(() => expect(root.querySelector(".ncut-task")).toBeNull());
    expect(root.querySelector("[role=alert]")).toBeNull();
  });

  it("makes the files, and says what went wrong with one", async () => {
    const { root, press, named, asked, answer, settled } = await shown(KERNEL);
    named("Export COCO").click();
    expect(asked).toEqual([]);
    press(0, 50, 100);
    await settled();
    named<HTMLSelectElement>("Resolution").value = "patch";
    named("Resolution").dispatchEvent(new Event("change", { bubbles: true }));
    named("Export COCO").click();
    await vi.waitFor(() => expect(asked).toMatchObject([{ name: "export", params: { format: "coco", resolution: "patch" } }]));
    answer()({ kind: "reply", ok: true, part: 0, parts: 1, dtype: "uint8", shape: [2] }, [new DataView(Uint8Array.of(123, 125).buffer)]);
    await vi.waitFor(() => expect(downloads).toHaveLength(1));
    expect(downloads[0]!.name).toBe("coco.json");
    expect(await downloads[0]!.blob.text()).toBe("{}");
    named("Export NPZ").click();
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    answer()({ kind: "reply", ok: false, error: "no room on the disk" });
    await vi.waitFor(() => expect(root.querySelector("[role=alert]")!.textContent).toContain("no room on the disk"));
  });
});

it("writes the clicks without a kernel", async () => {
  const { press, named, store, settled } = await shown();
  press(0, 50, 100);
  await settled();
  named("Export Clicks").click();
  await vi.waitFor(() => expect(downloads).toHaveLength(1));
  expect(downloads[0]!.name).toBe("clicks.json");
  expect(JSON.parse(await downloads[0]!.blob.text())).toMatchObject({ version: 1, images: META.images, objects: store.get("objects") });
});
