/** The eigenvectors of all nodes, stored column by column. */

/**
 * One array per eigenvector, not per node: a loop over four columns at a time is more than twice as fast in a browser
 * as a loop over rows, and the leading eigenvectors need no copy.
 */
export interface Embedding {
  /** (n) each. */
  vectors: readonly Float32Array[];
  /** (n) Euclidean norm of each row, clamped above zero so that a zero row has similarity 0 to everything. */
  norms: Float32Array;
}

/** Transposes (n, columns) values, stored row by row as they arrive over the wire. */
export function embeddingFromRows(rows: Float32Array, columns: number): Embedding {
  const n = rows.length / columns;
  const vectors = Array.from({ length: columns }, () => new Float32Array(n));
  // In blocks that fit in the CPU cache, because reads and writes run in different directions.
  for (let start = 0; start < n; start += BLOCK_SIZE) {
    const stop = Math.min(n, start + BLOCK_SIZE);
    vectors.forEach((vector, k) => {
      for (let i = start; i < stop; i++) vector[i] = rows[i * columns + k]!;
    });
  }
  return { vectors, norms: lengths(vectors) };
}

const BLOCK_SIZE = 256;

/** The embedding restricted to the first `columns` eigenvectors, or all of them if there are fewer. */
export function leadingEigenvectors({ vectors, norms }: Embedding, columns: number): Embedding {
  if (columns >= vectors.length) return { vectors, norms };
  const first = vectors.slice(0, columns);
  return { vectors: first, norms: lengths(first) };
}

/** (k) eigenvectors of a node: the prompt of a click on it. */
export function rowOf({ vectors }: Embedding, node: number): Float32Array {
  return Float32Array.from(vectors, (vector) => vector[node]!);
}

/** (k) weighted mean of the normalized rows of some nodes; equal weights by default. */
export function meanDirection({ vectors, norms }: Embedding, nodes: readonly number[], weights?: readonly number[]): Float32Array {
  const total = weights ? weights.reduce((sum, weight) => sum + weight, 0) : nodes.length;
  return Float32Array.from(vectors, (vector) => {
    let sum = 0;
    for (let i = 0; i < nodes.length; i++) sum += ((weights ? weights[i]! : 1) * vector[nodes[i]!]!) / norms[nodes[i]!]!;
    return sum / (total || 1);
  });
}

/** Cosine similarity of some nodes to a direction of any length. */
export function cosinesOf({ vectors, norms }: Embedding, nodes: readonly number[], direction: Float32Array): number[] {
  const length = lengthOf(direction);
  return nodes.map((node) => {
    let sum = 0;
    for (let k = 0; k < vectors.length; k++) sum += vectors[k]![node]! * direction[k]!;
    return sum / (norms[node]! * length);
  });
}

/** The node with the highest cosine similarity to a direction; the first one in a tie. */
export function argmaxCosine(embedding: Embedding, nodes: readonly number[], direction: Float32Array): number {
  const cosines = cosinesOf(embedding, nodes, direction);
  return nodes[cosines.reduce((best, cosine, i) => (cosine > cosines[best]! ? i : best), 0)]!;
}

/** Norm of a prompt, clamped above zero so that nothing is similar to a zero prompt. */
export function lengthOf(prompt: Float32Array): number {
  return Math.max(Math.hypot(...prompt), MIN_NORM);
}

function lengths(vectors: readonly Float32Array[]): Float32Array {
  const squares = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) for (let i = 0; i < squares.length; i++) squares[i]! += vector[i]! * vector[i]!;
  return Float32Array.from(squares, (square) => Math.max(Math.sqrt(square), MIN_NORM));
}

const MIN_NORM = 1e-12;
