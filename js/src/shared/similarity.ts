/** Similarity of every node to a prompt: the one loop that hover, click and selection share. */

/** (n) Euclidean length of each row, at least a tiny positive number, so that a zero row is similar to nothing. */
export function rowNorms(values: Float32Array, columns: number): Float32Array {
  const n = values.length / columns;
  const norms = new Float32Array(n);
  for (let i = 0, p = 0; i < n; i++) {
    let sum = 0;
    for (let k = 0; k < columns; k++, p++) sum += values[p]! * values[p]!;
    norms[i] = Math.max(Math.sqrt(sum), 1e-12);
  }
  return norms;
}

/** (n) cosine of every row with row `node`. */
export function cosine(values: Float32Array, columns: number, norms: Float32Array, node: number): Float32Array {
  const n = norms.length;
  const prompt = values.subarray(node * columns, (node + 1) * columns);
  const scale = 1 / norms[node]!;
  const out = new Float32Array(n);
  for (let i = 0, p = 0; i < n; i++) {
    let sum = 0;
    for (let k = 0; k < columns; k++, p++) sum += values[p]! * prompt[k]!;
    out[i] = (sum * scale) / norms[i]!;
  }
  return out;
}

/**
 * The q-quantile with linear interpolation between neighbours, as numpy's default has it. Selects in place
 * (Hoare), so `values` comes back in another order.
 */
export function quantileInPlace(values: Float32Array, q: number): number {
  const position = q * (values.length - 1);
  const low = Math.floor(position);
  select(values, low);
  const at = values[low]!;
  if (low === position) return at;
  let next = Infinity;
  for (let i = low + 1; i < values.length; i++) next = Math.min(next, values[i]!);
  return at + (position - low) * (next - at);
}

function select(values: Float32Array, k: number): void {
  let left = 0;
  let right = values.length - 1;
  while (left < right) {
    const pivot = values[(left + right) >> 1]!;
    let i = left;
    let j = right;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i <= j) {
        const swap = values[i]!;
        values[i++] = values[j]!;
        values[j--] = swap;
      }
    }
    if (k <= j) right = j;
    else if (k >= i) left = i;
    else return;
  }
}

/**
 * (n) heatmap in [0, 1] of one prompt: with h = 1 - cos(u, p) and z its standard score over all nodes,
 * g = exp(-gamma z) is stretched between its 1 % and 99 % quantiles. Where every node is alike, all are 1; where
 * nearly all are, so that the quantiles coincide, it is a step halfway to the largest. As similarity_heatmap in Python.
 */
export function heatmap(
  values: Float32Array,
  columns: number,
  norms: Float32Array,
  node: number,
  gamma = 1,
): Float32Array {
  const map = cosine(values, columns, norms, node);
  const n = map.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += map[i]!;
  mean /= n;
  let variance = 0;
  for (let i = 0; i < n; i++) variance += (map[i]! - mean) ** 2;
  const deviation = Math.sqrt(variance / Math.max(1, n - 1));
  if (!(deviation > 1e-7)) return map.fill(1);
  const rate = gamma / deviation;
  // h - mean(h) = mean(cos) - cos, so the sign turns.
  for (let i = 0; i < n; i++) map[i] = Math.exp((map[i]! - mean) * rate);
  const scratch = map.slice();
  const low = quantileInPlace(scratch, 0.01);
  const high = quantileInPlace(scratch, 0.99);
  const span = high - low;
  if (!(span > 0)) {
    const step = (low + map.reduce((a, b) => Math.max(a, b))) / 2;
    return map.map((value) => Number(value >= step));
  }
  for (let i = 0; i < n; i++) map[i] = Math.min(1, Math.max(0, (map[i]! - low) / span));
  return map;
}
