/** Colors of the layers: (4 n) RGBA of all nodes. */
import { applyColormap } from "../../shared/color.ts";
import { quantileInPlace } from "../../shared/similarity.ts";
import { palettes } from "./palettes.ts";

/** An eigenvector in a diverging colormap, symmetric about zero up to the 99 % quantile of |value|. */
export function paintEigenvector(vector: Float32Array): Uint8ClampedArray {
  const limit = quantileInPlace(vector.map(Math.abs), 0.99) || 1;
  return applyColormap(vector, -limit, limit, palettes.diverging);
}

/** One channel map as a heatmap, two or three as red, green and blue. */
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

/** Labels with each group merged under its smallest id, and the number of nodes per cluster. */
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
