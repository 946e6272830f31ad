import { describe, expect, it } from "vitest";
import boxes from "../../../tests/vectors/box_nodes.json" with { type: "json" };
import vectors from "../../../tests/vectors/masks.json" with { type: "json" };
import { embeddingFromRows } from "./embedding.ts";
import { PatchGrid } from "./geometry.ts";
import { boxNode, boxPrompt, dropSmallComponents, nodeAtPixel, patchesInBox } from "./masks.ts";

const { images, maps } = vectors;
const embedding = embeddingFromRows(Float32Array.from(vectors.eigenvectors.flat()), vectors.eigenvectors[0]!.length);
const grid = new PatchGrid({ maps });

describe("nodeAtPixel", () => {
  it("assigns a pixel on a border to the patch that starts there", () => {
    const [wide, map] = [{ name: "", width: 300, height: 10 }, { image: 0, rows: 1, columns: 100, source: "" }];
    const grid = new PatchGrid({ maps: [map] });
    for (let column = 0; column < 100; column++) {
      expect(nodeAtPixel(grid, 0, wide, 3 * column, 0)).toBe(column);
      expect(nodeAtPixel(grid, 0, wide, 3 * column + 2.999, 9)).toBe(column);
    }
    expect(nodeAtPixel(grid, 0, wide, 300, 0)).toBeNull();
  });
});

describe("patchesInBox", () => {
  const map = { image: 0, rows: 4, columns: 6, source: "" };
  const size = { name: "", width: 60, height: 40 };

  it("selects patches whose centers are inside", () => {
    expect(patchesInBox({ x0: 5, y0: 5.1, x1: 25, y1: 40 }, map, size)).toEqual({ rows: [1, 4], columns: [0, 2] });
  });

  it("selects the patch at the center of a small box", () => {
    expect(patchesInBox({ x0: 56, y0: 31, x1: 60, y1: 34 }, map, size)).toEqual({ rows: [3, 4], columns: [5, 6] });
  });
});

describe("boxNode", () => {
  const map = { image: 0, rows: 3, columns: 4, source: "" };
  // One row of another map comes first, so that rows of the map differ from rows of the nodes.
  const places = new PatchGrid({ maps: [{ ...map, rows: 1 }, map] });
  /** Background everywhere except for some nodes of the map. */
  const scene = (others: Record<number, [number, number]>) => embeddingFromRows(
    Float32Array.from(Array.from({ length: 16 }, (_, node) => others[node - 4] ?? [1, 0]).flat()), 2);

  it("is the node most similar to the box prompt", () => {
    const range = { rows: [1, 3], columns: [1, 3] } as const;
    expect(boxNode(scene({ 9: [0.1, 1], 10: [0, 2], 3: [0, 1] }), places, 1, range)).toBe(4 + 10);
  });

  it.each(boxes.cases)("matches Python: node $node", ({ image, source, node, ...box }) => {
    const map = grid.find(image, source);
    expect(boxNode(embedding, grid, map, patchesInBox(box, maps[map]!, images[image]!))).toBe(node);
  });

  it("is the first one in a tie, also in plain background", () => {
    const range = { rows: [1, 3], columns: [1, 4] } as const;
    expect(boxNode(scene({ 6: [0, 1], 9: [0, 1], 3: [0, 1] }), places, 1, range)).toBe(4 + 6);
    expect(boxNode(scene({}), places, 1, range)).toBe(4 + 5);
  });
});

describe("boxPrompt", () => {
  it("suppresses the surroundings of the box", () => {
    // Two of nine patches inside are the object; the rest equals the background.
    const map = { image: 0, rows: 5, columns: 5, source: "" };
    const values = new Float32Array(50);
    for (let i = 0; i < 25; i++) values.set(i === 12 || i === 13 ? [0, 2] : [3, 0], 2 * i);
    const range = { rows: [1, 4], columns: [1, 4] } as const;
    expect([...boxPrompt(embeddingFromRows(values, 2), new PatchGrid({ maps: [map] }), 0, range)]).toEqual([0, 1]);
  });
});

describe("dropSmallComponents", () => {
  const maps = [
    { image: 0, rows: 3, columns: 4, source: "" },
    { image: 1, rows: 1, columns: 4, source: "" },
  ];
  // Three patches connected at corners, one at the end of the first map, two at the start of the second.
  const mask = [1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0];

  it.each([
    [0, mask],
    [1, mask],
    [2, [1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0]],
    [3, [1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]],
    [4, new Array(16).fill(0)],
  ])("removes components below %i patches, per map", (smallest, expected) => {
    const found = Uint8Array.from(mask);
    dropSmallComponents(found, maps, smallest);
    expect([...found]).toEqual(expected);
  });

  it("follows a winding component to its end", () => {
    const spiral = [1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1];
    const found = Uint8Array.from(spiral);
    dropSmallComponents(found, [{ image: 0, rows: 5, columns: 5, source: "" }], spiral.filter(Boolean).length);
    expect([...found]).toEqual(spiral);
  });
});
