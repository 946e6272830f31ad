/** The borders between patches of different labels, as lines that stay crisp at any size. */

/**
 * An SVG path, in patches from the top left of a map, along every edge between two patches whose labels differ; the
 * edge of the image is none. Edges in one line are one stroke. The labels of the map start at `offset`.
 */
export function borderPath(labels: Uint8Array, offset: number, rows: number, columns: number): string {
  const path: string[] = [];
  for (let y = 1; y < rows; y++) {
    const row = offset + y * columns;
    runs(columns, (x) => labels[row + x] !== labels[row + x - columns], (from, to) => path.push(`M${from} ${y}H${to}`));
  }
  for (let x = 1; x < columns; x++) {
    const differs = (y: number) => labels[offset + y * columns + x] !== labels[offset + y * columns + x - 1];
    runs(rows, differs, (from, to) => path.push(`M${x} ${from}V${to}`));
  }
  return path.join("");
}

function runs(length: number, inside: (at: number) => boolean, tell: (from: number, to: number) => void): void {
  let from = -1;
  for (let at = 0; at <= length; at++) {
    const now = at < length && inside(at);
    if (now && from < 0) from = at;
    if (now || from < 0) continue;
    tell(from, at);
    from = -1;
  }
}
