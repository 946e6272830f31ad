import { describe, expect, it } from "vitest";
import { PatchGrid } from "../../shared/geometry.ts";
import type { MaskObject } from "../../shared/types.ts";
import { attributionRequest, evidenceRequest, nodesOfImage, paintRegions } from "./targets.ts";

const INPUTS = { count: 4, nodes: [], mask: null, embedding: 2 };

describe("a request", () => {
  it("about a cluster is one about all of them, of which it is a row", () => {
    const one = attributionRequest({ kind: "cluster", id: 1 }, "gradient", INPUTS);
    const other = attributionRequest({ kind: "cluster", id: 3 }, "gradient", INPUTS);
    expect(one).toMatchObject({ name: "attribution/gradient/clusters/4", params: null, row: 1 });
    expect([other.key, other.row]).toEqual([one.key, 3]);
  });

  it("about merged clusters is one about their nodes", () => {
    const merged = attributionRequest({ kind: "cluster", id: 1 }, "ablation", { ...INPUTS, nodes: [3, 4] });
    expect(merged).toMatchObject({ name: "attribution/ablation/nodes", params: { nodes: [3, 4] }, row: 0 });
    expect(evidenceRequest({ kind: "cluster", id: 1 }, "ablation", { ...INPUTS, nodes: [3, 4] }).name).toBe("evidence/ablation/nodes");
  });

  it("about a mask names it so that any name will do", () => {
    const target = { kind: "mask", name: "cup / red" } as const;
    expect(attributionRequest(target, "gradient", INPUTS).name).toBe("attribution/gradient/mask/cup%20%2F%20red");
  });

  it("is another one when what it is about has changed", () => {
    const mask = { kind: "mask", name: "cup" } as const;
    const key = (more: object, target: Parameters<typeof attributionRequest>[0] = mask) =>
      attributionRequest(target, "gradient", { ...INPUTS, ...more }).key;
    const maskOf = (threshold: number, source = "a") => ({ mask: { source, objects: [{ name: "cup", threshold } as MaskObject] } });
    expect(key(maskOf(0.5))).not.toBe(key(maskOf(0.6)));
    expect(key(maskOf(0.5))).not.toBe(key(maskOf(0.5, "b")));
    expect(attributionRequest(mask, "gradient", { ...INPUTS, ...maskOf(0.5) }).params).toEqual(maskOf(0.5).mask);
    expect(key({ embedding: 3 })).not.toBe(key({}));
    expect(key({ nodes: [1] }, { kind: "pinned" })).not.toBe(key({ nodes: [2] }, { kind: "pinned" }));
  });

  it("for evidence is about one cluster", () => {
    const request = evidenceRequest({ kind: "cluster", id: 3 }, "abs_gradient", INPUTS);
    expect(request.name).toBe("evidence/abs_gradient/clusters/4/3");
    expect(request.key).not.toBe(evidenceRequest({ kind: "cluster", id: 2 }, "abs_gradient", INPUTS).key);
  });
});

describe("the region", () => {
  it("of an image is its patches under the source", () => {
    const grid = new PatchGrid({
      maps: [{ image: 0, rows: 1, columns: 2, source: "a" }, { image: 1, rows: 2, columns: 2, source: "a" }],
    });
    expect(nodesOfImage(grid, 1, "a")).toEqual([2, 3, 4, 5]);
    expect(nodesOfImage(grid, 1, "b")).toEqual([]);
  });

  it("is painted in the target's colour, the rest is clear", () => {
    const colors = paintRegions([
      { nodes: Uint8Array.of(1, 1, 0), color: "#ff0000" }, { nodes: Uint8Array.of(0, 1, 0), color: "#0102fe" },
    ], 3);
    expect([...colors]).toEqual([255, 0, 0, 255, 1, 2, 254, 255, 0, 0, 0, 0]);
  });
});
