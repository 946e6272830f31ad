/** A thin box around the cloud. Only the faces behind the points are drawn, so that the box never covers a point. */
import { type Bounds, type Projection, project } from "./camera.ts";
import type { ThemeColors } from "./marks.ts";

type Axis = 0 | 1 | 2;
const AXES: readonly Axis[] = [0, 1, 2];
/** Distance of a label from its line, in CSS pixels. */
const LABEL_OFFSET = 11;

export interface Edge {
  axis: Axis;
  from: [number, number, number];
  to: [number, number, number];
  /** Whether the edge is on the silhouette of the box, so that a label does not overlap the points. */
  outline: boolean;
}

/** The nine edges of the three faces that point away from a camera at `position`. */
export function backEdges({ low, high }: Bounds, position: readonly number[]): Edge[] {
  const ends = [low, high] as const;
  // A face is at the back if the camera is on the inner side of its plane; between both planes, the farther one.
  const hidden = AXES.map((axis) => (position[axis]! > (low[axis] + high[axis]) / 2 ? 0 : 1));
  const edges: Edge[] = [];
  for (const axis of AXES) {
    const [u, v] = AXES.filter((other) => other !== axis) as [Axis, Axis];
    for (const a of [0, 1] as const) {
      for (const b of [0, 1] as const) {
        const faces = Number(a === hidden[u]) + Number(b === hidden[v]);
        if (faces === 0) continue;
        const from: [number, number, number] = [0, 0, 0];
        from[axis] = low[axis];
        from[u] = ends[a][u];
        from[v] = ends[b][v];
        const to: [number, number, number] = [...from];
        to[axis] = high[axis];
        edges.push({ axis, from, to, outline: faces === 1 });
      }
    }
  }
  return edges;
}

export function drawAxes(
  context: CanvasRenderingContext2D, view: Projection, cloud: Bounds, width: number, height: number, theme: ThemeColors,
): void {
  const at = ([x, y, z]: [number, number, number]) => project(view.viewProjection, x, y, z, width, height);
  const middle = at(cloud.center);
  context.lineWidth = 1;
  context.strokeStyle = theme.line;
  context.fillStyle = theme.muted;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  const labels = new Map<Axis, { x: number; y: number }>();
  for (const edge of backEdges(cloud, view.position)) {
    const from = at(edge.from);
    const to = at(edge.to);
    if (!(from.depth > 0 && to.depth > 0)) continue;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    const place = visibleMidpoint(from, to, width, height);
    // Each axis has two edges on the silhouette; the lower one on screen gets the label.
    if (edge.outline && place && place.y > (labels.get(edge.axis)?.y ?? -Infinity)) labels.set(edge.axis, place);
  }
  for (const [axis, { x, y }] of labels) {
    const away = Math.hypot(x - middle.x, y - middle.y) || 1;
    context.fillText(String(axis + 1), x + ((x - middle.x) / away) * LABEL_OFFSET, y + ((y - middle.y) / away) * LABEL_OFFSET);
  }
}

/** The midpoint of the visible part of a line, inset by the size of a label; null if no part is visible. */
export function visibleMidpoint(
  from: { x: number; y: number }, to: { x: number; y: number }, width: number, height: number,
): { x: number; y: number } | null {
  const inset = 2 * LABEL_OFFSET;
  let start = 0;
  let end = 1;
  for (const [origin, delta, size] of [[from.x, to.x - from.x, width], [from.y, to.y - from.y, height]] as const) {
    const low = (inset - origin) / delta;
    const high = (size - inset - origin) / delta;
    if (delta === 0) {
      if (origin < inset || origin > size - inset) return null;
    } else {
      start = Math.max(start, Math.min(low, high));
      end = Math.min(end, Math.max(low, high));
    }
  }
  if (start >= end) return null;
  const t = (start + end) / 2;
  return { x: from.x + (to.x - from.x) * t, y: from.y + (to.y - from.y) * t };
}
