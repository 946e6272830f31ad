import { expect, test } from "vitest";
import { PatchGrid } from "../../shared/geometry.ts";
import type { Camera, SessionState, SessionStore } from "../../shared/types.ts";
import { META } from "../../testing/session.ts";
import { checkCamera, describePatch, pointColors } from "./state.ts";

const OVERLAY = Uint8ClampedArray.of(1, 2, 3, 255);
const HEAT = Uint8ClampedArray.of(9, 8, 7, 90);

/** A session whose similarity is available only after `prepare`, like the real one. */
function session(state: Partial<SessionState>, paint: Uint8ClampedArray | null = OVERLAY): SessionStore {
  const all = { selection: [], hover: null, layer: "ncut", hover_heatmap: true, hovered_channel: null, ...state };
  let prepared = false;
  return {
    get: (key: keyof SessionState) => all[key as keyof typeof all],
    prepare: async () => { prepared = true; },
    paint: async () => paint,
    heatNodes: () => (all.selection.length ? all.selection : all.hover === null ? [] : [all.hover]),
    heatColors: (nodes: number[]) => (prepared && nodes.length ? HEAT : null),
    array: async (name: string) => ({ data: name === "patch_rgb" ? Uint8Array.of(40, 50, 60) : null, shape: [1, 3] }),
  } as unknown as SessionStore;
}

test("points have overlay colors, also while one is hovered", async () => {
  expect(await pointColors(session({}))).toBe(OVERLAY);
  expect(await pointColors(session({ hover: 3 }))).toBe(OVERLAY);
});

test("a previewed channel overrides similarity", async () => {
  expect(await pointColors(session({ hovered_channel: 2, selection: [3] }))).toBe(OVERLAY);
});

test("without an overlay points have image colors", async () => {
  expect([...await pointColors(session({ layer: "image" }, null))]).toEqual([40, 50, 60, 255]);
  expect([...await pointColors(session({ layer: "heatmap" }, null))]).toEqual([40, 50, 60, 255]);
});

test("pinned patches show similarity on every layer", async () => {
  expect(await pointColors(session({ selection: [3], layer: "image" }, null))).toBe(HEAT);
  expect(await pointColors(session({ selection: [3] }))).toBe(HEAT);
  expect(await pointColors(session({ hover: 3, layer: "heatmap" }))).toBe(HEAT);
});

test("a patch is described by image, row and column", () => {
  const grid = new PatchGrid(META);
  expect(describePatch(META, grid, 12 + 4 + 2)).toEqual({ name: "two.png", place: "row 1, column 2", source: null });
  expect(describePatch(META, grid, 24)).toBeNull();
  const two = { ...META, maps: [META.maps[0]!, { ...META.maps[1]!, source: "b" }] };
  expect(describePatch(two, new PatchGrid(two), 12)?.source).toBe("b");
});

test.each([
  ["a short position", { position: [1, 2], target: [0, 0, 0], zoom: 1 }],
  ["no target", { position: [1, 2, 3], zoom: 1 }],
  ["a target that is not a number", { position: [1, 2, 3], target: [0, 0, "x"], zoom: 1 }],
  ["a zoom of zero", { position: [1, 2, 3], target: [0, 0, 0], zoom: 0 }],
])("a camera with %s is rejected with a remedy", (_, camera) => {
  expect(() => checkCamera(camera as unknown as Camera)).toThrow(/`camera` must be None or .*Set it to None/);
});

test("a valid camera or null is accepted", () => {
  const camera: Camera = { position: [1, 2, 3], target: [0, 0, 0], zoom: 1.5 };
  expect(checkCamera(camera)).toBe(camera);
  expect(checkCamera(null)).toBeNull();
});
