import { describe, expect, it, vi } from "vitest";
import type { SessionState } from "../../shared/types.ts";
import { META, type Arrays, IMAGE_ARRAYS, clusterArrays, column, fakeSession, sessionState } from "../../testing/session.ts";
import { userActions, imagesShown, mountView, onPage } from "../../testing/view.ts";
import widget from "./index.ts";

const ARRAYS: Arrays = {
  ...IMAGE_ARRAYS,
  eigenvectors: [Float32Array.from({ length: 48 }, (_, i) => {
    const angle = (column(i >> 1) * Math.PI) / 6 + (i >> 1) * 0.001;
    return i % 2 ? Math.sin(angle) : Math.cos(angle);
  }), "float32", [24, 2]],
  "parents/3": [Int16Array.of(0, 1, 0), "int16", [3]],
  "parents/4": [Int16Array.of(0, 1, 2, 1), "int16", [4]],
  // Two clusters: the left and right half; four clusters: the columns; the third is split from the first.
  ...clusterArrays({ 2: [0, 0, 1, 1], 3: [0, 2, 1, 1], 4: [0, 2, 1, 3] }),
};

onPage({ width: 600, height: 500, box: new DOMRect(0, 0, 400, 300) });

async function shown(change: Partial<SessionState> = {}) {
  const { store, kernel } = fakeSession(sessionState({ meta: { ...META, cluster_counts: [2, 3, 4] }, ...change }), ARRAYS);
  const { root } = await mountView(widget, store);
  await imagesShown(root);
  const rows = () => [...root.querySelectorAll<HTMLElement>("[role='row']")];
  await vi.waitFor(() => expect(rows().length).toBeGreaterThan(0));
  const actions = userActions(root);
  const row = (id: number) => actions.find(`[data-cluster='${id}']`);
  const names = () => rows().map((one) => one.querySelector(".ncut-cluster-name")!.textContent);
  const press = (label: string) => actions.named(label).click();
  /** Alpha of the first row of patches in an image or another canvas. */
  const opacity = (image = 0, selector = `[data-image='${image}'] canvas`) => actions.overlay(4, selector).map(([, , , alpha]) => alpha);
  return { root, store, kernel, ...actions, rows, row, names, press, opacity };
}

