import { describe, expect, it } from "vitest";
import { cosinesOf, embeddingFromRows, leadingEigenvectors, meanDirection, rowOf } from "./embedding.ts";

const ROWS = [[3, 4, 12], [0, 2, 0], [0, 0, 0], [-1, 0, 0]];
const embedding = embeddingFromRows(Float32Array.from(ROWS.flat()), 3);

describe("embedding", () => {
  it("returns the rows it was created from, across blocks", () => {
    const n = 1000;
    const rows = Float32Array.from({ length: n * 5 }, (_, i) => Math.sin(i));
    const made = embeddingFromRows(rows, 5);
    for (const node of [0, 255, 256, 999]) expect(rowOf(made, node)).toEqual(rows.slice(node * 5, node * 5 + 5));
    expect(made.norms[700]).toBeCloseTo(Math.hypot(...rows.slice(3500, 3505)), 6);
  });

  it("clamps the norm of zero rows", () => {
    expect([...embedding.norms.subarray(0, 2)]).toEqual([13, 2]);
    expect(embedding.norms[2]).toBeGreaterThan(0);
    expect(cosinesOf(embedding, [2], rowOf(embedding, 0))).toEqual([0]);
    expect(cosinesOf(embedding, [0], rowOf(embedding, 2))).toEqual([0]);
  });

  it("computes norms of the leading eigenvectors", () => {
    expect([...leadingEigenvectors(embedding, 2).norms.subarray(0, 2)]).toEqual([5, 2]);
    expect([...rowOf(leadingEigenvectors(embedding, 2), 0)]).toEqual([3, 4]);
    expect(leadingEigenvectors(embedding, 9)).toEqual(embedding);
  });

  it("averages normalized rows with weights", () => {
    expect([...meanDirection(embedding, [1, 3])]).toEqual([-0.5, 0.5, 0]);
    expect([...meanDirection(embedding, [1, 3], [3, 1])]).toEqual([-0.25, 0.75, 0]);
    expect(cosinesOf(embedding, [1, 3], meanDirection(embedding, [1, 3]))[0]).toBeCloseTo(Math.SQRT1_2, 6);
  });
});
