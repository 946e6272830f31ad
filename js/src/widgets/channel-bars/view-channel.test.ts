import { describe, expect, it, vi } from "vitest";
import { shown } from "../../testing/channel-bars.ts";
import { onPage, painted } from "../../testing/view.ts";

onPage({ width: 600, height: 500, box: new DOMRect(0, 0, 400, 300) });

describe("channel", () => {
  it("is previewed in all images while its bar is hovered", async () => {
    const { row, enter, find, store, overlay, heat, root } = await shown({ selected_cluster: 1 });
    enter(row(1));
    expect(store.get("hovered_channel")).toBe(1);
    await vi.waitFor(() => expect(overlay()).toEqual(heat(1)));
    expect(root.dataset.shows).toBe("channel");
    await vi.waitFor(() => expect(find(".ncut-readout").textContent).toContain("chroma a channel 1"));
    expect(find(".ncut-readout").textContent).toContain("+30.0 %, rank 2 of 3");
    await vi.waitFor(() => expect(find(".ncut-legend").textContent).toBe("−1.258"));
    enter(find(".ncut-bars"), "pointerleave");
    expect(store.get("hovered_channel")).toBeNull();
    await vi.waitFor(() => expect(root.dataset.shows).toBe("target"));
  });

  it("previewed from Python is marked and displayed", async () => {
    const { store, row, overlay, heat } = await shown();
    store.set("hovered_channel", 2);
    await vi.waitFor(() => expect(row(2).hasAttribute("data-current")).toBe(true));
    await vi.waitFor(() => expect(overlay()).toEqual(heat(2)));
  });

  it("is no longer previewed after the view is removed", async () => {
    const { row, enter, store, lifetime } = await shown();
    enter(row(1));
    lifetime.abort();
    expect(store.get("hovered_channel")).toBeNull();
  });

  it("is pinned by a click and combined with others as RGB", async () => {
    const { row, store, overlay, heat, find, named, root } = await shown({ selected_cluster: 1, layer: "ncut" });
    row(0).click();
    await vi.waitFor(() => expect(store.get("pinned_channels")).toEqual([0]));
    expect(store.get("layer")).toBe("channels");
    await vi.waitFor(() => expect(overlay()).toEqual(heat(0)));
    row(2).click();
    await vi.waitFor(() => expect(overlay()[1]).toEqual([10, 12, 0, 255]));
    await vi.waitFor(() => expect(row(2).querySelector<HTMLElement>(".ncut-pin")!.dataset.part).toBe("g"));
    const small = () => painted.get(find<HTMLCanvasElement>("[data-pinned-channel='2'] canvas"))!;
    await vi.waitFor(() => expect([...small().data.slice(4, 8)]).toEqual(heat(2)[1]));
    store.set("hover", 13);
    await vi.waitFor(() => expect([...small().data.slice(0, 3)]).toEqual([...store.palettes.sequential.slice(122 * 4, 122 * 4 + 3)]));
    named("Unpin luma").click();
    await vi.waitFor(() => expect(store.get("pinned_channels")).toEqual([2]));
    row(2).click();
    expect([store.get("pinned_channels"), store.get("layer")]).toEqual([[], "ncut"]);
    await vi.waitFor(() => expect(root.dataset.shows).toBe("target"));
  });

  it("can be previewed and pinned by keyboard; Escape clears in steps", async () => {
    const { row, key, store, root } = await shown({ selected_cluster: 1 });
    vi.spyOn(HTMLElement.prototype, "matches").mockImplementation(function (this: HTMLElement, selector: string) {
      return selector === ":focus-visible" || Element.prototype.matches.call(this, selector);
    });
    expect([row(0).tabIndex, row(1).tabIndex]).toEqual([0, -1]);
    row(0).focus();
    key(row(0), "ArrowDown");
    expect(document.activeElement).toBe(row(1));
    expect(store.get("hovered_channel")).toBe(1);
    key(row(1), "End");
    key(row(2), "Enter");
    await vi.waitFor(() => expect(store.get("pinned_channels")).toEqual([2]));
    await vi.waitFor(() => expect(row(2).getAttribute("aria-label")).toBe("chroma b, −10.0 %, pinned"));
    key(root, "Escape");
    expect([store.get("hovered_channel"), store.get("pinned_channels")]).toEqual([null, [2]]);
    key(root, "Escape");
    expect(store.get("pinned_channels")).toEqual([]);
  });
});
