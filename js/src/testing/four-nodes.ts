/** A minimal session: four nodes in one image; the first two are similar. */
import { vi } from "vitest";
import type { Meta } from "../shared/types.ts";
import { META as TWO_IMAGES, type Arrays, fakeSession, sessionState } from "./session.ts";

export const META: Meta = {
  ...TWO_IMAGES, version: 0, images: [{ name: "one", width: 20, height: 20 }],
  maps: [{ image: 0, rows: 2, columns: 2, source: "features" }], n_nodes: 4,
};
export const EIGENVECTORS = Float32Array.of(1, 0, 1, 0.1, 0, 1, 0.1, -1);
const ARRAYS: Arrays = {
  eigenvectors: [EIGENVECTORS, "float32", [4, 2]],
  rgb: [Uint8Array.of(255, 0, 0, 155, 0, 0, 0, 0, 255, 0, 0, 255), "uint8", [4, 3]],
  "cluster_colors/2": [Uint8Array.of(205, 0, 0, 0, 0, 255), "uint8", [2, 3]],
  "labels/2": [Uint8Array.of(0, 0, 1, 1), "uint8", [4]],
  "channel_map/0": [Uint8Array.of(0, 255, 10, 20), "uint8", [4]],
  "channel_map/1": [Uint8Array.of(1, 2, 3, 4), "uint8", [4]],
};

/** The kernel replies in `parts` chunks, out of order. */
export function session(parts = 1) {
  const made = fakeSession(sessionState({ meta: META, source: "features" }), { ...ARRAYS }, { parts });
  return { ...made, save: vi.spyOn(made.model, "save_changes") };
}
