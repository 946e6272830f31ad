import { expect, test } from "vitest";
import { borderPath } from "./borders.ts";

/** 0 1 1
 *  0 1 1
 *  0 0 2 */
const LABELS = [0, 1, 1, 0, 1, 1, 0, 0, 2];

test("joins collinear edges", () => {
  expect(borderPath(Uint8Array.from(LABELS), 0, 3, 3)).toBe("M1 2H3M1 0V2M2 2V3");
});

test("starts at the offset of the map", () => {
  expect(borderPath(Uint8Array.from([9, 9, 9, ...LABELS, 9]), 3, 3, 3)).toBe("M1 2H3M1 0V2M2 2V3");
});

test("splits a line at gaps", () => {
  expect(borderPath(Uint8Array.from([0, 0, 0, 0, 0, 1, 0, 1, 0, 1]), 0, 2, 5)).toBe("M0 1H1M2 1H3M4 1H5M1 1V2M2 1V2M3 1V2M4 1V2");
});

test("draws no border for one label, nor at the image edge", () => {
  expect(borderPath(new Uint8Array(12).fill(3), 0, 3, 4)).toBe("");
});
