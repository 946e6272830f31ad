/** Attribution targets: a cluster, an object's mask, the pinned patches or a whole image. */
import type { MaskObject } from "../../shared/types.ts";

export type Target =
  | { kind: "cluster"; id: number }
  | { kind: "mask"; name: string }
  | { kind: "pinned" }
  | { kind: "image"; image: number };

export type Method = "gradient" | "abs_gradient" | "gradient_x_input" | "ablation";

/** Value, label and description. */
export const METHODS: readonly (readonly [Method, string, string])[] = [
  ["gradient", "Gradient", "Effect of a small increase of a channel"],
  ["abs_gradient", "|Gradient|", "Sensitivity to a channel, regardless of sign"],
  ["gradient_x_input", "Gradient × input", "First-order effect of a channel's actual values"],
  ["ablation", "Ablation", "Drop of the score without a channel: slow ground truth"],
];

/** A request to the kernel; `key` identifies everything that the result depends on. */
export interface AttributionRequest {
  name: string;
  params: { nodes: readonly number[] } | MaskParams | null;
  /** The target's row in the result. */
  row: number;
  key: string;
}

/** Inputs of an object's mask. */
export interface MaskParams {
  source: string;
  objects: readonly MaskObject[];
}

export interface RequestInputs {
  count: number;
  /** Nodes of the target, if the kernel cannot identify it otherwise. */
  nodes: readonly number[];
  /** For masks only. */
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

/** Nodes with a label. */
export function nodesWithLabel(labels: Uint8Array, label: number): number[] {
  return [...labels.keys()].filter((node) => labels[node] === label);
}
