/** The colours of each layer, (4 n) RGBA of all nodes. */
import { applyColormap } from "../../shared/color.ts";
import { quantileInPlace } from "../../shared/similarity.ts";
import type { Clusters } from "../../shared/types.ts";
import { palettes } from "./palettes.ts";

/** One eigenvector, on a scale that is symmetric about zero and ends at the 99 % quantile of |value|. */
export function paintEigenvector(vector: Float32Array): Uint8ClampedArray {
  const limit = quantileInPlace(vector.map(Math.abs), 0.99) || 1;
  return applyColormap(vector, -limit, limit, palettes.diverging);
}

/** Each cluster in its colour, hidden ones clear, and all but the selected one pale. */
export function paintClusters({ labels, colors, sizes }: Clusters, hidden: readonly number[], selected: number | null): Uint8ClampedArray {
  const table = new Uint8Array(256 * 4);
  // Among fewer clusters, or merged into another, it may not be there.
  const visible = selected !== null && sizes[selected] ? selected : null;
  for (let c = 0; c < colors.length / 3; c++) {
    table.set(colors.subarray(c * 3, c * 3 + 3), c * 4);
    table[c * 4 + 3] = hidden.includes(c) ? 0 : visible === null || visible === c ? 255 : UNSELECTED_ALPHA;
  }
  const words = new Uint32Array(table.buffer);
  const out = new Uint32Array(labels.length);
  for (let i = 0; i < labels.length; i++) out[i] = words[labels[i]!]!;
  return new Uint8ClampedArray(out.buffer);
}

const UNSELECTED_ALPHA = 70;

/** One map in the colours of heat, two or three as red, green and blue. */
export function paintChannels(maps: readonly Uint8Array[]): Uint8ClampedArray {
  const [first] = maps as [Uint8Array];
  const out = new Uint8ClampedArray(first.length * 4);
  for (let i = 0; i < first.length; i++) {
    if (maps.length === 1) {
      for (let k = 0; k < 3; k++) out[i * 4 + k] = palettes.sequential[first[i]! * 4 + k]!;
    } else {
      for (let k = 0; k < maps.length; k++) out[i * 4 + k] = maps[k]![i]!;
    }
    out[i * 4 + 3] = 255;
  }
  return out;
}

/** With each group of clusters under its smallest number, and how many nodes each then has. */
export function groupClusters(labels: Uint8Array, count: number, groups: readonly (readonly number[])[]): {
  labels: Uint8Array; sizes: Uint32Array;
} {
  const to = Uint8Array.from({ length: 256 }, (_, id) => id);
  for (const group of groups) {
    const first = Math.min(...group);
    for (const id of group) to[id] = first;
  }
  const merged = new Uint8Array(labels.length);
  const sizes = new Uint32Array(count);
  for (let i = 0; i < labels.length; i++) {
    const id = to[labels[i]!]!;
    merged[i] = id;
    sizes[id]!++;
  }
  return { labels: merged, sizes };
}
