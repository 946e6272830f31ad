/** The eigenvectors of all nodes, as the loops over all nodes want them. */

/**
 * One array for each eigenvector, not one for each node: a loop that runs along four of them at a time is more than
 * twice as fast in a browser as one over the rows, and the leading ones are there without a copy.
 */
export interface Embedding {
  /** (n) each. */
  vectors: readonly Float32Array[];
  /** (n) Euclidean length of each node's row, at least a tiny positive number, so that a zero row is similar to nothing. */
  norms: Float32Array;
}

/** From (n, columns) values row by row, as they come over the wire. */
export function embeddingFromRows(rows: Float32Array, columns: number): Embedding {
  const n = rows.length / columns;
  const vectors = Array.from({ length: columns }, () => new Float32Array(n));
  // In blocks of nodes that fit in the processor's cache, since what is read and what is written lie across each other.
  for (let start = 0; start < n; start += BLOCK_SIZE) {
    const stop = Math.min(n, start + BLOCK_SIZE);
    vectors.forEach((vector, k) => {
      for (let i = start; i < stop; i++) vector[i] = rows[i * columns + k]!;
    });
  }
  return { vectors, norms: lengths(vectors) };
}

const BLOCK_SIZE = 256;

/** The same nodes by the leading eigenvectors alone, or by all where there are no more. */
export function leadingEigenvectors({ vectors, norms }: Embedding, columns: number): Embedding {
  if (columns >= vectors.length) return { vectors, norms };
  const first = vectors.slice(0, columns);
  return { vectors: first, norms: lengths(first) };
}

/** (k) eigenvectors of a node: the prompt of a click there. */
export function rowOf({ vectors }: Embedding, node: number): Float32Array {
  return Float32Array.from(vectors, (vector) => vector[node]!);
}

/** (k) mean direction of some nodes, each with its weight, or all alike. */
export function meanDirection({ vectors, norms }: Embedding, nodes: readonly number[], weights?: readonly number[]): Float32Array {
  const total = weights ? weights.reduce((sum, weight) => sum + weight, 0) : nodes.length;
  return Float32Array.from(vectors, (vector) => {
    let sum = 0;
    for (let i = 0; i < nodes.length; i++) sum += ((weights ? weights[i]! : 1) * vector[nodes[i]!]!) / norms[nodes[i]!]!;
    return sum / (total || 1);
  });
}

/** The cosine of each of some nodes with a direction of any length. */
export function cosinesOf({ vectors, norms }: Embedding, nodes: readonly number[], direction: Float32Array): number[] {
  const length = lengthOf(direction);
  return nodes.map((node) => {
    let sum = 0;
    for (let k = 0; k < vectors.length; k++) sum += vectors[k]![node]! * direction[k]!;
    return sum / (norms[node]! * length);
  });
}

/** Which of some nodes is most like a direction, the first of equals. */
export function argmaxCosine(embedding: Embedding, nodes: readonly number[], direction: Float32Array): number {
  const cosines = cosinesOf(embedding, nodes, direction);
  return nodes[cosines.reduce((best, cosine, i) => (cosine > cosines[best]! ? i : best), 0)]!;
}

/** At least a tiny positive number: nothing is similar to a prompt of zeros. */
export function lengthOf(prompt: Float32Array): number {
  return Math.max(Math.hypot(...prompt), MIN_NORM);
}

function lengths(vectors: readonly Float32Array[]): Float32Array {
  const squares = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) for (let i = 0; i < squares.length; i++) squares[i]! += vector[i]! * vector[i]!;
  return Float32Array.from(squares, (square) => Math.max(Math.sqrt(square), MIN_NORM));
}

const MIN_NORM = 1e-12;