describe("legend", () => {
  it("has a row for each cluster with name, color and share", async () => {
    const { rows, names, row } = await shown({ n_clusters: 4, cluster_names: { 3: "wall" } });
    expect(names()).toEqual(["Cluster 0", "Cluster 1", "Cluster 2", "wall"]);
    expect(rows().map((one) => one.querySelector(".ncut-share")!.textContent)).toEqual(Array(4).fill("25.0 %"));
    expect(row(1).querySelector<HTMLElement>(".ncut-swatch")!.style.getPropertyValue("--swatch")).toBe("#465a6e");
  });

  it("follows the slider and deselects missing clusters", async () => {
    const { named, input, names, store } = await shown({ n_clusters: 4, selected_cluster: 3 });
    input(named<HTMLInputElement>("Number of clusters"), 1);
    expect(store.get("n_clusters")).toBe(3);
    expect(store.get("selected_cluster")).toBeNull();
    await vi.waitFor(() => expect(names()).toEqual(["Cluster 0", "Cluster 1", "Cluster 2"]));
  });

  it("selects and deselects by clicks", async () => {
    const { row, store, opacity } = await shown();
    row(1).click();
    expect(store.get("selected_cluster")).toBe(1);
    await vi.waitFor(() => expect(row(1).getAttribute("aria-selected")).toBe("true"));
    await vi.waitFor(() => expect(opacity()).toEqual([70, 70, 255, 255]));
    row(1).click();
    expect(store.get("selected_cluster")).toBeNull();
  });

  it("renames with F2 and Enter, and cancels on Escape", async () => {
    const { row, find, key, store } = await shown();
    const type = async (text: string, end: string) => {
      key(row(0), "F2");
      const field = await vi.waitFor(() => {
        const input = find<HTMLInputElement>("[type='text']");
        expect(input).not.toBeNull();
        return input;
      });
      field.value = text;
      key(field, end);
      await vi.waitFor(() => expect(find("[type='text']")).toBeNull());
    };
    await type("sky", "Enter");
    expect(store.get("cluster_names")).toEqual({ 0: "sky" });
    expect(document.activeElement).toBe(row(0));
    await type("sea", "Escape");
    expect(store.get("cluster_names")).toEqual({ 0: "sky" });
    await type("", "Enter");
    expect(store.get("cluster_names")).toEqual({});
  });

  it("renames by double click and keeps default names unset", async () => {
    const { row, find, store } = await shown();
    row(1).querySelector(".ncut-cluster-name")!.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    await vi.waitFor(() => expect(find("[type='text']")).not.toBeNull());
    find("[type='text']").dispatchEvent(new Event("blur"));
    await vi.waitFor(() => expect(find("[type='text']")).toBeNull());
    expect(store.get("cluster_names")).toEqual({});
  });

  it("hides, solos and shows clusters", async () => {
    const { press, find, store, opacity } = await shown();
    press("Hide Cluster 0");
    expect(store.get("hidden_clusters")).toEqual([0]);
    await vi.waitFor(() => expect(opacity()).toEqual([0, 0, 255, 255]));
    press("Show only Cluster 0");
    expect(store.get("hidden_clusters")).toEqual([1, 2, 3]);
    await vi.waitFor(() => expect(find("[aria-label='Show only Cluster 0']").getAttribute("aria-pressed")).toBe("true"));
    [...find(".ncut-legend-actions").querySelectorAll("button")].at(-1)!.click();
    expect(store.get("hidden_clusters")).toEqual([]);
  });

  it("merges checked clusters and splits them again", async () => {
    const { press, find, names, store, rows } = await shown({ n_clusters: 4, cluster_names: { 2: "arm" } });
    const merge = find(".ncut-legend-actions button");
    merge.click();
    press("Check arm");
    press("Check Cluster 1");
    await vi.waitFor(() => expect(merge.textContent).toBe("Merge 2"));
    merge.click();
    expect(store.get("cluster_groups")).toEqual([[1, 2]]);
    await vi.waitFor(() => expect(names()).toEqual(["Cluster 0", "arm", "Cluster 3"]));
    expect(rows()[1]!.querySelector(".ncut-share")!.textContent).toBe("50.0 %");
    press("Split arm");
    await vi.waitFor(() => expect(rows()).toHaveLength(4));
    expect(store.get("cluster_groups")).toEqual([]);
  });

  it("is navigated by arrow keys", async () => {
    const { row, key, store } = await shown();
    expect([row(0).tabIndex, row(1).tabIndex]).toEqual([0, -1]);
    row(0).focus();
    key(row(0), "ArrowDown");
    expect(document.activeElement).toBe(row(1));
    key(row(1), "ArrowRight");
    expect(document.activeElement).toBe(row(1).querySelector(".ncut-swatch"));
    key(document.activeElement!, "ArrowLeft");
    key(row(1), "Enter");
    expect(store.get("selected_cluster")).toBe(1);
    key(row(1), "h");
    expect(store.get("hidden_clusters")).toEqual([1]);
    key(row(1), "S");
    expect(store.get("hidden_clusters")).toEqual([0, 2, 3]);
  });

  it("shows which cluster a cluster was split from", async () => {
    const { row, kernel } = await shown({ n_clusters: 3, cluster_names: { 0: "cup" } });
    expect(row(2).title).not.toContain("cup");
    row(2).dispatchEvent(new Event("pointerenter"));
    await vi.waitFor(() => expect(row(2).title).toContain("Split from cup at 3 clusters"));
    expect(kernel.names(/^parents/)).toEqual(["parents/3"]);
  });

  it("highlights the region of the hovered row", async () => {
    const { row, find, opacity } = await shown();
    row(0).dispatchEvent(new Event("pointerenter"));
    await vi.waitFor(() => expect(opacity(1)).toEqual([255, 255, 70, 70]));
    find("[role='grid']").dispatchEvent(new Event("pointerleave"));
    await vi.waitFor(() => expect(opacity(1)).toEqual([255, 255, 255, 255]));
  });
});

