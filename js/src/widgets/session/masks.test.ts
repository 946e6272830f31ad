import { describe, expect, it } from "vitest";
import vectors from "../../../../tests/vectors/masks.json" with { type: "json" };
import { embeddingFromRows } from "../../shared/embedding.ts";
import { PatchGrid } from "../../shared/geometry.ts";
import type { BoxPrompt, Click, MaskObject, Meta } from "../../shared/types.ts";
import { Masks, type MaskContext } from "./masks.ts";

const { images, maps } = vectors;
const embedding = embeddingFromRows(Float32Array.from(vectors.eigenvectors.flat()), vectors.eigenvectors[0]!.length);

function contextOf(source: string): MaskContext {
  return { embedding: () => embedding, grid: new PatchGrid({ maps }), meta: { images, maps } as Meta, source, kernelHeat: () => null };
}

function objectOf(change: Partial<MaskObject>): MaskObject {
  return {
    name: "thing", color: "#ff0000", visible: true, clicks: [], boxes: [], threshold: 0.5, gamma: 1, negative_threshold: 0.99,
    min_area: 0, n_eig: embedding.vectors.length, method: "similarity", click_weight: 0.5, ...change,
  };
}

describe("the masks of a session", () => {
  // One store for all cases, as on a page: cached results of one case must not affect the next.
  const shared = new Masks();

  it.each(vectors.cases.flatMap((recipe) => [
    { ...recipe, cache: "fresh", masks: () => new Masks() },
    { ...recipe, cache: "used", masks: () => shared },
  ]))("match Python: $name, $cache cache", ({ masks, cache: _, ...recipe }) => {
    const object = objectOf(recipe);
    const context = contextOf(recipe.source);
    const computed = masks();
    const { positive, negative } = computed.heat(object, context);
    for (const [found, expected] of [[positive, recipe.positive], [negative, recipe.negative]] as const) {
      if (expected === null) expect(found).toBeNull();
      else for (let i = 0; i < expected.length; i++) expect(Math.abs(found![i]! - expected[i]!)).toBeLessThan(1e-3);
    }
    const [mask] = computed.of([object], context);
    expect(mask!.nodes.join("")).toBe(recipe.mask);
  });

  it.each<[string, string, { clicks?: Click[]; boxes?: BoxPrompt[] }]>([
    ["clicks outside their image", "a", {
      clicks: [{ image: 1, x: 50, y: 3, positive: true }, { image: 1, x: 3, y: -0.1, positive: true }],
    }],
    ["a box in an image without a map", "b", { boxes: [{ image: 1, x0: 0, y0: 0, x1: 9, y1: 9, positive: true }] }],
  ])("are empty for %s", (_, source, prompts) => {
    const object = objectOf(prompts);
    const masks = new Masks();
    expect(masks.heat(object, contextOf(source))).toMatchObject({ positive: null, negative: null });
    expect(masks.of([object], contextOf(source))[0]!.nodes.some(Boolean)).toBe(false);
  });
});
