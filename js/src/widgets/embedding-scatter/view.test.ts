import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { SessionModel, SessionState } from "../../shared/types.ts";
import { LocalModel } from "../../standalone/model.ts";
import { Store } from "../session/store.ts";
import type { ScatterElement } from "./connect.ts";
import widget from "./index.ts";
import { CanvasPoints } from "./renderer-canvas.ts";

const WIDTH = 400;
const HEIGHT = 300;
const META = {
  version: 1, embedding: 0,
  images: [{ name: "one.png", width: 60, height: 40 }],
  maps: [{ image: 0, rows: 2, columns: 3, source: "a" }],
  n_nodes: 6, n_eig: 2, click_eig: 2, eigenvalues: null, cluster_counts: [2], channel_names: null, abilities: [],
};
/** The corners of an octahedron: in the first view none is before another. */
const COORDS = Float32Array.of(1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1);
const ARRAYS: Record<string, [ArrayBufferView, string, number[]]> = {
  coords: [COORDS, "float32", [6, 3]],
  rgb: [new Uint8Array(18).fill(200), "uint8", [6, 3]],
  eigenvectors: [Float32Array.of(1, 0, 0, 1, 1, 1, -1, 0, 0, -1, 1, -1), "float32", [6, 2]],
  "cluster_colors/2": [Uint8Array.of(200, 0, 0, 0, 0, 200), "uint8", [2, 3]],
  "labels/2": [Uint8Array.of(0, 1, 0, 1, 0, 1), "uint8", [6]],
  "image/0": [Uint8Array.of(1), "uint8", [1]],
};

let drawn: string[];
const mounted: AbortController[] = [];

/** A 2D context that draws nothing but says what it was asked to. */
function context2d(): CanvasRenderingContext2D {
  return new Proxy({} as CanvasRenderingContext2D, {
    get: (_, name: string) => (...args: number[]) => {
      drawn.push(name);
      return name === "createImageData" ? { data: new Uint8ClampedArray(args[0]! * args[1]! * 4) } : undefined;
    },
    set: () => true,
  });
}

beforeEach(() => {
  drawn = [];
  vi.spyOn(HTMLCanvasElement.prototype, "getContext")
    .mockImplementation(((kind: string) => (kind === "2d" ? context2d() : null)) as never);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(WIDTH);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(HEIGHT);
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, WIDTH, HEIGHT));
  HTMLElement.prototype.setPointerCapture = () => undefined;
});
afterEach(() => {
  for (const view of mounted.splice(0)) view.abort();
  document.body.replaceChildren();
});

async function mount(change: Partial<SessionState> = {}, arrays = ARRAYS) {
  const local = new LocalModel({
    meta: META, hover: null, selection: [], layer: "ncut", source: "a", blend: 0.7, smooth: false, eigenvector: 1,
    n_clusters: 2, hover_heatmap: true, point_size: 5, camera: null, coloring: { method: "pca", status: "ready", error: null },
  objects: [], active: null, refine: "none", cluster: null, cluster_names: {}, hidden_clusters: [], cluster_groups: [], channel: null, channels: [], ...change,
  });
  const asked: string[] = [];
  local.answer = (message, reply) => {
    const { id, name } = message as { id: string; name: string };
    asked.push(name);
    const array = arrays[name];
    if (!array) return reply({ kind: "reply", id, ok: false, error: `no ${name} here` }, []);
    const [{ buffer, byteOffset, byteLength }, dtype, shape] = array;
    reply({ kind: "reply", id, ok: true, part: 0, parts: 1, dtype, shape }, [new DataView(buffer, byteOffset, byteLength)]);
  };
  const model = local.proxy<SessionModel>();
  const store = new Store(model, new AbortController().signal);
  const gone = new AbortController();
  mounted.push(gone);
  const el = document.createElement("div");
  document.body.append(el);
  await widget.render({
    el,
    signal: gone.signal,
    model: new LocalModel({ session: "s", height: 400 }).proxy(),
    host: { getWidget: async () => ({ exports: { store } }) },
  } as never);
  const root = el.querySelector<ScatterElement>("[data-ncut-view='embedding-scatter']")!;
  const marks = root.querySelector<HTMLCanvasElement>(".ncut-marks")!;
  const ready = () => vi.waitFor(() => expect(root.dataset.ready).toBe("true"));
  const mouse = (type: string, x: number, y: number, more: object = {}) => {
    const event = new Event(type, { bubbles: true, cancelable: true });
    marks.dispatchEvent(Object.assign(event, {
      pointerId: 1, pointerType: "mouse", button: 0, offsetX: x, offsetY: y, deltaMode: 0, ...more,
    }));
  };
  const key = (name: string, more: object = {}) =>
    marks.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, composed: true, ...more }));
  const at = (node: number) => root.ncutProject!(node)!;
  return { root, marks, store, model, asked, gone, ready, mouse, key, at };
}

