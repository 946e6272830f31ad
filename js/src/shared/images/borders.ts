/** Borders between patches with different labels, as SVG paths that stay sharp at any size. */

/**
 * SVG path along every edge between two patches with different labels, in patches from the top left of a map. The edge of
 * the image is excluded; collinear edges are joined. The labels of the map start at `offset`.
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

function runs(length: number, inside: (at: number) => boolean, emit: (from: number, to: number) => void): void {
  let from = -1;
  for (let at = 0; at <= length; at++) {
    const now = at < length && inside(at);
    if (now && from < 0) from = at;
    if (now || from < 0) continue;
    emit(from, at);
    from = -1;
  }
}
