/** The steps from clicks and boxes to an object's mask in all images. Mirrors Python's click.py. */
import { type Embedding, cosinesOf, meanDirection, argmaxCosine } from "./embedding.ts";
import type { PatchGrid } from "./geometry.ts";
import type { BoxPrompt, ImageMeta, MapMeta, MaskObject } from "./types.ts";

/** Half-open row and column ranges in one map. */
export interface PatchRange {
  rows: readonly [number, number];
  columns: readonly [number, number];
}

/** The node at a pixel of an image, or null outside the image. Bit-identical to Python's PatchGrid.node_at. */
export function nodeAtPixel(grid: PatchGrid, map: number, size: ImageMeta, x: number, y: number): number | null {
  if (!(x >= 0 && x < size.width && y >= 0 && y < size.height)) return null;
  const { rows, columns } = grid.maps[map]!;
  return grid.offsets[map]! + Math.floor((y * rows) / size.height) * columns + Math.floor((x * columns) / size.width);
}

/** The patches whose centers are inside a box; in each dimension at least the patch under the center of the box. */
export function patchesInBox(box: Pick<BoxPrompt, "x0" | "y0" | "x1" | "y1">, map: MapMeta, size: ImageMeta): PatchRange {
  return {
    rows: centersIn(box.y0, box.y1, map.rows, size.height),
    columns: centersIn(box.x0, box.x1, map.columns, size.width),
  };
}

function centersIn(from: number, to: number, count: number, length: number): [number, number] {
  const start = Math.max(0, Math.ceil((from * count) / length - 0.5));
  const stop = Math.min(count, Math.ceil((to * count) / length - 0.5));
  if (start < stop) return [start, stop];
  const middle = Math.min(count - 1, Math.max(0, Math.floor((((from + to) / 2) * count) / length)));
  return [middle, middle + 1];
}

/**
 * (k) prompt of a box: the weighted mean direction of the nodes inside. Each weight is (1 - cosine)^2, clamped at 0, with
 * the cosine to the mean direction of the ring around the box, which is half as wide as the box on each side. Patches
 * similar to the surroundings, the background, therefore count little.
 */
export function boxPrompt(embedding: Embedding, grid: PatchGrid, map: number, range: PatchRange): Float32Array {
  const { rows: height, columns: width } = grid.maps[map]!;
  const [top, bottom] = range.rows;
  const [left, right] = range.columns;
  const down = Math.ceil((bottom - top) / 2);
  const across = Math.ceil((right - left) / 2);
  const inside: number[] = [];
  const ring: number[] = [];
  for (let row = Math.max(0, top - down); row < Math.min(height, bottom + down); row++) {
    for (let column = Math.max(0, left - across); column < Math.min(width, right + across); column++) {
      const isInside = row >= top && row < bottom && column >= left && column < right;
      (isInside ? inside : ring).push(grid.offsets[map]! + row * width + column);
    }
  }
  const background = meanDirection(embedding, ring);
  if (!background.some(Boolean)) return meanDirection(embedding, inside);
  // Squared, because the background inside only resembles the ring and may cover much more area than the object.
  const weights = cosinesOf(embedding, inside, background).map((cosine) => Math.max(0, 1 - cosine) ** 2);
  return meanDirection(embedding, inside, weights.some((weight) => weight > MIN_WEIGHT) ? weights : undefined);
}

/** The node in a box with the highest similarity to its prompt, first one in a tie: represents the box in a graph cut. */
export function boxNode(embedding: Embedding, grid: PatchGrid, map: number, range: PatchRange): number {
  const { columns } = grid.maps[map]!;
  const inside: number[] = [];
  for (let row = range.rows[0]; row < range.rows[1]; row++) {
    for (let column = range.columns[0]; column < range.columns[1]; column++) inside.push(grid.offsets[map]! + row * columns + column);
  }
  return argmaxCosine(embedding, inside, boxPrompt(embedding, grid, map, range));
}

/** Rounding error of cosines: if all weights are below it, the box has no contrast to its ring. */
const MIN_WEIGHT = 1e-12;

/** (n) 1 if the positive heatmap exceeds its threshold and the negative one does not, without small components; else 0. */
export function thresholdMask(
  positive: Float32Array | null,
  negative: Float32Array | null,
  { threshold, negative_threshold, min_area }: Pick<MaskObject, "threshold" | "negative_threshold" | "min_area">,
  maps: readonly MapMeta[],
): Uint8Array {
  const mask = new Uint8Array(maps.reduce((n, map) => n + map.rows * map.columns, 0));
  if (!positive) return mask;
  for (let i = 0; i < mask.length; i++) {
    if (positive[i]! > threshold && !(negative && negative[i]! > negative_threshold)) mask[i] = 1;
  }
  dropSmallComponents(mask, maps, min_area);
  return mask;
}

const VISITED = 2;

/** Sets connected components (8-connectivity) of fewer than `smallest` patches to 0, per map. */
export function dropSmallComponents(mask: Uint8Array, maps: readonly MapMeta[], smallest: number): void {
  if (smallest <= 1) return;
  const found = new Int32Array(Math.max(0, ...maps.map(({ rows, columns }) => rows * columns)));
  let offset = 0;
  for (const { rows, columns } of maps) {
    const end = offset + rows * columns;
    for (let start = offset; start < end; start++) {
      if (mask[start] !== 1) continue;
      mask[start] = VISITED;
      found[0] = start;
      let size = 1;
      for (let next = 0; next < size; next++) {
        const local = found[next]! - offset;
        const column = local % columns;
        const row = (local - column) / columns;
        const left = Math.max(0, column - 1);
        const right = Math.min(columns - 1, column + 1);
        const bottom = Math.min(rows - 1, row + 1);
        for (let y = Math.max(0, row - 1); y <= bottom; y++) {
          for (let x = left; x <= right; x++) {
            const neighbour = offset + y * columns + x;
            if (mask[neighbour] !== 1) continue;
            mask[neighbour] = VISITED;
            found[size++] = neighbour;
          }
        }
      }
      if (size < smallest) for (let i = 0; i < size; i++) mask[found[i]!] = 0;
    }
    offset = end;
  }
  for (let i = 0; i < mask.length; i++) if (mask[i] === VISITED) mask[i] = 1;
}
