import { expect, test } from "vitest";
import { crop, placeTooltip } from "./tooltip.tsx";

const size = { width: 120, height: 160 };

test("the tooltip is next to its point and inside the stage", () => {
  const stage = { width: 420, height: 380 };
  for (let x = 0; x <= stage.width; x += 20) {
    for (let y = 0; y <= stage.height; y += 20) {
      const { left, top } = placeTooltip({ x, y }, size, stage);
      expect(left).toBeGreaterThanOrEqual(0);
      expect(top).toBeGreaterThanOrEqual(0);
      expect(left + size.width).toBeLessThanOrEqual(stage.width);
      expect(top + size.height).toBeLessThanOrEqual(stage.height);
      const covers = x > left && x < left + size.width && y > top && y < top + size.height;
      expect(covers).toBe(false);
    }
  }
});

test("the tooltip flips at the right and bottom edges", () => {
  const stage = { width: 420, height: 380 };
  expect(placeTooltip({ x: 100, y: 100 }, size, stage)).toEqual({ left: 114, top: 114 });
  expect(placeTooltip({ x: 400, y: 370 }, size, stage)).toEqual({ left: 266, top: 196 });
});

test("the crop shows the patch at its center", () => {
  const { image, patch } = crop({ width: 800, height: 400 }, { left: 0.5, top: 0.5, width: 0.05, height: 0.1 }, 112);
  expect(image.width / image.height).toBeCloseTo(2, 6);
  expect(patch.left + patch.width / 2).toBeCloseTo(56, 6);
  expect(patch.top + patch.height / 2).toBeCloseTo(56, 6);
  // The patch in the background image coincides with the ring.
  expect(image.left + 0.5 * image.width).toBeCloseTo(patch.left, 6);
  expect(image.top + 0.5 * image.height).toBeCloseTo(patch.top, 6);
});

test.each([
  ["landscape", { width: 1000, height: 300 }],
  ["portrait", { width: 300, height: 1000 }],
])("the crop stays inside a %s image at its corners", (_, meta) => {
  for (const [left, top] of [[0, 0], [0.9, 0], [0, 0.9], [0.9, 0.9]] as const) {
    const { image, patch } = crop(meta, { left, top, width: 0.1, height: 0.1 }, 112);
    expect(image.left).toBeLessThanOrEqual(1e-9);
    expect(image.top).toBeLessThanOrEqual(1e-9);
    expect(image.left + image.width).toBeGreaterThanOrEqual(112 - 1e-9);
    expect(image.top + image.height).toBeGreaterThanOrEqual(112 - 1e-9);
    expect(patch.left).toBeGreaterThanOrEqual(-1e-9);
    expect(patch.left + patch.width).toBeLessThanOrEqual(112 + 1e-9);
  }
});
