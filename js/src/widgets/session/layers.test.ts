import { describe, expect, it, vi } from "vitest";
import { META, session } from "../../testing/four-nodes.ts";

describe("channels", () => {
  it("shows a previewed channel on every layer, pinned ones on their own", async () => {
    const { store, model } = session();
    model.set("meta", { ...META, version: 1, channel_names: ["a", "b"] });
    store.set("pinned_channels", [1, 0]);
    expect([...(await store.paint())!.slice(0, 4)]).toEqual([255, 0, 0, 255]);
    store.set("layer", "channels");
    expect([...(await store.paint())!.slice(0, 8)]).toEqual([1, 0, 0, 255, 2, 255, 0, 255]);
    store.set("hovered_channel", 0);
    const [cold, warm] = [(await store.paint())!.slice(0, 4), (await store.paint())!.slice(4, 8)];
    expect(cold[0]! + cold[1]! + cold[2]!).toBeLessThan(30);
    expect(warm[0]! + warm[1]!).toBeGreaterThan(400);
    store.set("layer", "image");
    expect(await store.paint()).not.toBeNull();
    store.set("hovered_channel", null);
    expect(await store.paint()).toBeNull();
  });
});

describe("paint", () => {
  it("returns the colors of the layer", async () => {
    const { store } = session();
    expect([...(await store.paint())!.slice(0, 8)]).toEqual([255, 0, 0, 255, 155, 0, 0, 255]);
    store.set("layer", "clusters");
    expect([...(await store.paint())!]).toEqual(
      [205, 0, 0, 255, 205, 0, 0, 255, 0, 0, 255, 255, 0, 0, 255, 255],
    );
    store.set("layer", "image");
    expect(await store.paint()).toBeNull();
  });

  it("centers the diverging colormap at zero", async () => {
    const { store } = session();
    store.set("layer", "eigenvector");
    const colors = (await store.paint())!;
    const [zero, positive, negative] = [colors.slice(0, 3), colors.slice(8, 11), colors.slice(12, 15)];
    expect(Math.min(...zero)).toBeGreaterThan(230);
    expect(positive[0]!).toBeGreaterThan(positive[2]!);
    expect(negative[2]!).toBeGreaterThan(negative[0]!);
  });

  it("has the highest heat at the prompt", async () => {
    const { store } = session();
    await store.prepare();
    const heat = store.heat([0])!;
    expect(heat[0]).toBe(1);
    expect(heat[1]!).toBeGreaterThan(heat[2]!);
    const both = store.heat([0, 2])!;
    expect(both[2]).toBe(1);
  });
});

describe("cached colors", () => {
  const RED = [255, 0, 0, 255];
  const paintedFirst = async ({ store }: ReturnType<typeof session>) => [...(await store.paint())!.slice(0, 4)];

  it("are updated after new colors for the same eigenvectors", async () => {
    const view = session();
    expect(await paintedFirst(view)).toEqual(RED);
    view.kernel.arrays.rgb = [new Uint8Array(12).fill(7), "uint8", [4, 3]];
    expect(await paintedFirst(view)).toEqual(RED);
    view.model.set("meta", { ...META, version: 1 });
    expect(await paintedFirst(view)).toEqual([7, 7, 7, 255]);
  });

  it("of channels are updated after new eigenvectors", async () => {
    const view = session();
    view.model.set("meta", { ...META, version: 1, channel_names: ["a", "b"] });
    view.store.set("layer", "channels");
    view.store.set("pinned_channels", [0, 1]);
    expect(await paintedFirst(view)).toEqual([0, 1, 0, 255]);
    view.kernel.arrays["channel_map/0"] = [new Uint8Array(4).fill(9), "uint8", [4]];
    view.model.set("meta", { ...META, version: 2, embedding: 1, channel_names: ["a", "b"] });
    expect(await paintedFirst(view)).toEqual([9, 1, 0, 255]);
  });

  it("skip cluster numbers passed while dragging the slider", async () => {
    const { store, kernel } = session();
    kernel.holds = /^labels/;
    for (const count of [2, 3, 4]) {
      kernel.arrays[`labels/${count}`] = [Uint8Array.of(0, 0, 1, count - 1), "uint8", [4]];
      kernel.arrays[`cluster_colors/${count}`] = [new Uint8Array(3 * count).fill(count), "uint8", [count, 3]];
    }
    store.set("layer", "clusters");
    const passed = [2, 3, 4].map((count) => {
      store.set("n_clusters", count);
      return store.paint();
    });
    await vi.waitFor(() => expect(kernel.held).toHaveLength(1));
    kernel.answer(kernel.held[0]!);
    await vi.waitFor(() => expect(kernel.held).toHaveLength(2));
    kernel.answer(kernel.held[1]!);
    expect([...(await passed[2]!)!.slice(0, 4)]).toEqual([4, 4, 4, 255]);
    expect(kernel.names(/^labels/)).toEqual(["labels/2", "labels/4"]);
  });
});
