import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EIGENVECTORS, META, session } from "../../testing/four-nodes.ts";

describe("state", () => {
  beforeEach(() => { vi.useFakeTimers(); });
  afterEach(() => { vi.useRealTimers(); });

  it("ignores Python's echo of earlier values", () => {
    const { store, model, save } = session();
    store.set("hover", 1);
    vi.advanceTimersByTime(1000);
    store.set("hover", 2);
    model.set("hover", 0);
    expect(store.get("hover")).toBe(2);
    vi.advanceTimersByTime(1000);
    expect(save).toHaveBeenCalledTimes(2);
    expect(model.get("hover")).toBe(2);
    // Afterwards Python may change it.
    model.set("hover", 3);
    expect(store.get("hover")).toBe(3);
  });

  it("notifies views immediately and Python once per burst", () => {
    const { store, save } = session();
    const listener = vi.fn();
    store.subscribe("hover", listener, new AbortController().signal);
    for (const node of [1, 2, 3]) store.set("hover", node);
    expect(listener).toHaveBeenCalledTimes(3);
    expect(save).not.toHaveBeenCalled();
    vi.runAllTimers();
    expect(save).toHaveBeenCalledTimes(1);
    expect(store.get("hover")).toBe(3);
  });

  it("does not send unchanged values", () => {
    const { store, save } = session();
    store.set("selection", []);
    store.set("blend", 0.7);
    vi.runAllTimers();
    expect(save).not.toHaveBeenCalled();
  });

  it("does not notify a removed view", () => {
    const { store } = session();
    const view = new AbortController();
    const listener = vi.fn();
    store.subscribe("hover", listener, view.signal);
    view.abort();
    store.set("hover", 1);
    expect(listener).not.toHaveBeenCalled();
  });

  it("pins, adds, removes and unpins nodes", () => {
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

  it("chooses pinned over hovered nodes, unless switched off", () => {
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
  it("arrive in chunks in any order and are requested once", async () => {
    const { store, kernel } = session(3);
    const [first, second] = await Promise.all([store.array("eigenvectors"), store.array("eigenvectors")]);
    expect(first).toBe(second);
    expect([...first.data]).toEqual([...EIGENVECTORS]);
    expect(first.shape).toEqual([4, 2]);
    expect(kernel.received.length).toBe(1);
  });

  it("fail with the kernel's message and can be requested again", async () => {
    const { store, kernel } = session();
    await expect(store.array("coords")).rejects.toThrow("no coords here");
    await expect(store.array("coords")).rejects.toThrow("no coords here");
    expect(kernel.received.length).toBe(2);
  });

  it("are fetched again after Python has replaced them", async () => {
    const { store, model, kernel } = session();
    await store.array("rgb");
    model.set("meta", { ...META, version: 1 });
    await store.array("rgb");
    expect(kernel.received.length).toBe(2);
  });

  it("are requested again if the kernel reports them as outdated", async () => {
    const { store, model, kernel } = session();
    kernel.holds = /rgb/;
    const asked = store.array("rgb");
    expect(kernel.held).toMatchObject([{ version: META.version, embedding: META.embedding }]);
    model.set("meta", { ...META, version: 5 });
    kernel.holds = null;
    kernel.tell({ kind: "reply", id: kernel.held[0]!.id, ok: false, error: "replaced", outdated: true });
    expect((await asked).data).toBeInstanceOf(Uint8Array);
    expect(kernel.received.at(-1)).toMatchObject({ name: "rgb", version: 5 });
  });

  it("derived from the same eigenvectors survive new colors", async () => {
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

  it("of a replaced embedding are not used for the new one", async () => {
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
    expect(kernel.received.length).toBe(2);
    expect(store.heat([0])![0]).toBe(1);
  });

  it("are released with the last view", async () => {
    const { store, kernel } = session();
    const [one, two] = [new AbortController(), new AbortController()];
    store.watch(one.signal);
    store.watch(two.signal);
    await store.array("rgb");
    one.abort();
    await store.array("rgb");
    expect(kernel.received.length).toBe(1);
    two.abort();
    await store.array("rgb");
    expect(kernel.received.length).toBe(2);
  });

  it("ignore replies to another page", async () => {
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
