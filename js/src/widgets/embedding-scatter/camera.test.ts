import { expect, test } from "vitest";
import type { Camera } from "../../shared/types.ts";
import { bounds, dolly, frame, createProjection, orbit, pan, project, sameCamera } from "./camera.ts";

/** A deterministic random generator. */
function randoms(seed = 1): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

function ball(n: number, center = [0, 0, 0], radius = 1): Float32Array {
  const next = randoms();
  return Float32Array.from({ length: n * 3 }, (_, p) => center[p % 3]! + radius * (2 * next() - 1));
}

function onScreen(coords: Float32Array, camera: Camera, width: number, height: number) {
  const { viewProjection } = createProjection(camera, width / height, bounds(coords));
  return Array.from({ length: coords.length / 3 }, (_, i) =>
    project(viewProjection, coords[i * 3]!, coords[i * 3 + 1]!, coords[i * 3 + 2]!, width, height));
}

const camera: Camera = { position: [0, -10, 0], target: [0, 0, 0], zoom: 1 };
const distance = ({ position, target }: Camera) => Math.hypot(...position.map((p, i) => p - target[i]!));

test("the target is centered, x points right and z up", () => {
  const coords = Float32Array.of(0, 0, 0, 1, 0, 0, 0, 0, 1);
  const [middle, right, up] = onScreen(coords, camera, 400, 300);
  expect(middle).toMatchObject({ x: expect.closeTo(200, 3), y: expect.closeTo(150, 3), depth: expect.closeTo(10, 4) });
  expect(right!.x).toBeGreaterThan(200);
  expect(right!.y).toBeCloseTo(150, 3);
  expect(up!.y).toBeLessThan(150);
  // Pixels are square for any aspect ratio.
  expect(right!.x - 200).toBeCloseTo(150 - up!.y, 3);
});

test("zoom magnifies the view", () => {
  const coords = Float32Array.of(1, 0, 0);
  const [near] = onScreen(coords, { ...camera, zoom: 2 }, 400, 300);
  const [far] = onScreen(coords, camera, 400, 300);
  expect(near!.x - 200).toBeCloseTo(2 * (far!.x - 200), 3);
});

test("a point behind the camera has no positive depth", () => {
  const [place] = onScreen(Float32Array.of(0, -20, 0), camera, 400, 300);
  expect(place!.depth).toBeLessThan(0);
});

test("depths are within the near and far planes", () => {
  const coords = ball(500, [5, -3, 2], 4);
  const { viewProjection: m } = createProjection(frame(coords, 1.5), 1.5, bounds(coords));
  for (let i = 0; i < coords.length; i += 3) {
    const [x, y, z] = coords.subarray(i, i + 3) as unknown as [number, number, number];
    const w = m[3]! * x + m[7]! * y + m[11]! * z + m[15]!;
    expect(Math.abs((m[2]! * x + m[6]! * y + m[10]! * z + m[14]!) / w)).toBeLessThanOrEqual(1);
  }
});

test.each([
  ["wide", 900, 300],
  ["square", 400, 400],
  ["narrow", 260, 700],
])("the initial view of a %s cell contains and fills all points", (_, width, height) => {
  const coords = ball(2000, [100, -40, 7], 3);
  const places = onScreen(coords, frame(coords, width / height), width, height);
  const reach = Math.max(...places.map(({ x, y }) => Math.max(Math.abs(x / width - 0.5), Math.abs(y / height - 0.5))));
  expect(reach).toBeLessThan(0.5);
  expect(reach).toBeGreaterThan(0.35);
});

test("a distant outlier does not shrink the cloud", () => {
  const coords = ball(2000);
  const without = distance(frame(coords, 1));
  coords.set([500, 500, 500], 0);
  expect(distance(frame(coords, 1))).toBeLessThan(1.2 * without);
});

test.each([
  ["no point", new Float32Array(0)],
  ["one point", Float32Array.of(4, 5, 6)],
  ["identical points", new Float32Array(30).fill(2)],
  ["points that are not numbers", new Float32Array(9).fill(Number.NaN)],
])("%s can be framed", (_, coords) => {
  const first = frame(coords, 1.3);
  expect([...first.position, ...first.target].every(Number.isFinite)).toBe(true);
  expect(distance(first)).toBeGreaterThan(0);
  expect([...createProjection(first, 1.3, bounds(coords)).viewProjection].every(Number.isFinite)).toBe(true);
  if (coords.length > 0 && Number.isFinite(coords[0]!)) {
    expect(onScreen(coords, first, 400, 400)[0]).toMatchObject({ x: expect.closeTo(200, 1), y: expect.closeTo(200, 1) });
  }
});

test("bounds ignore non-finite points", () => {
  expect(bounds(Float32Array.of(0, 0, 0, 2, 4, 6, Number.NaN, Infinity, 1))).toMatchObject({
    low: [0, 0, 0], high: [2, 4, 6], center: [1, 2, 3],
  });
});

test("orbiting follows the pointer at a constant distance", () => {
  const near = Float32Array.of(0, -1, 0);
  const right = orbit(camera, 0.3, 0);
  expect(onScreen(near, right, 400, 400)[0]!.x).toBeGreaterThan(200);
  const up = orbit(camera, 0, 0.3);
  expect(onScreen(near, up, 400, 400)[0]!.y).toBeLessThan(200);
  expect(distance(orbit(right, 0, 0.3))).toBeCloseTo(10, 6);
});

test("orbiting stops at the pole", () => {
  const above = orbit(camera, 0, -50);
  expect(above.position[2]).toBeGreaterThan(9.9);
  expect(orbit(above, 0, 50).position[2]).toBeLessThan(-9.9);
  expect([...createProjection(above, 1, bounds(ball(9))).viewProjection].every(Number.isFinite)).toBe(true);
});

test("panning moves the target with the pointer", () => {
  const moved = pan(camera, 30, -20, 400, 300);
  expect(onScreen(Float32Array.of(0, 0, 0), moved, 400, 300)[0]).toMatchObject({
    x: expect.closeTo(230, 2), y: expect.closeTo(130, 2),
  });
  expect(distance(moved)).toBeCloseTo(10, 6);
});

test("zooming is limited relative to the cloud", () => {
  expect(distance(dolly(camera, 0.5, 4))).toBeCloseTo(5, 6);
  expect(distance(dolly(camera, 1e-9, 4))).toBeCloseTo(0.04, 6);
  expect(distance(dolly(camera, 1e9, 4))).toBeCloseTo(200, 4);
});

test("a camera at its target is valid", () => {
  const stuck: Camera = { position: [1, 1, 1], target: [1, 1, 1], zoom: 1 };
  expect([...createProjection(stuck, 1, bounds(ball(9))).viewProjection].every(Number.isFinite)).toBe(true);
});

test("cameras are compared up to rounding", () => {
  expect(sameCamera(camera, { ...camera, position: [1e-12, -10, 0] })).toBe(true);
  expect(sameCamera(camera, { ...camera, position: [0.01, -10, 0] })).toBe(false);
  expect(sameCamera(camera, { ...camera, zoom: 2 })).toBe(false);
});
