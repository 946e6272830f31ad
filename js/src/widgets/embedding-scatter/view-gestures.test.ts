import { expect, test, vi } from "vitest";
import { onCanvasPage, shown } from "../../testing/embedding-scatter.ts";

onCanvasPage();

test("hovering a point sets the session's hover and shows a tooltip", async () => {
  const { root, store, mouse, at } = await shown({ layer: "clusters" });
  mouse("pointermove", at(5).x, at(5).y);
  expect(store.get("hover")).toBe(5);
  await vi.waitFor(() => expect(root.querySelector(".ncut-tooltip")?.textContent).toBe("one.pngrow 1, column 2cluster 1"));
  expect(root.querySelector("[aria-live]")!.textContent).toBe("one.png, row 1, column 2");
  mouse("pointerleave", 0, 0);
  expect(store.get("hover")).toBeNull();
  await vi.waitFor(() => expect(root.querySelector(".ncut-tooltip")).toBeNull());
});

test("a hover in another view has no tooltip and is not cleared", async () => {
  const { root, store, mouse } = await shown();
  store.set("hover", 2);
  mouse("pointerleave", 0, 0);
  expect(store.get("hover")).toBe(2);
  expect(root.querySelector(".ncut-tooltip")).toBeNull();
  expect(root.querySelector("[aria-live]")!.textContent).toBe("");
});

test("a click pins, with Shift it toggles, elsewhere it does nothing", async () => {
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

test("a drag orbits without clicking and saves the camera at its end", async () => {
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

test("a drag with the right button pans", async () => {
  const { store, mouse } = await shown();
  mouse("pointerdown", 200, 150, { button: 2 });
  mouse("pointermove", 230, 140, { button: 2 });
  mouse("pointerup", 230, 140, { button: 2 });
  expect(Math.hypot(...store.get("camera")!.target)).toBeGreaterThan(0.05);
});

test("the wheel zooms only with the focus in the cloud", async () => {
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

test("a pinch zooms without clicking", async () => {
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

test("reset, Home and double-click reset the camera", async () => {
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

test("keys orbit, pan, zoom and move between patches", async () => {
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

test("Escape works with the focus or the pointer in the view", async () => {
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