type View = Awaited<ReturnType<typeof mount>>;

async function shown(change: Partial<SessionState> = {}): Promise<View> {
  const view = await mount(change);
  await view.ready();
  return view;
}

test("the first frame says how many points it shows and by what", async () => {
  const { root } = await shown();
  expect(root.dataset).toMatchObject({ points: "6", renderer: "canvas2d" });
  expect(root.querySelector(".ncut-loading")).toBeNull();
});

test("hovering a point tells the session, shows where it comes from, and leaving takes both back", async () => {
  const { root, store, mouse, at } = await shown({ layer: "clusters" });
  mouse("pointermove", at(5).x, at(5).y);
  expect(store.get("hover")).toBe(5);
  await vi.waitFor(() => expect(root.querySelector(".ncut-tip")?.textContent).toBe("one.pngrow 1, column 2cluster 1"));
  expect(root.querySelector("[aria-live]")!.textContent).toBe("one.png, row 1, column 2");
  mouse("pointerleave", 0, 0);
  expect(store.get("hover")).toBeNull();
  await vi.waitFor(() => expect(root.querySelector(".ncut-tip")).toBeNull());
});

test("a hover in another view is lit here without a tooltip, and is not taken back from here", async () => {
  const { root, store, mouse } = await shown();
  store.set("hover", 2);
  mouse("pointerleave", 0, 0);
  expect(store.get("hover")).toBe(2);
  expect(root.querySelector(".ncut-tip")).toBeNull();
  expect(root.querySelector("[aria-live]")!.textContent).toBe("");
});

test("hovering draws the marks and leaves the cloud as it is", async () => {
  const { store } = await shown();
  drawn.length = 0;
  store.set("hover", 2);
  await vi.waitFor(() => expect(drawn).toContain("arc"));
  expect(drawn).not.toContain("drawImage");
});

test("a click pins, with Shift it adds and takes away, beside the points it does nothing", async () => {
  const { store, mouse, at } = await shown();
  const click = (x: number, y: number, more = {}) => {
    mouse("pointerdown", x, y, more);
    mouse("pointermove", x + 2, y + 1, more);
    mouse("pointerup", x + 2, y + 1, more);
  };
  click(at(2).x, at(2).y);
  expect(store.get("selection")).toEqual([2]);
  click(at(4).x, at(4).y, { shiftKey: true });
  expect(store.get("selection")).toEqual([2, 4]);
  click(at(2).x, at(2).y, { shiftKey: true });
  expect(store.get("selection")).toEqual([4]);
  click(3, 3);
  expect(store.get("selection")).toEqual([4]);
  expect(store.get("camera")).toBeNull();
});

test("a drag orbits and is no click; the camera is told when it ends", async () => {
  const { store, mouse, at } = await shown();
  const before = at(0);
  mouse("pointerdown", at(0).x, at(0).y);
  mouse("pointermove", at(0).x + 60, at(0).y + 10);
  expect(store.get("camera")).toBeNull();
  mouse("pointerup", before.x + 60, before.y + 10);
  expect(store.get("camera")).toMatchObject({ zoom: 1, target: [expect.closeTo(0), expect.closeTo(0), expect.closeTo(0)] });
  expect(store.get("selection")).toEqual([]);
  expect(at(0).x).not.toBeCloseTo(before.x, 0);
});

test("a drag with the right button moves the points along with the pointer", async () => {
  const { store, mouse } = await shown();
  mouse("pointerdown", 200, 150, { button: 2 });
  mouse("pointermove", 230, 140, { button: 2 });
  mouse("pointerup", 230, 140, { button: 2 });
  expect(Math.hypot(...store.get("camera")!.target)).toBeGreaterThan(0.05);
});

