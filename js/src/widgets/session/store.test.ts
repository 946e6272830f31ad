import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Meta } from "../../shared/types.ts";
import { META as TWO_IMAGES, type Arrays, fakeSession, sessionState } from "../../testing/session.ts";

const META: Meta = {
  ...TWO_IMAGES, version: 0, images: [{ name: "one", width: 20, height: 20 }],
  maps: [{ image: 0, rows: 2, columns: 2, source: "features" }], n_nodes: 4,
};
const EIGENVECTORS = Float32Array.of(1, 0, 1, 0.1, 0, 1, 0.1, -1);
const ARRAYS: Arrays = {
  eigenvectors: [EIGENVECTORS, "float32", [4, 2]],
  rgb: [Uint8Array.of(255, 0, 0, 155, 0, 0, 0, 0, 255, 0, 0, 255), "uint8", [4, 3]],
  "cluster_colors/2": [Uint8Array.of(205, 0, 0, 0, 0, 255), "uint8", [2, 3]],
  "labels/2": [Uint8Array.of(0, 0, 1, 1), "uint8", [4]],
  "channel_map/0": [Uint8Array.of(0, 255, 10, 20), "uint8", [4]],
  "channel_map/1": [Uint8Array.of(1, 2, 3, 4), "uint8", [4]],
};

/** A session of four nodes in one image, whose kernel answers in `parts` parts, out of order. */
function session(parts = 1) {
  const made = fakeSession(sessionState({ meta: META, source: "features" }), ARRAYS, { parts });
  return { ...made, save: vi.spyOn(made.model, "save_changes") };
}

describe("state", () => {
  beforeEach(() => { vi.useFakeTimers(); });
  afterEach(() => { vi.useRealTimers(); });

  it("is not taken back by Python's echo of what came before it", () => {
    const { store, model, save } = session();
    store.set("hover", 1);
    vi.advanceTimersByTime(1000);
    store.set("hover", 2);
    model.set("hover", 0);
    expect(store.get("hover")).toBe(2);
    vi.advanceTimersByTime(1000);
    expect(save).toHaveBeenCalledTimes(2);
    expect(model.get("hover")).toBe(2);
    // Once Python knows, it has the last word.
    model.set("hover", 3);
    expect(store.get("hover")).toBe(3);
  });

  it("reaches other views at once and Python once, however fast the gestures come", () => {
    const { store, save } = session();
    const heard = vi.fn();
    store.subscribe("hover", heard, new AbortController().signal);
    for (const node of [1, 2, 3]) store.set("hover", node);
    expect(heard).toHaveBeenCalledTimes(3);
    expect(save).not.toHaveBeenCalled();
    vi.runAllTimers();
    expect(save).toHaveBeenCalledTimes(1);
    expect(store.get("hover")).toBe(3);
  });

  it("does not echo what did not change", () => {
    const { store, save } = session();
    store.set("selection", []);
    store.set("blend", 0.7);
    vi.runAllTimers();
    expect(save).not.toHaveBeenCalled();
  });

  it("is no longer heard by a view that has gone", () => {
    const { store } = session();
    const view = new AbortController();
    const heard = vi.fn();
    store.subscribe("hover", heard, view.signal);
    view.abort();
    store.set("hover", 1);
    expect(heard).not.toHaveBeenCalled();
  });

  it("pins one node, adds others, takes one away again, and lets go", () => {
    const { store } = session();
    store.pin(1);
    store.pin(2);
    expect(store.get("selection")).toEqual([2]);
    store.pin(3, { toggle: true });
    expect(store.get("selection")).toEqual([2, 3]);
    store.pin(2, { toggle: true });
    expect(store.get("selection")).toEqual([3]);
    store.unpin();
    expect(store.get("selection")).toEqual([]);
  });

  it("shows the heat of the pinned nodes, else of the hovered one, unless that is switched off", () => {
    const { store } = session();
    expect(store.heatNodes()).toEqual([]);
    store.set("hover", 1);
    expect(store.heatNodes()).toEqual([1]);
    store.pin(2);
    expect(store.heatNodes()).toEqual([2]);
    store.unpin();
    store.set("hover_heatmap", false);
    expect(store.heatNodes()).toEqual([]);
    store.set("layer", "heatmap");
    expect(store.heatNodes()).toEqual([1]);
  });
});

