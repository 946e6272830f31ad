/** Conversion between pixels, patches and nodes, and the layout of the image grid. */
import type { MapMeta, Meta } from "./types";

export interface Patch {
  map: number;
  image: number;
  row: number;
  column: number;
  source: string;
}

/** A rectangle in fractions of the image, independent of its size on screen. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Location of every node: map by map, each map row by row. Mirrors Python's PatchGrid. */
export class PatchGrid {
  readonly maps: readonly MapMeta[];
  readonly offsets: Int32Array;
  readonly sources: readonly string[];

  constructor(meta: Pick<Meta, "maps">) {
    this.maps = meta.maps;
    this.offsets = new Int32Array(meta.maps.length + 1);
    meta.maps.forEach((map, i) => {
      this.offsets[i + 1] = this.offsets[i]! + map.rows * map.columns;
    });
    this.sources = [...new Set(meta.maps.map((map) => map.source))];
  }

  get nodes(): number {
    return this.offsets[this.maps.length]!;
  }

  /** Index of the map of an image under a source, or -1. */
  find(image: number, source: string): number {
    return this.maps.findIndex((map) => map.image === image && map.source === source);
  }

  /** All nodes of a map; none for -1. */
  nodesOf(map: number): number[] {
    if (map < 0) return [];
    const start = this.offsets[map]!;
    return Array.from({ length: this.offsets[map + 1]! - start }, (_, i) => start + i);
  }

  locate(node: number): Patch | null {
    if (!(node >= 0 && node < this.nodes)) return null;
    let low = 0;
    let high = this.maps.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.offsets[middle]! <= node) low = middle;
      else high = middle - 1;
    }
    const map = this.maps[low]!;
    const local = node - this.offsets[low]!;
    return {
      map: low,
      image: map.image,
      row: Math.floor(local / map.columns),
      column: local % map.columns,
      source: map.source,
    };
  }

  /** The node at a point given in fractions of the image, or null outside the image. */
  nodeAt(map: number, x: number, y: number): number | null {
    const { rows, columns } = this.maps[map]!;
    if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
    return this.offsets[map]! + Math.floor(y * rows) * columns + Math.floor(x * columns);
  }

  box(patch: Patch): Box {
    const { rows, columns } = this.maps[patch.map]!;
    return { left: patch.column / columns, top: patch.row / rows, width: 1 / columns, height: 1 / rows };
  }

  /** The adjacent node in a direction, clamped to the edges of its image. */
  step(node: number, dx: number, dy: number): number {
    const patch = this.locate(node);
    if (!patch) return node;
    const { rows, columns } = this.maps[patch.map]!;
    const row = Math.min(rows - 1, Math.max(0, patch.row + dy));
    const column = Math.min(columns - 1, Math.max(0, patch.column + dx));
    return this.offsets[patch.map]! + row * columns + column;
  }
}

export interface Tile {
  image: number;
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * Lays out images in justified rows that fill the width and keep each aspect ratio (width / height). Rows are about
 * `rowHeight` tall; the last row is not stretched.
 */
export function justify(
  aspects: readonly number[],
  width: number,
  rowHeight: number,
  gap: number,
): { tiles: Tile[]; height: number } {
  const tiles: Tile[] = [];
  let y = 0;
  let start = 0;
  let sum = 0;
  const place = (end: number, height: number) => {
    let x = 0;
    for (let i = start; i < end; i++) {
      const tileWidth = aspects[i]! * height;
      tiles.push({ image: i, x, y, width: tileWidth, height });
      x += tileWidth + gap;
    }
    y += height + gap;
    start = end;
    sum = 0;
  };
  for (let i = 0; i < aspects.length; i++) {
    sum += aspects[i]!;
    const count = i + 1 - start;
    const fit = (width - gap * (count - 1)) / sum;
    if (fit > rowHeight) continue;
    // Breaking before this image makes a taller row: choose the break whose height is closer to `rowHeight`.
    const without = count > 1 ? (width - gap * (count - 2)) / (sum - aspects[i]!) : Infinity;
    if (without / rowHeight < rowHeight / fit) {
      place(i, without);
      sum = aspects[i]!;
      const alone = width / sum;
      if (alone <= rowHeight) place(i + 1, alone);
    } else {
      place(i + 1, fit);
    }
  }
  if (start < aspects.length) {
    const count = aspects.length - start;
    place(aspects.length, Math.min(rowHeight, (width - gap * (count - 1)) / sum));
  }
  return { tiles, height: Math.max(0, y - gap) };
}
