import { describe, expect, it } from "vitest";
import type { MaskObject } from "../../shared/types.ts";
import { attributionRequest, evidenceRequest } from "./targets.ts";

const INPUTS = { count: 4, nodes: [], mask: null, embedding: 2 };

describe("request", () => {
  it("covers all clusters; the target is a row of the result", () => {
    const one = attributionRequest({ kind: "cluster", id: 1 }, "gradient", INPUTS);
    const other = attributionRequest({ kind: "cluster", id: 3 }, "gradient", INPUTS);
    expect(one).toMatchObject({ name: "attribution/gradient/clusters/4", params: null, row: 1 });
    expect([other.key, other.row]).toEqual([one.key, 3]);
  });

  it("sends the nodes of merged clusters", () => {
    const merged = attributionRequest({ kind: "cluster", id: 1 }, "ablation", { ...INPUTS, nodes: [3, 4] });
    expect(merged).toMatchObject({ name: "attribution/ablation/nodes", params: { nodes: [3, 4] }, row: 0 });
    expect(evidenceRequest({ kind: "cluster", id: 1 }, "ablation", { ...INPUTS, nodes: [3, 4] }).name).toBe("evidence/ablation/nodes");
  });

  it("encodes the name of a mask", () => {
    const target = { kind: "mask", name: "cup / red" } as const;
    expect(attributionRequest(target, "gradient", INPUTS).name).toBe("attribution/gradient/mask/cup%20%2F%20red");
  });

  it("has a key that depends on all inputs", () => {
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

  it("for evidence covers one cluster", () => {
    const request = evidenceRequest({ kind: "cluster", id: 3 }, "abs_gradient", INPUTS);
    expect(request.name).toBe("evidence/abs_gradient/clusters/4/3");
    expect(request.key).not.toBe(evidenceRequest({ kind: "cluster", id: 2 }, "abs_gradient", INPUTS).key);
  });
});
