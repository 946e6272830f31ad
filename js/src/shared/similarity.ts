/** Similarity of every node to a prompt, shared by hover, clicks and selection. */
import quickselect from "quickselect";
import { type Embedding, lengthOf, rowOf } from "./embedding.ts";

/** Rounding error of cosines of float32 rows: a smaller standard deviation means that all nodes are equal. */
const MIN_DEVIATION = 1e-7;
/** exp(80) is finite in float32 and far above any threshold. */
const MAX_EXPONENT = 80;

/** (n) cosine similarity of every node to a prompt: a row or a mean of rows. */
export function cosine({ vectors, norms }: Embedding, prompt: Float32Array): Float32Array {
  const n = norms.length;
  const sums = new Float64Array(n);
  let k = 0;
  for (; k + 3 < vectors.length; k += 4) {
    const [a, b, c, d] = vectors.slice(k, k + 4) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const [p, q, r, s] = prompt.subarray(k, k + 4) as unknown as [number, number, number, number];
    for (let i = 0; i < n; i++) sums[i]! += p * a[i]! + q * b[i]! + r * c[i]! + s * d[i]!;
  }
  for (; k < vectors.length; k++) {
    const [vector, weight] = [vectors[k]!, prompt[k]!];
    for (let i = 0; i < n; i++) sums[i]! += weight * vector[i]!;
  }
  const scale = 1 / lengthOf(prompt);
  const out = new Float32Array(n);
  for (let i = 0; i < n; i++) out[i] = (sums[i]! * scale) / norms[i]!;
  return out;
}

/** The q-quantile with linear interpolation, like numpy's default. Selects in place, which reorders `values`. */
export function quantileInPlace(values: Float32Array, q: number): number {
  const [at, next, share] = quantileNeighborsInPlace(values, q);
  return at + share * (next - at);
}

/** The two order statistics around the q-quantile and the interpolation weight; reorders `values`. */
function quantileNeighborsInPlace(values: Float32Array, q: number): [number, number, number] {
  const position = q * (values.length - 1);
  const low = Math.floor(position);
  // quickselect is typed for arrays but works on typed arrays.
  quickselect(values as unknown as number[], low);
  const at = values[low]!;
  if (low === position) return [at, at, 0];
  let next = Infinity;
  for (let i = low + 1; i < values.length; i++) next = Math.min(next, values[i]!);
  return [at, next, position - low];
}

/**
 * (n) calibrated similarity to a prompt: at most 1 for 99 % of the nodes and above 1 for the most similar ones. With
 * h = 1 - cos(u, p) and its standard score z over all nodes, g = exp(-gamma z) is mapped linearly so that its 1 % and 99 %
 * quantiles become 0 and 1. If all nodes are equal, every value is 1; if the quantiles coincide, the result is a step
 * halfway between them and the maximum. Mirrors Python's similarity.py.
 */
export function calibratedSimilarity(embedding: Embedding, prompt: Float32Array, gamma = 1): Float32Array {
  const map = cosine(embedding, prompt);
  const n = map.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += map[i]!;
  mean /= n;
  let variance = 0;
  for (let i = 0; i < n; i++) variance += (map[i]! - mean) ** 2;
  const deviation = Math.sqrt(variance / Math.max(1, n - 1));
  if (!(deviation > MIN_DEVIATION)) return map.fill(1);
  // Quantiles are taken of the cosines, because g increases with the cosine. Scaling g has no effect on the result, so
  // it is anchored at the upper quantile to avoid overflow.
  const scratch = map.slice();
  const lower = quantileNeighborsInPlace(scratch, 0.01);
  const upper = quantileNeighborsInPlace(scratch, 0.99);
  const rate = gamma / deviation;
  const anchor = upper[0];
  const g = (cos: number) => Math.exp(Math.min((cos - anchor) * rate, MAX_EXPONENT));
  const between = ([at, next, share]: [number, number, number]) => g(at) + share * (g(next) - g(at));
  const low = between(lower);
  const span = between(upper) - low;
  if (!(span > 0)) {
    const step = (low + g(map.reduce((a, b) => Math.max(a, b)))) / 2;
    for (let i = 0; i < n; i++) map[i] = Number(g(map[i]!) >= step);
    return map;
  }
  for (let i = 0; i < n; i++) map[i] = (g(map[i]!) - low) / span;
  return map;
}

/** (n) heatmap in [0, 1] of the prompt at a node: the calibrated similarity, clamped. */
export function heatmap(embedding: Embedding, node: number, gamma = 1): Float32Array {
  const map = calibratedSimilarity(embedding, rowOf(embedding, node), gamma);
  for (let i = 0; i < map.length; i++) map[i] = Math.min(1, Math.max(0, map[i]!));
  return map;
}
