/** Point picking on the CPU: projecting all points is faster than reading back from the GPU. */
import { POINT_STYLE } from "../../shared/point-renderer.ts";
import type { Projection } from "./camera.ts";

/** Distance in pixels within which a point is picked if none is hit directly. */
const PICK_TOLERANCE = 4;

/** Diameter of a point at a distance, given its diameter at the focus. */
export function diameterAt(size: number, focus: number, depth: number): number {
  return size * Math.min(POINT_STYLE.largest, Math.max(POINT_STYLE.smallest, Math.sqrt(focus / depth)));
}

/**
 * The front-most point whose disc contains the pixel (x, y), else the point with the closest edge within
 * `PICK_TOLERANCE` pixels, else null. Lengths are in the pixels of the view's width and height.
 */
export function pick(
  coords: Float32Array,
  { viewProjection: m, focus }: Projection,
  x: number, y: number, width: number, height: number, size: number,
): number | null {
  const m0 = m[0]!, m4 = m[4]!, m8 = m[8]!, m12 = m[12]!;
  const m1 = m[1]!, m5 = m[5]!, m9 = m[9]!, m13 = m[13]!;
  const m3 = m[3]!, m7 = m[7]!, m11 = m[11]!, m15 = m[15]!;
  // The pointer in normalized device coordinates, and pixels per unit.
  const px = (2 * x) / width - 1;
  const py = 1 - (2 * y) / height;
  const halfWidth = width / 2;
  const halfHeight = height / 2;
  const widest = (size * POINT_STYLE.largest) / 2 + PICK_TOLERANCE;
  const n = coords.length / 3;
  let hit = -1;
  let front = Infinity;
  let near = -1;
  let nearest = PICK_TOLERANCE;
  for (let i = 0, p = 0; i < n; i++, p += 3) {
    const cx = coords[p]!;
    const cy = coords[p + 1]!;
    const cz = coords[p + 2]!;
    const depth = m3 * cx + m7 * cy + m11 * cz + m15;
    if (!(depth > 0)) continue;
    const dx = ((m0 * cx + m4 * cy + m8 * cz + m12) / depth - px) * halfWidth;
    if (dx > widest || dx < -widest) continue;
    const dy = ((m1 * cx + m5 * cy + m9 * cz + m13) / depth - py) * halfHeight;
    if (dy > widest || dy < -widest) continue;
    const gap = Math.sqrt(dx * dx + dy * dy) - diameterAt(size, focus, depth) / 2;
    if (gap <= 0) {
      if (depth < front) {
        front = depth;
        hit = i;
      }
    } else if (gap <= nearest) {
      nearest = gap;
      near = i;
    }
  }
  if (hit >= 0) return hit;
  return near >= 0 ? near : null;
}
