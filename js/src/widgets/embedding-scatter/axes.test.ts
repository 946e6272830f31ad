import { expect, test } from "vitest";
import { backEdges, visibleMidpoint } from "./axes.ts";
import { bounds } from "./camera.ts";

const box = bounds(Float32Array.of(-1, -1, -1, 1, 1, 1));

test("nine edges are behind the cloud, none at the nearest corner", () => {
  const edges = backEdges(box, [5, -6, 7]);
  expect(edges).toHaveLength(9);
  expect(edges.filter((edge) => edge.outline)).toHaveLength(6);
  for (const { from, to } of edges) for (const end of [from, to]) expect(end).not.toEqual([1, -1, 1]);
});

test("every axis has an edge from end to end", () => {
  for (const { axis, from, to } of backEdges(box, [5, 5, 5])) {
    expect(to[axis] - from[axis]).toBe(2);
    expect(to.filter((value, i) => value !== from[i])).toHaveLength(1);
  }
});

test("a label is placed on the visible part of its line", () => {
  const place = visibleMidpoint({ x: -1000, y: 100 }, { x: 200, y: 100 }, 400, 300)!;
  expect(place.x).toBeGreaterThan(0);
  expect(place.x).toBeLessThan(200);
  expect(place.y).toBe(100);
  expect(visibleMidpoint({ x: 0, y: -50 }, { x: 400, y: -50 }, 400, 300)).toBeNull();
  expect(visibleMidpoint({ x: -90, y: 0 }, { x: -10, y: 300 }, 400, 300)).toBeNull();
});
