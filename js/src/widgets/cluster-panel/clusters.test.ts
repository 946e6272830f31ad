import { describe, expect, it } from "vitest";
import type { Clusters } from "../../shared/types.ts";
import {
  firstCount, isSolo, merged, previewCounts, regionOf, renamed, legendRows, displayId, hiddenForSolo, split, toggled,
} from "./clusters.ts";

const CLUSTERS: Clusters = {
  count: 4,
  labels: Uint8Array.of(0, 0, 0, 1, 1, 3, 0, 0),
  colors: Uint8Array.of(255, 0, 0, 0, 10, 0, 0, 0, 9, 1, 2, 3),
  sizes: Uint32Array.of(5, 2, 0, 1),
};
const NO_LABEL = { cluster_names: {}, hidden_clusters: [], cluster_groups: [], selected_cluster: null };

describe("legend rows", () => {
  it("have name, color and share of each non-empty cluster, by id", () => {
    const rows = legendRows(CLUSTERS, { ...NO_LABEL, cluster_names: { 1: "sky" }, hidden_clusters: [3] });
    expect(rows.map(({ id, name, color, share, hidden }) => [id, name, color, share, hidden])).toEqual([
      [0, "Cluster 0", "#ff0000", 0.625, false],
      [1, "sky", "#000a00", 0.25, false],
      [3, "Cluster 3", "#010203", 0.125, true],
    ]);
  });

  it("list the merged clusters that exist at this count", () => {
    const rows = legendRows(CLUSTERS, { ...NO_LABEL, cluster_groups: [[0, 2, 3, 9], [1, 7]] });
    expect(rows.map(({ members }) => members)).toEqual([[0, 2, 3], [1], [0, 2, 3]]);
  });
});

describe("cluster names", () => {
  it("are trimmed; an empty name restores the default", () => {
    expect(renamed({ 2: "sea" }, 1, "  sky ")).toEqual({ 1: "sky", 2: "sea" });
    expect(renamed({ 1: "sky", 2: "sea" }, 1, " ")).toEqual({ 2: "sea" });
  });
});

describe("hidden clusters", () => {
  const rows = (hidden: number[]) => legendRows(CLUSTERS, { ...NO_LABEL, hidden_clusters: hidden });

  it("are toggled individually", () => {
    expect(toggled([3, 5], 4)).toEqual([3, 4, 5]);
    expect(toggled([3, 5], 3)).toEqual([5]);
  });

  it("are all others in solo mode, also at higher counts", () => {
    const hidden = hiddenForSolo(rows([]), 1, 6, [[1, 4]]);
    expect(hidden).toEqual([0, 2, 3, 5]);
    expect(isSolo(rows(hidden), 1)).toBe(true);
    expect(isSolo(rows(hidden), 0)).toBe(false);
    expect(hiddenForSolo(rows(hidden), 1, 6, [[1, 4]])).toEqual([]);
  });

  it("do not change for a single cluster", () => {
    expect(isSolo(rows([]).slice(0, 1), 0)).toBe(false);
  });
});

describe("merging", () => {
  it("includes earlier merges and the selection", () => {
    const state = { ...NO_LABEL, cluster_groups: [[1, 4], [2, 6]], selected_cluster: 5 };
    expect(merged([1, 5], state)).toEqual({ ...NO_LABEL, cluster_groups: [[2, 6], [1, 4, 5]], selected_cluster: 1 });
    expect(merged([5, 3], { ...state, selected_cluster: 2 }).selected_cluster).toBe(2);
  });

  it("keeps the first custom name; hides only fully hidden groups", () => {
    const state = { ...NO_LABEL, cluster_names: { 5: "hand", 7: "arm" }, hidden_clusters: [1, 5, 8] };
    expect(merged([7, 5, 1], state)).toMatchObject({
      cluster_names: { 1: "hand", 5: "hand", 7: "arm" }, hidden_clusters: [8],
    });
    expect(merged([5, 1], state).hidden_clusters).toEqual([1, 8]);
  });

  it("can be reverted, with parts hidden like the whole", () => {
    const state = { ...NO_LABEL, cluster_groups: [[1, 4], [2, 6]], hidden_clusters: [2] };
    expect(split(2, state)).toEqual({ cluster_groups: [[1, 4]], hidden_clusters: [2, 6] });
    expect(split(1, state)).toEqual({ cluster_groups: [[2, 6]], hidden_clusters: [2] });
  });
});

describe("levels", () => {
  it("are the available powers of two and the current count", () => {
    expect(previewCounts([2, 3, 4, 5, 6, 7, 8], 5)).toEqual([2, 4, 5, 8]);
    expect(previewCounts([1], 1)).toEqual([1]);
  });

  it("start at the first count with the cluster", () => {
    expect([0, 1, 2, 5, 9].map((id) => firstCount(id, [2, 4, 8]))).toEqual([2, 2, 4, 8, undefined]);
  });

  it("show the region of a patch, with merged clusters as one", () => {
    const labels = Uint8Array.of(1, 1, 0, 1, 2, 0);
    expect([...regionOf(labels, 3, 2, 6, [])]).toEqual([0, 1, 0, 0]);
    expect([...regionOf(labels, 3, 2, 6, [[1, 2]])]).toEqual([0, 1, 1, 0]);
    expect(displayId(2, [[1, 2]])).toBe(1);
    expect(displayId(3, [[1, 2]])).toBe(3);
  });
});
