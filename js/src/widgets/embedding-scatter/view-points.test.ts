import { expect, test, vi } from "vitest";
import { ARRAYS, COORDS, HEIGHT, META, type View, WIDTH, drawn, mount, onCanvasPage, shown } from "../../testing/embedding-scatter.ts";
import { CanvasPoints } from "./renderer-canvas.ts";

onCanvasPage();

test("the first frame reports point count and renderer", async () => {
  const { root } = await shown();
  expect(root.dataset).toMatchObject({ points: "6", renderer: "canvas2d" });
  expect(root.querySelector(".ncut-loading")).toBeNull();
});

test("hovering redraws only the marks", async () => {
  const { store } = await shown();
  drawn.length = 0;
  store.set("hover", 2);
  await vi.waitFor(() => expect(drawn).toContain("arc"));
  expect(drawn).not.toContain("drawImage");
});

test("a camera set in Python applies; None frames all points", async () => {
  const { store, at } = await shown();
  const first = at(0);
  store.set("camera", { position: [0, 0, 9], target: [0, 0, 0], zoom: 1 });
  expect(at(4)).toMatchObject({ x: expect.closeTo(WIDTH / 2, 1), y: expect.closeTo(HEIGHT / 2, 1), front: true });
  expect(at(5).front).toBe(false);
  store.set("camera", null);
  expect(at(0)).toEqual(first);
});

test("an invalid camera shows an error and keeps the view", async () => {
  const { root, store, at } = await shown();
  const first = at(0);
  store.set("camera", { position: [1, 2], target: [0, 0, 0], zoom: 1 } as never);
  await vi.waitFor(() => expect(root.querySelector(".ncut-error")?.textContent).toContain("`camera` must be"));
  expect(at(0)).toEqual(first);
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

/** All positions of a node until version 2 of the data is fully displayed. */
async function transition(view: View, arrays: typeof ARRAYS, node: number): Promise<number[]> {
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

test("points move to a new layout while the camera stays", async () => {
  const arrays = { ...ARRAYS };
  const view = await mount({}, arrays);
  await view.ready();
  const before = view.at(4);
  const places = await transition(view, arrays, 0);
  expect(places.length).toBeGreaterThan(3);
  expect(places[0]).toBe(1);
  expect(places).toEqual([...places].sort((a, b) => b - a));
  // The third axis has not changed, nor has the framed extent.
  expect(view.at(4)).toMatchObject({ x: expect.closeTo(before.x, 3), y: expect.closeTo(before.y, 3) });
});

test("reduced motion skips the transition", async () => {
  vi.spyOn(window, "matchMedia").mockImplementation((query) => Object.assign(new EventTarget(), {
    matches: query.includes("prefers-reduced-motion"),
  }) as MediaQueryList);
  const arrays = { ...ARRAYS };
  const view = await mount({}, arrays);
  await view.ready();
  expect(await transition(view, arrays, 0)).toEqual([-1]);
});

test("fetches only the displayed arrays, once", async () => {
  const { kernel, store } = await shown();
  store.set("layer", "clusters");
  await vi.waitFor(() => expect(kernel.names()).toContain("cluster_colors/2"));
  store.set("layer", "ncut");
  expect(kernel.names().sort()).toEqual(["cluster_colors/2", "coords", "labels/2", "rgb"]);
});

test("a late result does not overwrite newer colors", async () => {
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
  // New colors alone do not upload the points again.
  expect(points).toHaveBeenCalledTimes(1);
});

test("a kernel error is shown in the view", async () => {
  const { coords: _, ...rest } = ARRAYS;
  const { root } = await mount({}, rest);
  await vi.waitFor(() => expect(root.querySelector(".ncut-error")?.textContent).toContain("no coords here"));
  expect(root.dataset.ready).toBeUndefined();
});

test("a removed view leaves nothing behind", async () => {
  const { root, store, lifetime, key, mouse, at } = await shown();
  const place = at(2);
  lifetime.abort();
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

test("outliers can be hidden: not drawn, picked or framed", async () => {
  const arrays = { ...ARRAYS, outliers: [Uint8Array.of(0, 0, 0, 0, 0, 1), "uint8", [6]] as const };
  const { root, store, ready } = await mount({ meta: { ...META, n_outliers: 1 } }, arrays as never);
  await ready();
  const box = () => root.querySelector<HTMLInputElement>('label[title*="far from all others"] input')!;
  expect(root.ncutProject!(5)).not.toBeNull();
  box().click();
  await vi.waitFor(() => expect(root.dataset.points).toBe("5"));
  expect(store.get("hide_outliers")).toBe(true);
  expect(root.ncutProject!(5)).toBeNull();
  expect(root.ncutProject!(0)).not.toBeNull();
  box().click();
  await vi.waitFor(() => expect(root.ncutProject!(5)).not.toBeNull());
});

test("without outliers there is no checkbox", async () => {
  const { root } = await shown();
  expect(root.textContent).not.toContain("outliers");
});