describe("images", () => {
  it("always show clusters; using the panel switches all views", async () => {
    const { root, store, find } = await shown({ layer: "eigenvector", selection: [3] });
    expect(root.dataset.shows).toBe("clusters");
    expect(store.get("layer")).toBe("eigenvector");
    find(".ncut-rows").dispatchEvent(new Event("pointerdown", { bubbles: true }));
    expect([store.get("layer"), store.get("selection")]).toEqual(["clusters", []]);
  });

  it("select a cluster by a click, and check it with Shift", async () => {
    const { clickPatch, store, find } = await shown();
    clickPatch(1, 3);
    expect(store.get("selected_cluster")).toBe(1);
    clickPatch(0, 2);
    expect(store.get("selected_cluster")).toBeNull();
    clickPatch(0, 0, { shiftKey: true });
    expect(store.get("selected_cluster")).toBeNull();
    await vi.waitFor(() => expect(find<HTMLInputElement>("[aria-label='Check Cluster 0']").checked).toBe(true));
  });

  it("handle the keys of the legend at the hovered patch", async () => {
    const { find, key, store } = await shown({ hover: 2 });
    key(find(".ncut-tiles"), "Enter");
    expect(store.get("selected_cluster")).toBe(1);
    key(find(".ncut-tiles"), "h");
    expect(store.get("hidden_clusters")).toEqual([1]);
  });

  it("draw borders, except between hidden clusters", async () => {
    const { find, store } = await shown({ n_clusters: 4 });
    const path = () => find("[data-image='0'] .ncut-line")?.getAttribute("d");
    expect(path()).toBe("M1 0V3M2 0V3M3 0V3");
    store.set("hidden_clusters", [1, 3]);
    await vi.waitFor(() => expect(path()).toBe("M1 0V3M2 0V3"));
    const check = [...find(".ncut-bar").querySelectorAll("label")].find((label) => label.textContent === "Borders")!;
    check.querySelector("input")!.click();
    await vi.waitFor(() => expect(path()).toBeUndefined());
  });

  it("clear the selection, then the checkboxes, on Escape", async () => {
    const { root, key, press, clickPatch, store, find } = await shown();
    press("Check Cluster 0");
    clickPatch(0, 0);
    key(root, "Escape");
    expect(store.get("selected_cluster")).toBeNull();
    await vi.waitFor(() => expect(find<HTMLInputElement>("[aria-label='Check Cluster 0']").checked).toBe(true));
    key(root, "Escape");
    await vi.waitFor(() => expect(find<HTMLInputElement>("[aria-label='Check Cluster 0']").checked).toBe(false));
  });
});

describe("levels", () => {
  const highlighted = ({ opacity }: Awaited<ReturnType<typeof shown>>, level: number) =>
    opacity(0, `[data-level='${level}'] canvas`).map((alpha) => alpha === 0);

  it("are fetched when a patch is hovered", async () => {
    const view = await shown({ n_clusters: 3, cluster_names: { 1: "wall" } });
    const { store, kernel, find } = view;
    expect(kernel.names(/^labels/)).toEqual(["labels/3"]);
    store.set("hover", 3);
    await vi.waitFor(() => expect(highlighted(view, 4)).toEqual([false, false, false, true]));
    expect(highlighted(view, 3)).toEqual([false, false, true, true]);
    expect(highlighted(view, 2)).toEqual([false, false, true, true]);
    expect(find("[data-level='3']").getAttribute("aria-label")).toBe("3 clusters: wall");
    expect(find("[data-level='3']").getAttribute("aria-current")).toBe("true");
    expect(kernel.names(/^labels/).sort()).toEqual(["labels/2", "labels/3", "labels/4"]);
  });

  it("show the region of a tapped patch", async () => {
    const view = await shown();
    view.clickPatch(2, 1);
    await vi.waitFor(() => expect(highlighted(view, 4)).toEqual([false, true, false, false]));
  });

  it("stay after the pointer leaves, and switch the count", async () => {
    const { store, find } = await shown();
    store.set("hover", 1);
    await vi.waitFor(() => expect(find("[data-level='4']")).not.toBeNull());
    store.set("hover", null);
    find("[data-level='4']").click();
    expect(store.get("n_clusters")).toBe(4);
    await vi.waitFor(() => expect(find("[data-level='4']").getAttribute("aria-current")).toBe("true"));
  });
});

describe("mask from a cluster", () => {
  it("becomes the active object and is displayed until further use", async () => {
    const { press, root, store, find } = await shown({ cluster_names: { 1: "wall" } });
    press("Create a mask from wall");
    await vi.waitFor(() => expect(store.get("objects")).toHaveLength(1));
    const [object] = store.get("objects");
    expect(object).toMatchObject({ name: "wall", color: "#465a6e", visible: true, n_eig: 2 });
    expect([store.get("active_object"), store.get("layer")]).toEqual([0, "masks"]);
    await vi.waitFor(() => expect(root.dataset.shows).toBe("masks"));
    await store.prepare();
    expect([...store.masks()![0]!.nodes].map((inside, node) => inside === Number(column(node) >= 2))).not.toContain(false);
    expect(find(".ncut-legend-actions p").textContent).toContain("IoU 1.00: wall");
    find(".ncut-tiles").dispatchEvent(new Event("pointerdown", { bubbles: true }));
    await vi.waitFor(() => expect(root.dataset.shows).toBe("clusters"));
    press("Create a mask from wall");
    await vi.waitFor(() => expect(store.get("objects").map(({ name }) => name)).toEqual(["wall", "wall 2"]));
    expect(store.undo()).toBe(true);
    expect(store.get("objects")).toHaveLength(1);
  });
});
