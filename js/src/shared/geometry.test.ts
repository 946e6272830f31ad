import { describe, expect, it } from "vitest";
import { PatchGrid, justify } from "./geometry.ts";

const grid = new PatchGrid({
  maps: [
    { image: 0, rows: 2, columns: 3, source: "a" },
    { image: 1, rows: 4, columns: 1, source: "a" },
    { image: 0, rows: 1, columns: 2, source: "b" },
  ],
});

describe("PatchGrid", () => {
  it("locates every node at its position", () => {
    for (let node = 0; node < grid.nodes; node++) {
      const patch = grid.locate(node)!;
      const box = grid.box(patch);
      expect(grid.nodeAt(patch.map, box.left + box.width / 2, box.top + box.height / 2)).toBe(node);
    }
  });

  it("numbers nodes map by map, row by row", () => {
    expect(grid.locate(5)).toEqual({ map: 0, image: 0, row: 1, column: 2, source: "a" });
    expect(grid.locate(6)).toEqual({ map: 1, image: 1, row: 0, column: 0, source: "a" });
    expect(grid.locate(11)).toEqual({ map: 2, image: 0, row: 0, column: 1, source: "b" });
    expect(grid.locate(12)).toBeNull();
    expect(grid.locate(-1)).toBeNull();
  });

  it("lists the nodes of a map", () => {
    expect(grid.nodesOf(1)).toEqual([6, 7, 8, 9]);
    expect(grid.nodesOf(grid.find(1, "b"))).toEqual([]);
  });

  it("returns null outside an image", () => {
    expect(grid.nodeAt(0, 1, 0.5)).toBeNull();
    expect(grid.nodeAt(0, 0.5, -0.01)).toBeNull();
  });

  it("steps within an image, clamped at its edges", () => {
    expect(grid.step(0, 1, 0)).toBe(1);
    expect(grid.step(0, 0, 1)).toBe(3);
    expect(grid.step(5, 1, 1)).toBe(5);
    expect(grid.step(6, -1, 0)).toBe(6);
  });

  it("finds the map of an image under a source", () => {
    expect(grid.find(0, "b")).toBe(2);
    expect(grid.find(1, "b")).toBe(-1);
    expect(grid.sources).toEqual(["a", "b"]);
  });
});

describe("justify", () => {
  const aspects = [1.5, 0.7, 1, 2, 1.3, 0.5, 1.8, 1];

  it("keeps all images in order with their aspect ratios", () => {
    const { tiles } = justify(aspects, 700, 150, 4);
    expect(tiles.map((tile) => tile.image)).toEqual(aspects.map((_, i) => i));
    for (const tile of tiles) expect(tile.width / tile.height).toBeCloseTo(aspects[tile.image]!);
  });

  it("fills the width in every row except the last", () => {
    const { tiles, height } = justify(aspects, 700, 150, 4);
    const rows = new Map<number, typeof tiles>();
    for (const tile of tiles) rows.set(tile.y, [...(rows.get(tile.y) ?? []), tile]);
    const last = Math.max(...rows.keys());
    for (const [y, row] of rows) {
      const end = row.at(-1)!;
      if (y === last) expect(end.x + end.width).toBeLessThanOrEqual(700.001);
      else expect(end.x + end.width).toBeCloseTo(700);
    }
    expect(last + tiles.at(-1)!.height).toBeCloseTo(height);
  });

  it("limits a panorama to the width", () => {
    const { tiles } = justify([1, 12, 1], 400, 100, 4);
    for (const tile of tiles) expect(tile.x + tile.width).toBeLessThanOrEqual(400.001);
  });

  it("does not stretch a single image", () => {
    expect(justify([1], 1000, 120, 4).tiles[0]!.height).toBe(120);
  });
});
