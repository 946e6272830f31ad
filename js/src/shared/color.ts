/** Color conversion and the painting of nodes: every painter returns (4 n) RGBA of n nodes. */
import type { Clusters } from "./types.ts";

const COLORMAP_SIZE = 256;
/** Alpha of clusters other than the selected one. */
const UNSELECTED_ALPHA = 70;

/** #rrggbb to 0-255. */
export function hexToRgb(hex: string): [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Entry `index` of (k, 3) colors as #rrggbb. */
export function rgbToHex(colors: Uint8Array, index: number): string {
  return `#${[...colors.subarray(index * 3, index * 3 + 3)].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** An RGBA color as one 32-bit word: writing words is about ten times faster than writing four bytes. */
export function rgbaWord(r: number, g: number, b: number, a = 255): number {
  return new Uint32Array(Uint8Array.of(r, g, b, a).buffer)[0]!;
}

/** Values between `low` and `high` in a colormap of 256 RGBA entries. */
export function applyColormap(values: Float32Array, low: number, high: number, colormap: Uint8ClampedArray): Uint8ClampedArray {
  const out = new Uint32Array(values.length);
  const words = new Uint32Array(colormap.buffer, colormap.byteOffset, COLORMAP_SIZE);
  const scale = high > low ? (COLORMAP_SIZE - 1) / (high - low) : 0;
  for (let i = 0; i < values.length; i++) {
    out[i] = words[Math.min(COLORMAP_SIZE - 1, Math.max(0, Math.round((values[i]! - low) * scale)))]!;
  }
  return new Uint8ClampedArray(out.buffer);
}

export function rgbToRgba(rgb: Uint8Array): Uint8ClampedArray {
  const n = rgb.length / 3;
  const out = new Uint8ClampedArray(n * 4);
  for (let i = 0; i < n; i++) {
    out[i * 4] = rgb[i * 3]!;
    out[i * 4 + 1] = rgb[i * 3 + 1]!;
    out[i * 4 + 2] = rgb[i * 3 + 2]!;
    out[i * 4 + 3] = 255;
  }
  return out;
}

/** A set of nodes or pixels (1 inside, else 0) in one color. */
export interface Region {
  nodes: Uint8Array;
  /** #rrggbb */
  color: string;
}

/** Regions in their colors, later ones on top, transparent elsewhere. */
export function paintRegions(regions: readonly Region[], n: number): Uint8ClampedArray {
  const out = new Uint32Array(n);
  for (const { nodes, color } of regions) {
    const word = rgbaWord(...hexToRgb(color));
    for (let i = 0; i < n; i++) if (nodes[i]) out[i] = word;
  }
  return new Uint8ClampedArray(out.buffer);
}

/** Clusters in their colors; hidden ones are transparent, and all but the selected one faded. */
export function paintClusters({ labels, colors, sizes }: Clusters, hidden: readonly number[], selected: number | null): Uint8ClampedArray {
  const table = new Uint8Array(256 * 4);
  // The selected cluster may not exist at this number of clusters, or may be merged into another.
  const visible = selected !== null && sizes[selected] ? selected : null;
  for (let id = 0; id < colors.length / 3; id++) {
    table.set(colors.subarray(id * 3, id * 3 + 3), id * 4);
    table[id * 4 + 3] = hidden.includes(id) ? 0 : visible === null || visible === id ? 255 : UNSELECTED_ALPHA;
  }
  const words = new Uint32Array(table.buffer);
  const out = new Uint32Array(labels.length);
  for (let i = 0; i < labels.length; i++) out[i] = words[labels[i]!]!;
  return new Uint8ClampedArray(out.buffer);
}
