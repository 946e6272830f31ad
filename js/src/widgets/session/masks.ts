/** Masks of the session's objects, computed in the page and cached until their inputs change. */
import { setBounded } from "../../shared/cache.ts";
import { paintRegions } from "../../shared/color.ts";
import { type Embedding, rowOf } from "../../shared/embedding.ts";
import type { PatchGrid } from "../../shared/geometry.ts";
import { type PatchRange, boxNode, boxPrompt, thresholdMask, nodeAtPixel, patchesInBox } from "../../shared/masks.ts";
import { calibratedSimilarity } from "../../shared/similarity.ts";
import type { MaskObject, Meta, NodeMask } from "../../shared/types.ts";

/** A heatmap of 100 000 nodes takes 400 kB. */
const CACHE_SIZE = 96;

/** The nodes of an object's clicks, and of its boxes if the graph is cut. */
export interface Prompts {
  positive: number[];
  negative: number[];
}

export interface MaskContext {
  /** The embedding restricted to the first `columns` eigenvectors. */
  embedding(columns: number): Embedding;
  grid: PatchGrid;
  meta: Meta;
  source: string;
  /** The kernel's heatmap for these clicks, or null if it is not available yet. */
  kernelHeat(object: MaskObject, prompts: Prompts): Float32Array | null;
}

interface Entry {
  object: MaskObject;
  positive: Float32Array | null;
  negative: Float32Array | null;
  mask: NodeMask;
}

interface Heat {
  positive: Float32Array | null;
  negative: Float32Array | null;
  missing: boolean;
}

export class Masks {
  #heats = new Map<string, Float32Array>();
  #unions = new Map<string, Float32Array>();
  #boxNodes = new Map<string, number>();
  #entries: Entry[] = [];
  #masks: readonly NodeMask[] = [];
  #colors: Uint8ClampedArray | null = null;

  /** Clear the caches: the eigenvectors changed, or no view is left. */
  clear(): void {
    this.#heats.clear();
    this.#unions.clear();
    this.#boxNodes.clear();
    this.#entries = [];
    this.#masks = [];
    this.#colors = null;
  }

  /** Masks of the objects; the same array as before if no mask has changed. */
  of(objects: readonly MaskObject[], context: MaskContext): readonly NodeMask[] {
    const entries = objects.map((object, index) => this.#entry(object, index, context));
    const unchanged = entries.length === this.#entries.length && entries.every((entry, i) => entry === this.#entries[i]);
    if (!unchanged) {
      this.#entries = entries;
      this.#masks = entries.map((entry) => entry.mask);
      this.#colors = null;
    }
    return this.#masks;
  }

  /** (4 n) RGBA of the visible masks last returned by `of`, later objects on top, transparent elsewhere. */
  colors(n: number): Uint8ClampedArray {
    if (this.#colors) return this.#colors;
    const regions = this.#masks.filter(({ object }) => object.visible).map(({ object, nodes }) => ({ nodes, color: object.color }));
    this.#colors = paintRegions(regions, n);
    return this.#colors;
  }

  #entry(object: MaskObject, index: number, context: MaskContext): Entry {
    const { positive, negative, missing } = this.heat(object, context);
    const old = this.#entries[index];
    if (old && old.object === object && old.positive === positive && old.negative === negative) return old;
    const sameMask = old && old.positive === positive && old.negative === negative
      && old.object.threshold === object.threshold && old.object.negative_threshold === object.negative_threshold
      && old.object.min_area === object.min_area;
    const nodes = sameMask ? old.mask.nodes : thresholdMask(positive, negative, object, context.grid.maps);
    return { object, positive, negative, mask: { index, object, nodes, missing } };
  }

  /** Similarity to the positive and negative prompts of an object, to which its thresholds apply. */
  heat(object: MaskObject, context: MaskContext): Heat {
    const prompts = { positive: [] as number[], negative: [] as number[] };
    const keys = { positive: [] as string[], negative: [] as string[] };
    const { grid, meta, source } = context;
    const embedding = context.embedding(object.n_eig);
    const add = (isPositive: boolean, key: string, prompt: () => Float32Array) => {
      const full = `${key}|${object.gamma}|${embedding.vectors.length}`;
      if (!this.#heats.has(full)) {
        setBounded(this.#heats, full, calibratedSimilarity(embedding, prompt(), object.gamma), CACHE_SIZE);
      }
      keys[isPositive ? "positive" : "negative"].push(full);
    };
    for (const click of object.clicks) {
      const map = grid.find(click.image, source);
      const node = map < 0 ? null : nodeAtPixel(grid, map, meta.images[click.image]!, click.x, click.y);
      if (node === null) continue;
      prompts[click.positive ? "positive" : "negative"].push(node);
      if (object.method === "similarity") add(click.positive, `${node}`, () => rowOf(embedding, node));
    }
    for (const box of object.boxes) {
      const map = grid.find(box.image, source);
      if (map < 0) continue;
      const range = patchesInBox(box, grid.maps[map]!, meta.images[box.image]!);
      const key = `${map},${range.rows},${range.columns}`;
      if (object.method === "similarity") add(box.positive, key, () => boxPrompt(embedding, grid, map, range));
      else prompts[box.positive ? "positive" : "negative"].push(this.#boxNode(key, embedding, grid, map, range));
    }
    if (object.method === "ncut") {
      const positive = context.kernelHeat(object, prompts);
      return { positive, negative: null, missing: !positive && prompts.positive.length > 0 };
    }
    return { positive: this.#union(keys.positive), negative: this.#union(keys.negative), missing: false };
  }

  #boxNode(range: string, embedding: Embedding, ...where: [PatchGrid, number, PatchRange]): number {
    const key = `${range}|${embedding.vectors.length}`;
    let node = this.#boxNodes.get(key);
    if (node === undefined) {
      node = boxNode(embedding, ...where);
      setBounded(this.#boxNodes, key, node, CACHE_SIZE);
    }
    return node;
  }

  #union(keys: readonly string[]): Float32Array | null {
    if (keys.length === 0) return null;
    if (keys.length === 1) return this.#heats.get(keys[0]!)!;
    const key = keys.join(" ");
    let union = this.#unions.get(key);
    if (!union) {
      union = this.#heats.get(keys[0]!)!.slice();
      for (const other of keys.slice(1)) {
        const heat = this.#heats.get(other)!;
        for (let i = 0; i < union.length; i++) if (heat[i]! > union[i]!) union[i] = heat[i]!;
      }
      setBounded(this.#unions, key, union, CACHE_SIZE);
    }
    return union;
  }
}
