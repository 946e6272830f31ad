import { describe, expect, it, vi } from "vitest";
import { CUP, META, shown } from "../../testing/channel-bars.ts";
import { onPage } from "../../testing/view.ts";

onPage({ width: 600, height: 500, box: new DOMRect(0, 0, 400, 300) });

describe("bars", () => {
  it("show the selected cluster's attribution and follow the selection", async () => {
    const { store, order, values, row, requests } = await shown({ selected_cluster: 1 });
    expect([order(), values()]).toEqual([[0, 1, 2], ["+60.0", "+30.0", "−10.0"]]);
    expect(row(2).querySelector<HTMLElement>("[data-sign]")!.dataset.sign).toBe("-");
    const [long, short] = [row(0), row(2)].map((one) => one.querySelector<HTMLElement>("[data-sign]")!.style);
    expect([long!.left, long!.width]).toEqual(["50%", "50%"]);
    expect(parseFloat(short!.left) + parseFloat(short!.width)).toBeCloseTo(50);
    store.set("selected_cluster", 0);
    await vi.waitFor(() => expect(order()).toEqual([2, 0, 1]));
    expect(requests()).toEqual(["attribution/gradient/clusters/2"]);
  });

  it("can be sorted, searched and limited", async () => {
    const { choose, order, named, input, root } = await shown({ selected_cluster: 0 });
    choose("Sort by", "absolute");
    await vi.waitFor(() => expect(order()).toEqual([1, 2, 0]));
    const type = (text: string) => input(named<HTMLInputElement>("Search channels by name or number"), text);
    type("CHROMA");
    await vi.waitFor(() => expect(order()).toEqual([1, 2]));
    type("0");
    await vi.waitFor(() => expect(order()).toEqual([0]));
    type("hue");
    await vi.waitFor(() => expect(root.textContent).toContain("No matching channels."));
    const slider = named<HTMLInputElement>("Number of bars");
    expect([slider.min, slider.max]).toEqual(["5", "50"]);
  });

  it("follow the number of clusters and the method", async () => {
    const { store, choose, values, requests } = await shown({ selected_cluster: 1 });
    store.set("n_clusters", 4);
    await vi.waitFor(() => expect(values()).toEqual(["+100.0", "0.0", "0.0"]));
    store.set("n_clusters", 2);
    choose("Method", "ablation");
    await vi.waitFor(() => expect(values()).toEqual(["+60.0", "+40.0", "0.0"]));
    expect(requests()).toEqual(["attribution/gradient/clusters/2", "attribution/gradient/clusters/4", "attribution/ablation/clusters/2"]);
  });

  it("of two targets share one scale", async () => {
    const { button, row, named, find, choose } = await shown({ selected_cluster: 1, cluster_names: { 0: "sky" } });
    button("Compare").click();
    await vi.waitFor(() => expect(row(0).querySelectorAll("[data-sign]")).toHaveLength(2));
    expect([...find(".ncut-column-headers").querySelectorAll(".ncut-column-header")].map((one) => one.textContent)).toEqual(["Cluster 1", "sky"]);
    const [one, two] = [...row(0).querySelectorAll<HTMLElement>("[data-sign]")].map(({ style }) => parseFloat(style.width));
    expect(two! / one!).toBeCloseTo(0.2 / 0.6);
    expect(row(0).getAttribute("aria-label")).toBe("luma, Cluster 1 +60.0 %, sky +20.0 %");
    choose("Sort by", "difference");
    await vi.waitFor(() => expect(row(1).previousElementSibling).toBe(row(0)));
    named("Stop comparing").click();
    await vi.waitFor(() => expect(row(0).querySelectorAll("[data-sign]")).toHaveLength(1));
  });

  it("are replaced by a message without features", async () => {
    const { root, requests } = await shown({ meta: { ...META, channel_names: null } }, { bars: false });
    expect(root.textContent).toContain("This session has no features");
    expect(requests()).toEqual([]);
  });
});

describe("target", () => {
  it("can be chosen by clicking its region, in all views", async () => {
    const { clickPatch, store, overlay, values } = await shown();
    await vi.waitFor(() => expect(overlay()).toEqual([[10, 30, 50, 255], [10, 30, 50, 255], [0, 0, 0, 0], [0, 0, 0, 0]]));
    clickPatch(1, 3);
    expect(store.get("selected_cluster")).toBe(1);
    await vi.waitFor(() => expect(values()).toEqual(["+60.0", "+30.0", "−10.0"]));
    await vi.waitFor(() => expect(overlay()[3]).toEqual([70, 90, 110, 255]));
  });

  it("can be the pinned patches, until they are unpinned", async () => {
    const { store, values, kernel, overlay, named, clickPatch, order } = await shown({ selected_cluster: 1 });
    store.set("selection", [0, 3]);
    await vi.waitFor(() => expect(values()[0]).toBe("+100.0"));
    expect(kernel.received.find(({ name }) => name === "attribution/gradient/nodes")!.params).toEqual({ nodes: [0, 3] });
    expect(named<HTMLSelectElement>("Target").selectedOptions[0]!.textContent).toBe("2 pinned patches");
    await vi.waitFor(() => expect(overlay().map(([red]) => red)).toEqual([255, 0, 0, 255]));
    clickPatch(0, 1, { shiftKey: true });
    expect(store.get("selection")).toEqual([0, 3, 1]);
    clickPatch(0, 2);
    expect(store.get("selection")).toEqual([]);
    await vi.waitFor(() => expect(order()).toEqual([0, 1, 2]));
  });

  it("can be an object's current mask", async () => {
    const { store, choose, order, overlay, requests, values } = await shown({ objects: [CUP] });
    choose("Target", { kind: "mask", name: "cup" });
    await vi.waitFor(() => expect(values()).toEqual(["+100.0", "0.0", "0.0"]));
    expect(order()[0]).toBe(1);
    await vi.waitFor(() => expect(overlay()[0]).toEqual([10, 20, 30, 255]));
    store.set("objects", [{ ...CUP, clicks: [...CUP.clicks, { image: 1, x: 150, y: 50, positive: true }] }]);
    await vi.waitFor(() => expect(requests().filter((name) => name.endsWith("mask/cup"))).toHaveLength(2));
    store.set("objects", []);
    await vi.waitFor(() => expect(order()[0]).toBe(2));
  });

  it("can be a whole image", async () => {
    const { choose, values, kernel } = await shown();
    choose("Target", { kind: "image", image: 1 });
    await vi.waitFor(() => expect(values()[0]).toBe("+100.0"));
    expect(kernel.received.find(({ name }) => name.endsWith("/nodes"))!.params).toEqual({ nodes: Array.from({ length: 12 }, (_, i) => 12 + i) });
  });

  it("can be merged clusters, sent as nodes", async () => {
    const { kernel } = await shown({ n_clusters: 4, selected_cluster: 1, cluster_groups: [[1, 3, 9]] });
    expect(kernel.received.find(({ name }) => name.endsWith("/nodes"))!.params).toEqual({ nodes: [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23] });
  });
});
