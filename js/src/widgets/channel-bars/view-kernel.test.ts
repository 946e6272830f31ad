import { describe, expect, it, vi } from "vitest";
import { CUP, IN_FILE, shown } from "../../testing/channel-bars.ts";
import { onPage } from "../../testing/view.ts";

onPage({ width: 600, height: 500, box: new DOMRect(0, 0, 400, 300) });

describe("kernel requests", () => {
  const waiting = ({ find }: { find: (selector: string) => HTMLElement }) => find(".ncut-pending")?.textContent ?? "";

  it("show progress and can be cancelled and retried", async () => {
    const view = await shown({ selected_cluster: 1 });
    const { hold, choose, kernel, find, order, values, button } = view;
    hold();
    choose("Method", "ablation");
    await vi.waitFor(() => expect(kernel.held).toHaveLength(1));
    kernel.tell({ kind: "progress", id: kernel.held[0]!.id, fraction: 0.25 });
    await vi.waitFor(() => expect(find<HTMLProgressElement>("progress")?.value).toBe(0.25));
    expect(order()).toEqual([0, 1, 2]);
    expect(find(".ncut-bars").getAttribute("aria-busy")).toBe("true");
    find(".ncut-task button").click();
    await vi.waitFor(() => expect(waiting(view)).toContain("Cancelled."));
    expect(kernel.received.some(({ kind, id }) => kind === "cancel" && id === kernel.held[0]!.id)).toBe(true);
    button("Retry").click();
    await vi.waitFor(() => expect(kernel.held).toHaveLength(2));
    kernel.answer(kernel.held[1]!);
    await vi.waitFor(() => expect(values()).toEqual(["+60.0", "+40.0", "0.0"]));
    expect(waiting(view)).toBe("");
  });

  it("are cancelled if no longer needed", async () => {
    const { hold, choose, kernel, values } = await shown({ selected_cluster: 1 });
    hold();
    choose("Method", "ablation");
    await vi.waitFor(() => expect(kernel.held).toHaveLength(1));
    choose("Method", "gradient");
    await vi.waitFor(() => expect(kernel.received.some(({ kind, id }) => kind === "cancel" && id === kernel.held[0]!.id)).toBe(true));
    await vi.waitFor(() => expect(values()[0]).toBe("+60.0"));
  });

  it("show the error message", async () => {
    const view = await shown({}, { missing: ["attribution/gradient/clusters/2"], bars: false });
    await vi.waitFor(() => expect(waiting(view)).toContain("no attribution/gradient/clusters/2"));
  });

  it("measure evidence on demand", async () => {
    const { button, find, requests, store, named } = await shown({ selected_cluster: 0 });
    expect(requests()).toEqual(["attribution/gradient/clusters/2"]);
    button("Show evidence").click();
    await vi.waitFor(() => expect(find("figure.ncut-evidence")).not.toBeNull());
    expect(requests()).toContain("evidence/gradient/clusters/2/0");
    expect([...find(".ncut-evidence svg").querySelectorAll("polyline")].map(({ dataset }) => dataset.line)).toEqual(["top", "random", "bottom"]);
    expect(find("figcaption:last-child").textContent).toBe("toprandombottomarea 0.188");
    store.set("selected_cluster", 1);
    await vi.waitFor(() => expect(button("Show evidence")).toBeDefined());
    store.set("selected_cluster", 0);
    await vi.waitFor(() => expect(named("Hide evidence")).not.toBeNull());
    named("Hide evidence").click();
    await vi.waitFor(() => expect(find("figure.ncut-evidence")).toBeNull());
    button("Show evidence").click();
    await vi.waitFor(() => expect(find("figure.ncut-evidence")).not.toBeNull());
    expect(requests().filter((name) => name.startsWith("evidence"))).toHaveLength(1);
  });
});

describe("an exported file", () => {
  it("offers only the included attributions", async () => {
    const { named, button, values, find } = await shown({ ...IN_FILE, selected_cluster: 1, selection: [3], objects: [CUP] });
    expect(values()).toEqual(["+60.0", "+30.0", "−10.0"]);
    expect([...named("Target").querySelectorAll("option")].map(({ textContent }) => textContent)).toEqual(["Cluster 0", "Cluster 1"]);
    expect(named("Method")).toBeNull();
    expect(button("Show evidence")).toBeUndefined();
    expect(find("[role=alert]")).toBeNull();
  });

  it("reports missing attributions", async () => {
    const { root, store, values } = await shown({ ...IN_FILE, selected_cluster: 1 }, { missing: ["attribution/gradient/clusters/4"] });
    store.set("n_clusters", 4);
    await vi.waitFor(() => expect(root.textContent).toContain("The attribution of Cluster 1 is not included in this file."));
    store.set("n_clusters", 2);
    await vi.waitFor(() => expect(values()[0]).toBe("+60.0"));
    expect(root.querySelector("[role=alert]")).toBeNull();
  });

  it("offers the included numbers of clusters", async () => {
    const meta = { ...IN_FILE.meta, cluster_counts: [2, 3, 4], traced_counts: [2] };
    const { root, store, button, values } = await shown({ ...IN_FILE, meta, selected_cluster: 1 }, { missing: ["attribution/gradient/clusters/4"] });
    store.set("n_clusters", 4);
    await vi.waitFor(() => expect(root.textContent).toContain("This file includes attributions for 2 clusters, not 4."));
    button("Show 2 clusters").click();
    await vi.waitFor(() => expect(values()[0]).toBe("+60.0"));
    expect(store.get("n_clusters")).toBe(2);
  });

  it("marks channels without a map and does not show them", async () => {
    const { row, enter, store, root } = await shown({ ...IN_FILE, selected_cluster: 1 }, { missing: ["channel_map/1", "channel_ranges"] });
    enter(row(1));
    await vi.waitFor(() => expect(row(1).getAttribute("aria-label")).toContain("not included in this file"));
    expect(store.get("hovered_channel")).toBeNull();
    row(1).click();
    enter(row(0));
    await vi.waitFor(() => expect(store.get("hovered_channel")).toBe(0));
    expect(store.get("pinned_channels")).toEqual([]);
    expect(root.querySelector("[role=alert]")).toBeNull();
  });
});
