import { expect, test } from "vitest";
import type { Camera } from "../../shared/types.ts";
import { bounds, createProjection, project } from "./camera.ts";
import { diameterAt, pick } from "./picking.ts";

const WIDTH = 400;
const HEIGHT = 300;
const SIZE = 10;
const camera: Camera = { position: [0, -10, 0], target: [0, 0, 0], zoom: 1 };

function view(coords: Float32Array) {
  const look = createProjection(camera, WIDTH / HEIGHT, bounds(coords));
  return {
    at: (x: number, y: number) => pick(coords, look, x, y, WIDTH, HEIGHT, SIZE),
    place: (node: number) => {
      const [x, y, z] = coords.subarray(node * 3, node * 3 + 3) as unknown as [number, number, number];
      return project(look.viewProjection, x, y, z, WIDTH, HEIGHT);
    },
  };
}

test("the point under the pointer is picked", () => {
  const coords = Float32Array.of(-1, 0, 0, 1, 0, 0.5, 0, 0, -1);
  const { at, place } = view(coords);
  for (const node of [0, 1, 2]) expect(at(place(node).x, place(node).y)).toBe(node);
});

test("the front-most of overlapping points is picked", () => {
  expect(view(Float32Array.of(0, 3, 0, 0, -3, 0, 0, 0, 0)).at(WIDTH / 2, HEIGHT / 2)).toBe(1);
  expect(view(Float32Array.of(0, -3, 0, 0, 3, 0)).at(WIDTH / 2, HEIGHT / 2)).toBe(0);
});

test("a direct hit wins over a close edge in front of it", () => {
  const coords = Float32Array.of(0, 0, 0, 0.35, -2, 0);
  const { at, place } = view(coords);
  const left = place(1).x - diameterAt(SIZE, 10, place(1).depth) / 2;
  expect(left - 2).toBeGreaterThan(WIDTH / 2);
  expect(at(WIDTH / 2 + 1, HEIGHT / 2)).toBe(0);
});

test("a point within the tolerance is picked", () => {
  const { at } = view(Float32Array.of(0, 0, 0));
  const edge = WIDTH / 2 + SIZE / 2;
  expect(at(edge + 3, HEIGHT / 2)).toBe(0);
  expect(at(edge + 6, HEIGHT / 2)).toBeNull();
  expect(at(WIDTH / 2, HEIGHT / 2 - SIZE / 2 - 6)).toBeNull();
});

test("the closest of two points within the tolerance is picked", () => {
  const coords = Float32Array.of(-0.5, 0, 0, 0.5, 0, 0);
  const { at, place } = view(coords);
  expect(at(place(1).x - SIZE / 2 - 2, HEIGHT / 2)).toBe(1);
});

test("points behind the camera and NaN points are never picked", () => {
  expect(view(Float32Array.of(0, -20, 0, Number.NaN, 0, 0)).at(WIDTH / 2, HEIGHT / 2)).toBeNull();
  expect(view(new Float32Array(0)).at(WIDTH / 2, HEIGHT / 2)).toBeNull();
});

test("closer points are larger, within bounds", () => {
  expect(diameterAt(10, 8, 8)).toBe(10);
  expect(diameterAt(10, 8, 4)).toBeGreaterThan(10);
  expect(diameterAt(10, 8, 1e-6)).toBe(20);
  expect(diameterAt(10, 8, 1e6)).toBe(6);
});