describe("arrays", () => {
  it("come in parts and in any order, and are asked for once", async () => {
    const { store, kernel } = session(3);
    const [first, second] = await Promise.all([store.array("eigenvectors"), store.array("eigenvectors")]);
    expect(first).toBe(second);
    expect([...first.data]).toEqual([...EIGENVECTORS]);
    expect(first.shape).toEqual([4, 2]);
    expect(kernel.asked.length).toBe(1);
  });

  it("fail with the kernel's words, and can be asked for again", async () => {
    const { store, kernel } = session();
    await expect(store.array("coords")).rejects.toThrow("no coords here");
    await expect(store.array("coords")).rejects.toThrow("no coords here");
    expect(kernel.asked.length).toBe(2);
  });

  it("are fetched anew when Python has replaced them", async () => {
    const { store, model, kernel } = session();
    await store.array("rgb");
    model.set("meta", { ...META, version: 1 });
    await store.array("rgb");
    expect(kernel.asked.length).toBe(2);
  });

  it("that come from the same eigenvectors are kept when only colours were replaced", async () => {
    const { store, model, kernel } = session();
    await Promise.all([store.prepare(), store.array("labels/2"), store.array("rgb")]);
    const heat = store.heat([0]);
    model.set("meta", { ...META, version: 1 });
    expect(store.heat([0])).toBe(heat);
    await Promise.all([store.prepare(), store.array("labels/2"), store.array("rgb")]);
    expect(kernel.names()).toEqual(["eigenvectors", "labels/2", "rgb", "rgb"]);
    model.set("meta", { ...META, version: 2, embedding: 1 });
    expect(store.heat([0])).toBeNull();
    await store.array("labels/2");
    expect(kernel.names().slice(4)).toEqual(["labels/2"]);
  });

  it("of an embedding that has been replaced while they were on their way are not taken for the new one", async () => {
    const { store, model, kernel, local } = session();
    const answer = local.answer!;
    const held: (() => void)[] = [];
    local.answer = (...call) => { held.push(() => answer(...call)); };
    const ready = Promise.all([store.prepare(), store.prepare()]);
    await Promise.resolve();
    model.set("meta", { ...META, version: 1, embedding: 1 });
    held.shift()!();
    while (!held.length) await Promise.resolve();
    expect(store.heat([0])).toBeNull();
    held.shift()!();
    await ready;
    expect(kernel.asked.length).toBe(2);
    expect(store.heat([0])![0]).toBe(1);
  });

  it("are let go with the last view", async () => {
    const { store, kernel } = session();
    const [one, two] = [new AbortController(), new AbortController()];
    store.watch(one.signal);
    store.watch(two.signal);
    await store.array("rgb");
    one.abort();
    await store.array("rgb");
    expect(kernel.asked.length).toBe(1);
    two.abort();
    await store.array("rgb");
    expect(kernel.asked.length).toBe(2);
  });

  it("of another page's request are none of ours", async () => {
    const { store, local, model } = session();
    local.answer = () => undefined;
    const pending = store.array("rgb");
    const stranger = { kind: "reply", id: "other-0", ok: false, error: "not for you" };
    local.answer = (_, reply) => reply(stranger, []);
    model.send({});
    const settled = await Promise.race([pending.then(() => "answered", () => "failed"), Promise.resolve("waiting")]);
    expect(settled).toBe("waiting");
  });
});

describe("channels", () => {
  it("show the one that is looked at on every layer, and the pinned ones on their own", async () => {
    const { store, model } = session();
    model.set("meta", { ...META, version: 1, channel_names: ["a", "b"] });
    store.set("channels", [1, 0]);
    expect([...(await store.paint())!.slice(0, 4)]).toEqual([255, 0, 0, 255]);
    store.set("layer", "channels");
    expect([...(await store.paint())!.slice(0, 8)]).toEqual([1, 0, 0, 255, 2, 255, 0, 255]);
    store.set("channel", 0);
    const [cold, warm] = [(await store.paint())!.slice(0, 4), (await store.paint())!.slice(4, 8)];
    expect(cold[0]! + cold[1]! + cold[2]!).toBeLessThan(30);
    expect(warm[0]! + warm[1]!).toBeGreaterThan(400);
    store.set("layer", "image");
    expect(await store.paint()).not.toBeNull();
    store.set("channel", null);
    expect(await store.paint()).toBeNull();
  });
});

describe("paint", () => {
  it("gives the layer's colours to every node", async () => {
    const { store } = session();
    expect([...(await store.paint())!.slice(0, 8)]).toEqual([255, 0, 0, 255, 155, 0, 0, 255]);
    store.set("layer", "clusters");
    expect([...(await store.paint())!]).toEqual(
      [205, 0, 0, 255, 205, 0, 0, 255, 0, 0, 255, 255, 0, 0, 255, 255],
    );
    store.set("layer", "image");
    expect(await store.paint()).toBeNull();
  });

  it("puts zero of an eigenvector in the middle of the scale", async () => {
    const { store } = session();
    store.set("layer", "eigenvector");
    const colors = (await store.paint())!;
    const [zero, positive, negative] = [colors.slice(0, 3), colors.slice(8, 11), colors.slice(12, 15)];
    expect(Math.min(...zero)).toBeGreaterThan(230);
    expect(positive[0]!).toBeGreaterThan(positive[2]!);
    expect(negative[2]!).toBeGreaterThan(negative[0]!);
  });

  it("has the warmest node at the prompt", async () => {
    const { store } = session();
    await store.prepare();
    const heat = store.heat([0])!;
    expect(heat[0]).toBe(1);
    expect(heat[1]!).toBeGreaterThan(heat[2]!);
    const both = store.heat([0, 2])!;
    expect(both[2]).toBe(1);
  });
});
