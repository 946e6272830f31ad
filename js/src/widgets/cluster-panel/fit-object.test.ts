import { expect, test } from "vitest";
import { embeddingFromRows } from "../../shared/embedding.ts";
import { PatchGrid } from "../../shared/geometry.ts";
import type { MapMeta, MaskObject, Meta } from "../../shared/types.ts";
import { Masks } from "../session/masks.ts";
import { fitObject } from "./fit-object.ts";

const SIDE = 24;
const APPEARANCE = { name: "thing", color: "#123456" };
const IMAGES = [{ name: "one", width: 120, height: 90 }, { name: "two", width: 60, height: 60 }];
const MAPS: MapMeta[] = IMAGES.map((_, image) => ({ image, rows: SIDE, columns: SIDE, source: "a" }));

/** Directions that fan out over each image, and the angle in degrees between two nodes. */
function fan(maps = MAPS) {
  const grid = new PatchGrid({ maps });
  const values = new Float32Array(grid.nodes * 3);
  for (let node = 0; node < grid.nodes; node++) {
    const { row, column } = grid.locate(node)!;
    const [x, y] = [(column - SIDE / 2) / SIDE, (row - SIDE / 2) / SIDE];
    values.set([x, y, 0.5].map((v) => v / Math.hypot(x, y, 0.5)), node * 3);
  }
  const angle = (node: number, to: number) => {
    const dot = [0, 1, 2].reduce((sum, k) => sum + values[node * 3 + k]! * values[to * 3 + k]!, 0);
    return (Math.acos(Math.min(1, dot)) * 180) / Math.PI;
  };
  return { grid, embedding: embeddingFromRows(values, 3), angle, around: { grid, images: IMAGES, source: "a" } };
}

const at = (row: number, column: number) => row * SIDE + column;

function labeled(n: number, wanted: (node: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: n }, (_, node) => Number(wanted(node)));
}

/** The mask that the session computes for an object. */
function maskOfObject(object: MaskObject, { grid, embedding, around }: ReturnType<typeof fan>): Uint8Array {
  const [mask] = new Masks().of([object], {
    embedding: () => embedding, grid, meta: { images: IMAGES } as Meta, source: around.source, kernelHeat: () => null,
  });
  return mask!.nodes;
}

test("a round cluster becomes one click at its center", () => {
  const space = fan();
  const labels = labeled(space.grid.nodes, (node) => space.angle(node, at(12, 12)) < 18);
  const { object, iou } = fitObject(labels, 1, space.embedding, space.around, APPEARANCE)!;
  expect(iou).toBeGreaterThan(0.95);
  expect(object).toMatchObject({ ...APPEARANCE, visible: true, boxes: [], method: "similarity", gamma: 1 });
  expect(object.clicks).toEqual([{ image: 0, x: 12.5 / SIDE * 120, y: 12.5 / SIDE * 90, positive: true }]);
  const mask = maskOfObject(object, space);
  const both = mask.reduce((sum, one, i) => sum + Number(one && labels[i]), 0);
  const either = mask.reduce((sum, one, i) => sum + Number(one || labels[i]), 0);
  expect(both / either).toBeCloseTo(iou, 6);
});

test("a cluster of two parts gets a click in each", () => {
  const space = fan();
  const parts = [at(12, 3), at(12, 21)];
  const labels = labeled(space.grid.nodes, (node) => parts.some((middle) => space.angle(node, middle) < 9));
  const { object, iou } = fitObject(labels, 1, space.embedding, space.around, APPEARANCE)!;
  expect(iou).toBeGreaterThan(0.85);
  const sides = object.clicks.filter(({ positive }) => positive).map(({ image, x }) => x > IMAGES[image]!.width / 2);
  expect(new Set(sides)).toEqual(new Set([true, false]));
});

test("a hole gets a negative click", () => {
  const space = fan();
  const hole = at(12, 18);
  const labels = labeled(space.grid.nodes, (node) => space.angle(node, at(12, 12)) < 32 && space.angle(node, hole) > 6);
  const { object, iou } = fitObject(labels, 1, space.embedding, space.around, APPEARANCE)!;
  expect(iou).toBeGreaterThan(0.95);
  expect(object.clicks.filter(({ positive }) => !positive)).toHaveLength(1);
  expect(maskOfObject(object, space)[hole]).toBe(0);
});

test("a cluster of one patch survives the minimum area", () => {
  const space = fan(MAPS.slice(0, 1));
  const labels = labeled(space.grid.nodes, (node) => node === 0);
  const { object } = fitObject(labels, 1, space.embedding, space.around, APPEARANCE)!;
  expect(object.clicks[0]).toEqual({ image: 0, x: 2.5, y: 1.875, positive: true });
  expect(maskOfObject(object, space)[0]).toBe(1);
});

test("only patches of the current source count", () => {
  const maps = [MAPS[0]!, { ...MAPS[1]!, source: "b" }];
  const space = fan(maps);
  const labels = labeled(space.grid.nodes, (node) => node >= SIDE * SIDE);
  expect(fitObject(labels, 1, space.embedding, space.around, APPEARANCE)).toBeNull();
  const { object } = fitObject(labels, 1, space.embedding, { ...space.around, source: "b" }, APPEARANCE)!;
  expect(object.clicks.every(({ image }) => image === 1)).toBe(true);
});