test("the wheel is the page's until the cloud has the focus, and then comes nearer and goes away", async () => {
  const { store, mouse, at } = await shown();
  const wide = () => Math.abs(at(0).x - at(1).x);
  const before = wide();
  mouse("wheel", 200, 150, { deltaY: -300 });
  expect(wide()).toBe(before);
  document.querySelector<HTMLElement>(".ncut-marks")!.focus();
  mouse("wheel", 200, 150, { deltaY: -300 });
  expect(wide()).toBeGreaterThan(before);
  mouse("wheel", 200, 150, { deltaY: 600 });
  expect(wide()).toBeLessThan(before);
  expect(store.get("camera")).not.toBeNull();
});

test("two fingers spread to come nearer, and lifting them is no click", async () => {
  const { store, mouse, at } = await shown();
  const before = Math.abs(at(0).x - at(1).x);
  const touch = { pointerType: "touch" };
  mouse("pointerdown", 100, 150, { ...touch, pointerId: 1 });
  mouse("pointerdown", 200, 150, { ...touch, pointerId: 2 });
  mouse("pointermove", 225, 150, { ...touch, pointerId: 2 });
  mouse("pointerup", 225, 150, { ...touch, pointerId: 2 });
  mouse("pointerup", 100, 150, { ...touch, pointerId: 1 });
  expect(Math.abs(at(0).x - at(1).x)).toBeGreaterThan(1.2 * before);
  expect(store.get("selection")).toEqual([]);
});

test("a camera set in Python is followed, and None frames all points again", async () => {
  const { store, at } = await shown();
  const first = at(0);
  store.set("camera", { position: [0, 0, 9], target: [0, 0, 0], zoom: 1 });
  expect(at(4)).toMatchObject({ x: expect.closeTo(WIDTH / 2, 1), y: expect.closeTo(HEIGHT / 2, 1), front: true });
  expect(at(5).front).toBe(false);
  store.set("camera", null);
  expect(at(0)).toEqual(first);
});

test("a broken camera is shown as an error and the view stays", async () => {
  const { root, store, at } = await shown();
  const first = at(0);
  store.set("camera", { position: [1, 2], target: [0, 0, 0], zoom: 1 } as never);
  await vi.waitFor(() => expect(root.querySelector(".ncut-error")?.textContent).toContain("`camera` must be"));
  expect(at(0)).toEqual(first);
});

test("reset, Home and a double click give the camera back", async () => {
  const { root, store, key, mouse } = await shown();
  for (const reset of [
    () => root.querySelector<HTMLButtonElement>(".ncut-reset")!.click(),
    () => key("Home"),
    () => mouse("dblclick", 200, 150),
  ]) {
    key("ArrowLeft");
    expect(store.get("camera")).not.toBeNull();
    reset();
    expect(store.get("camera")).toBeNull();
  }
});

test("keys orbit, pan, zoom and walk from patch to patch", async () => {
  const { store, key, at } = await shown();
  const before = at(0);
  key("ArrowRight");
  expect(at(0)).not.toEqual(before);
  key("ArrowDown", { shiftKey: true });
  expect(store.get("camera")!.target).not.toEqual([0, 0, 0]);
  const wide = Math.abs(at(0).x - at(1).x);
  key("+");
  expect(Math.abs(at(0).x - at(1).x)).toBeGreaterThan(wide);
  key("p");
  expect(store.get("hover")).toBe(5);
  key("n");
  key("n");
  expect(store.get("hover")).toBe(1);
  key("Enter");
  expect(store.get("selection")).toEqual([1]);
});

test("Escape lets go with the focus in the view, or with only the mouse in it, and not otherwise", async () => {
  const { root, store, key } = await shown();
  const elsewhere = () => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  store.pin(3);
  key("Escape");
  expect(store.get("selection")).toEqual([]);
  store.pin(3);
  elsewhere();
  expect(store.get("selection")).toEqual([3]);
  root.dispatchEvent(new Event("pointerenter"));
  elsewhere();
  expect(store.get("selection")).toEqual([]);
});

