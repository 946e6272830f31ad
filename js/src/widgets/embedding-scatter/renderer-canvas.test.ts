import { expect, test } from "vitest";
import type { Frame } from "../../shared/point-renderer.ts";
import { bounds, createProjection } from "./camera.ts";
import { rasterizeDisc, sortFarToNear, splat } from "./renderer-canvas.ts";

const SIDE = 64;

function draw(coords: Float32Array, rgba: Uint8ClampedArray, size = 12): (x: number, y: number) => number[] {
  const { viewProjection, focus, depth } = createProjection({ position: [0, -10, 0], target: [0, 0, 0], zoom: 1 }, 1, bounds(coords));
  const frame: Frame = {
    width: SIDE, height: SIDE, viewProjection, size, focus, depth, ground: [1, 1, 1], soft: true,
  };
  const pixels = new Uint8ClampedArray(SIDE * SIDE * 4);
  splat(pixels, coords, rgba, frame, new Map());
  return (x, y) => [...pixels.subarray((y * SIDE + x) * 4, (y * SIDE + x) * 4 + 4)];
}

test("a point is a disc in its color, transparent outside", () => {
  const pixel = draw(Float32Array.of(0, 0, 0), Uint8ClampedArray.of(250, 20, 30, 255));
  const [red, green, , alpha] = pixel(32, 32);
  expect(alpha).toBe(255);
  expect(red).toBeGreaterThan(200);
  expect(green).toBeLessThan(110);
  // The corners of its box are not part of a disc.
  expect(pixel(32 + 5, 32 + 5)[3]).toBe(0);
  expect(pixel(2, 2)).toEqual([0, 0, 0, 0]);
});

test("the closer point covers the farther one in any order", () => {
  const near = [0, -2, 0];
  const far = [0, 2, 0];
  const red = [255, 0, 0, 255];
  const blue = [0, 0, 255, 255];
  for (const [coords, colors] of [[[...near, ...far], [...red, ...blue]], [[...far, ...near], [...blue, ...red]]] as const) {
    const [r, , b] = draw(Float32Array.from(coords), Uint8ClampedArray.from(colors))(32, 32);
    expect(r).toBeGreaterThan(b!);
  }
});

test("a low alpha blends into the background", () => {
  const pixel = draw(Float32Array.of(0, 0, 0), Uint8ClampedArray.of(0, 0, 0, 64));
  expect(pixel(32, 32)[0]).toBeGreaterThan(150);
  expect(pixel(32, 32)[3]).toBe(255);
});

test("points outside the view or not finite are not drawn", () => {
  const coords = Float32Array.of(90, 0, 0, 0, -30, 0, Number.NaN, 0, 0, -90, 0, 90);
  const pixel = draw(coords, new Uint8ClampedArray(16).fill(255));
  for (let y = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++) expect(pixel(x, y)[3]).toBe(0);
});

test("sorting is far to near and skips points behind the camera", () => {
  expect([...sortFarToNear(Float32Array.of(3, 9, -1, 5, Number.NaN), 3, 9)]).toEqual([1, 3, 0]);
});

test("a disc covers the area of its circle", () => {
  const { coverage } = rasterizeDisc(12);
  const area = coverage.reduce((a, b) => a + b, 0);
  expect(area / (Math.PI * 36)).toBeCloseTo(1, 1);
});
