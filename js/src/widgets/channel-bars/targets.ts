/** What channels are asked about: a cluster, an object's mask, the pinned patches or a whole image. */
import type { PatchGrid } from "../../shared/geometry.ts";
import type { MaskObject } from "../../shared/types.ts";

export type Target =
  | { kind: "cluster"; id: number }
  | { kind: "mask"; name: string }
  | { kind: "pinned" }
  | { kind: "image"; image: number };

export type Method = "gradient" | "abs_gradient" | "gradient_x_input" | "ablation";

/** Value, text, and what it is in a sentence. */
export const METHODS: readonly (readonly [Method, string, string])[] = [
  ["gradient", "Gradient", "What a little more of a channel does"],
  ["abs_gradient", "|Gradient|", "How much a channel matters, whichever way"],
  ["gradient_x_input", "Gradient × input", "What a channel as it is does, to first order"],
  ["ablation", "Ablation", "How much weaker it is without a channel: slow ground truth"],
];

/** What a request to the kernel is made of; `key` says all that the answer depends on. */
export interface AttributionRequest {
  name: string;
  params: { nodes: readonly number[] } | MaskParams | null;
  /** Which row of the answer is the target's. */
  row: number;
  key: string;
}

/** What the mask of an object depends on. */
export interface MaskParams {
  source: string;
  objects: readonly MaskObject[];
}

export interface RequestInputs {
  count: number;
  /** Of the target, where the kernel knows it by nothing else. */
  nodes: readonly number[];
  /** Of an object's mask, null for other targets. */
  mask: MaskParams | null;
  embedding: number;
}

export function attributionRequest(target: Target, method: Method, inputs: RequestInputs): AttributionRequest {
  const about = { params: null, row: 0 };
  if (target.kind === "mask") {
    const name = `attribution/${method}/mask/${encodeURIComponent(target.name)}`;
    return keyed({ ...about, name, params: inputs.mask }, inputs, JSON.stringify(inputs.mask));
  }
  if (target.kind === "cluster" && !inputs.nodes.length) {
    return keyed({ ...about, name: `attribution/${method}/clusters/${inputs.count}`, row: target.id }, inputs);
  }
  return keyed({ ...about, name: `attribution/${method}/nodes`, params: { nodes: inputs.nodes } }, inputs, inputs.nodes.join());
}

export function evidenceRequest(target: Target, method: Method, inputs: RequestInputs): AttributionRequest {
  const { name, params, key } = attributionRequest(target, method, inputs);
  const row = target.kind === "cluster" && !params ? `/${target.id}` : "";
  return { name: name.replace(/^attribution/, "evidence") + row, params, row: 0, key: `evidence${row} ${key}` };
}

function keyed(request: Omit<AttributionRequest, "key">, { embedding }: RequestInputs, more = ""): AttributionRequest {
  return { ...request, key: `${embedding} ${request.name} ${more}` };
}

/** The nodes of a label. */
export function nodesWithLabel(labels: Uint8Array, label: number): number[] {
  return [...labels.keys()].filter((node) => labels[node] === label);
}

/** All patches of an image under a source. */
export function nodesOfImage(grid: PatchGrid, image: number, source: string): number[] {
  const map = grid.find(image, source);
  if (map < 0) return [];
  const [start, end] = [grid.offsets[map]!, grid.offsets[map + 1]!];
  return Array.from({ length: end - start }, (_, i) => start + i);
}

/** A region of the images, 1 where a node is in it. */
export interface Region {
  nodes: Uint8Array;
  /** #rrggbb */
  color: string;
}

/** (4 n) RGBA: each region in its colour, later ones over earlier ones, all else clear. */
export function paintRegions(regions: readonly Region[], n: number): Uint8ClampedArray {
  const out = new Uint32Array(n);
  for (const { nodes, color } of regions) {
    const rgb = Number.parseInt(color.slice(1), 16);
    const word = new Uint32Array(Uint8Array.of(rgb >> 16, rgb >> 8, rgb, 255).buffer)[0]!;
    for (let i = 0; i < n; i++) if (nodes[i]) out[i] = word;
  }
  return new Uint8ClampedArray(out.buffer);
}