test("new data replaces the points and keeps the camera", async () => {
  const arrays = { ...ARRAYS };
  const { root, store, model, key, ready } = await mount({}, arrays);
  await ready();
  key("ArrowLeft");
  const camera = store.get("camera");
  const across = () => Math.abs(root.ncutProject!(0)!.x - root.ncutProject!(1)!.x);
  const before = across();
  arrays.coords = [COORDS.map((value) => value / 2), "float32", [6, 3]];
  model.set("meta", { ...META, version: 2 });
  await vi.waitFor(() => expect(across()).toBeLessThan(0.6 * before));
  expect(store.get("camera")).toEqual(camera);
});

/** Every place of a node from now until it rests at the 2nd version of the data. */
async function passage(view: View, arrays: typeof ARRAYS, node: number): Promise<number[]> {
  arrays.coords = [COORDS.map((value, p) => (p % 3 === 2 ? value : -value)), "float32", [6, 3]];
  const places: number[] = [];
  const setPoints = vi.spyOn(CanvasPoints.prototype, "setPoints").mockImplementation((coords) => {
    places.push(coords[node * 3]!);
  });
  view.model.set("meta", { ...META, version: 2 });
  await vi.waitFor(() => expect(places.at(-1)).toBe(-COORDS[node * 3]!));
  setPoints.mockRestore();
  return places;
}

test("new places are reached step by step, under a camera that stands still", async () => {
  const arrays = { ...ARRAYS };
  const view = await mount({}, arrays);
  await view.ready();
  const before = view.at(4);
  const places = await passage(view, arrays, 0);
  expect(places.length).toBeGreaterThan(3);
  expect(places[0]).toBe(1);
  expect(places).toEqual([...places].sort((a, b) => b - a));
  // The third axis has not changed, nor has what the first view must hold.
  expect(view.at(4)).toMatchObject({ x: expect.closeTo(before.x, 3), y: expect.closeTo(before.y, 3) });
});

test("who wants less motion sees the new places at once", async () => {
  vi.spyOn(window, "matchMedia").mockImplementation((query) => Object.assign(new EventTarget(), {
    matches: query.includes("prefers-reduced-motion"),
  }) as MediaQueryList);
  const arrays = { ...ARRAYS };
  const view = await mount({}, arrays);
  await view.ready();
  expect(await passage(view, arrays, 0)).toEqual([-1]);
});

test("only the coordinates and colours that are shown are fetched, and once", async () => {
  const { asked, store } = await shown();
  store.set("layer", "clusters");
  await vi.waitFor(() => expect(asked).toContain("cluster_colors/2"));
  store.set("layer", "ncut");
  expect(asked.sort()).toEqual(["cluster_colors/2", "coords", "labels/2", "rgb"]);
});

test("a late answer does not overwrite the colours of a later question", async () => {
  const colors = vi.spyOn(CanvasPoints.prototype, "setColors");
  const points = vi.spyOn(CanvasPoints.prototype, "setPoints");
  const { store } = await shown();
  let answer = (_: Uint8ClampedArray) => {};
  vi.spyOn(store, "paint").mockReturnValueOnce(new Promise((resolve) => { answer = resolve; }));
  store.set("layer", "eigenvector");
  store.set("layer", "clusters");
  await vi.waitFor(() => expect(colors).toHaveBeenCalledTimes(2));
  answer(new Uint8ClampedArray(24).fill(7));
  await new Promise(requestAnimationFrame);
  expect(colors).toHaveBeenCalledTimes(2);
  // New colours alone do not send the points again.
  expect(points).toHaveBeenCalledTimes(1);
});

test("what the kernel could not answer is shown inside of the view", async () => {
  const { coords: _, ...rest } = ARRAYS;
  const { root } = await mount({}, rest);
  await vi.waitFor(() => expect(root.querySelector(".ncut-error")?.textContent).toContain("no coords here"));
  expect(root.dataset.ready).toBeUndefined();
});

test("nothing is left behind when the view goes", async () => {
  const { root, store, gone, key, mouse, at } = await shown();
  const place = at(2);
  gone.abort();
  expect(document.body.querySelector("canvas")).toBeNull();
  drawn.length = 0;
  key("ArrowLeft");
  mouse("pointermove", place.x, place.y);
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  store.set("hover", 1);
  store.set("layer", "clusters");
  await new Promise(requestAnimationFrame);
  expect(store.get("camera")).toBeNull();
  expect(drawn).toEqual([]);
  expect(root.isConnected).toBe(false);
});
