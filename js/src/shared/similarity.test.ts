import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/similarity.json" with { type: "json" };
import { embeddingFromRows, rowOf } from "./embedding.ts";
import { cosine, heatmap, quantileInPlace, calibratedSimilarity } from "./similarity.ts";

describe("heatmap", () => {
  const embedding = embeddingFromRows(Float32Array.from(vectors.eigenvectors.flat()), vectors.eigenvectors[0]!.length);

  it.each(vectors.cases)("agrees with Python for node $node, gamma $gamma", ({ node, gamma, heatmap: expected }) => {
    const found = heatmap(embedding, node, gamma);
    for (let i = 0; i < expected.length; i++) expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(1e-4);
  });

  it("is 1 everywhere if all nodes are equal", () => {
    const same = new Float32Array(12).fill(0.5);
    expect([...heatmap(embeddingFromRows(same, 3), 1)]).toEqual([1, 1, 1, 1]);
  });

  it("highlights only rare nodes if all others are equal", () => {
    const rare = new Float32Array(400).fill(1);
    rare.set([1, -1], 0);
    const found = heatmap(embeddingFromRows(rare, 2), 0);
    expect(found[0]).toBe(1);
    expect(found.slice(1).every((value) => value === 0)).toBe(true);
  });

  it("gives zero rows a similarity of 0", () => {
    const some = embeddingFromRows(Float32Array.from([1, 0, 0, 0, 0, 2]), 2);
    expect([...cosine(some, rowOf(some, 0))]).toEqual([1, 0, 0]);
  });

  it("stays finite and selective for a large gamma", () => {
    const found = heatmap(embedding, 3, 10);
    expect(found.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(found[3]).toBe(1);
    expect(Math.min(...found)).toBe(0);
  });
});

describe("calibratedSimilarity", () => {
  it("is the unclamped heatmap, independent of the prompt's norm", () => {
    const embedding = embeddingFromRows(Float32Array.from(vectors.eigenvectors.flat()), vectors.eigenvectors[0]!.length);
    const prompt = rowOf(embedding, 2).map((value) => 7 * value);
    const found = calibratedSimilarity(embedding, prompt);
    expect(Math.max(...found)).toBeGreaterThan(1);
    const cut = heatmap(embedding, 2);
    for (let i = 0; i < cut.length; i++) expect(Math.min(1, Math.max(0, found[i]!))).toBeCloseTo(cut[i]!, 5);
  });
});

describe("quantileInPlace", () => {
  it("interpolates between order statistics", () => {
    const numbers = Array.from({ length: 501 }, (_, i) => Math.sin(i * 12.9898) * 100);
    const sorted = [...numbers].sort((a, b) => a - b);
    for (const q of [0, 0.01, 0.25, 0.5, 0.993, 1]) {
      const position = q * 500;
      const low = Math.floor(position);
      const expected = sorted[low]! + (position - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
      expect(quantileInPlace(Float32Array.from(numbers), q)).toBeCloseTo(expected, 4);
    }
  });

  it("handles many equal values", () => {
    expect(quantileInPlace(new Float32Array(10_000).fill(3), 0.99)).toBe(3);
  });
});
