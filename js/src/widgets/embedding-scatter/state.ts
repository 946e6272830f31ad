/** Point colors, patch descriptions and camera validation. */
import { rgbToRgba, rgbaWord } from "../../shared/color.ts";
import type { PatchGrid } from "../../shared/geometry.ts";
import type { Camera, Meta, SessionStore } from "../../shared/types.ts";

/**
 * (4 n) RGBA of the points: similarity for pinned patches and in the heatmap layer; otherwise the colors of the current
 * layer, or the image colors if the layer has none.
 */
export async function pointColors(store: SessionStore): Promise<Uint8ClampedArray> {
  const similar = store.get("hovered_channel") === null && (store.get("selection").length > 0 || store.get("layer") === "heatmap");
  const nodes = similar ? store.heatNodes() : [];
  if (nodes.length > 0) {
    await store.prepare();
    const heat = store.heatColors(nodes);
    if (heat) return heat;
  }
  const colors = await store.paint();
  if (!colors) return rgbToRgba((await store.array("patch_rgb")).data);
  return store.get("layer") === "masks" || store.get("layer") === "clusters" ? onGray(colors) : colors;
}

/** Points outside all masks, or in hidden clusters, are gray. */
function onGray(colors: Uint8ClampedArray): Uint8ClampedArray {
  const out = new Uint8ClampedArray(colors);
  // Most points are fully transparent or opaque. Copying whole 32-bit words is faster.
  const words = new Uint32Array(out.buffer);
  const clear = rgbaWord(GRAY, GRAY, GRAY, BACKGROUND_ALPHA);
  for (let i = 0; i < words.length; i++) {
    const opacity = out[i * 4 + 3]!;
    if (opacity === 255) continue;
    if (opacity === 0) {
      words[i] = clear;
      continue;
    }
    const alpha = opacity / 255;
    for (let k = i * 4; k < i * 4 + 3; k++) out[k] = alpha * out[k]! + (1 - alpha) * GRAY;
    out[i * 4 + 3] = BACKGROUND_ALPHA + (255 - BACKGROUND_ALPHA) * alpha;
  }
  return out;
}

const GRAY = 140;
const BACKGROUND_ALPHA = 110;

/** Description of a patch for the tooltip and for screen readers. */
export interface PatchDescription {
  name: string;
  place: string;
  source: string | null;
}

export function describePatch(meta: Meta, grid: PatchGrid, node: number): PatchDescription | null {
  const patch = grid.locate(node);
  if (!patch) return null;
  return {
    name: meta.images[patch.image]!.name,
    place: `row ${patch.row}, column ${patch.column}`,
    source: grid.sources.length > 1 ? patch.source : null,
  };
}

const finite = (vector: unknown): boolean =>
  Array.isArray(vector) && vector.length === 3 && vector.every(Number.isFinite);

/** Python accepts any camera, so invalid ones are reported here. */
export function checkCamera(camera: Camera | null): Camera | null {
  if (camera === null) return null;
  if (finite(camera.position) && finite(camera.target) && camera.zoom > 0 && Number.isFinite(camera.zoom)) return camera;
  throw new Error(
    "`camera` must be None or {position: [x, y, z], target: [x, y, z], zoom: positive number}; " +
      `got ${JSON.stringify(camera)}. Set it to None to frame all points.`,
  );
}
