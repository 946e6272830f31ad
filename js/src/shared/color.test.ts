import { describe, expect, it } from "vitest";
import { hexToRgb, paintClusters, paintRegions, rgbToHex } from "./color.ts";
import type { Clusters } from "./types.ts";

describe("hex colors", () => {
  it("round-trip to RGB", () => {
    expect(hexToRgb("#0102fe")).toEqual([1, 2, 254]);
    expect(rgbToHex(Uint8Array.of(9, 9, 9, 1, 2, 254), 1)).toBe("#0102fe");
  });
});

describe("paintRegions", () => {
  it("paints later regions on top and leaves the rest transparent", () => {
    const colors = paintRegions([
      { nodes: Uint8Array.of(1, 1, 0), color: "#ff0000" }, { nodes: Uint8Array.of(0, 1, 0), color: "#0102fe" },
    ], 3);
    expect([...colors]).toEqual([255, 0, 0, 255, 1, 2, 254, 255, 0, 0, 0, 0]);
  });
});

describe("paintClusters", () => {
  const CLUSTERS: Clusters = {
    count: 4,
    labels: Uint8Array.of(0, 0, 0, 1, 1, 3, 0, 0),
    colors: Uint8Array.of(255, 0, 0, 0, 10, 0, 0, 0, 9, 1, 2, 3),
    sizes: Uint32Array.of(5, 2, 0, 1),
  };
  const alpha = (hidden: number[], selected: number | null) =>
    [0, 3, 5].map((node) => paintClusters(CLUSTERS, hidden, selected)[4 * node + 3]!);

  it("paints each cluster in its color and hides hidden ones", () => {
    expect([...paintClusters(CLUSTERS, [], null).slice(12, 16)]).toEqual([0, 10, 0, 255]);
    expect(alpha([1], null)).toEqual([255, 0, 255]);
  });

  it("fades all but the selected cluster, if it exists", () => {
    const [selected, other, hidden] = alpha([3], 0);
    expect([selected, hidden]).toEqual([255, 0]);
    expect(other).toBeGreaterThan(0);
    expect(other).toBeLessThan(128);
    expect(alpha([], 2)).toEqual([255, 255, 255]);
  });
});
