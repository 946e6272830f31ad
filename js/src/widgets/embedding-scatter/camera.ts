/** The camera: initial view, gestures, and projection of points to the screen. */
import { quantileInPlace } from "../../shared/similarity.ts";
import type { Camera } from "../../shared/types.ts";

type Vector = [number, number, number];

/** Half the field of view along the shorter side of the view, so that narrow cells cut nothing off. */
const TAN_HALF_FOV = Math.tan((35 / 2) * (Math.PI / 180));
/** Direction of the initial view: a three-quarter view from slightly above, with z up. */
const INITIAL_DIRECTION: Vector = unit([0.62, -0.78, 0.48]);
/** Minimum polar angle in radians: at the pole the view would spin. */
const MIN_POLAR_ANGLE = 0.02;
/** Fraction of the points that the initial view must contain; outliers may be outside. */
const FRAMED_SHARE = 0.995;
/** Maximum increase of the distance to include all outliers. */
const MAX_ZOOM_OUT = 1.25;
const MARGIN = 1.06;
const SAMPLE_SIZE = 20_000;

/** Coordinates of the points along one axis of the camera. */
interface Extent {
  along: Float32Array;
  middle: number;
}

/** Bounds of all finite points. An empty cloud has unit bounds at the origin. */
export interface Bounds {
  low: Vector;
  high: Vector;
  center: Vector;
  radius: number;
}

function add(a: Vector, b: Vector, scale = 1): Vector {
  return [a[0] + b[0] * scale, a[1] + b[1] * scale, a[2] + b[2] * scale];
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function unit(a: Vector): Vector {
  const length = Math.hypot(...a) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
}

export function bounds(coords: Float32Array): Bounds {
  const low: Vector = [Infinity, Infinity, Infinity];
  const high: Vector = [-Infinity, -Infinity, -Infinity];
  for (let p = 0; p < coords.length; p++) {
    const value = coords[p]!;
    const axis = (p % 3) as 0 | 1 | 2;
    if (!Number.isFinite(value)) continue;
    if (value < low[axis]) low[axis] = value;
    if (value > high[axis]) high[axis] = value;
  }
  for (const axis of [0, 1, 2] as const) {
    if (low[axis] > high[axis]) [low[axis], high[axis]] = [-1, 1];
  }
  const center: Vector = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2];
  return { low, high, center, radius: Math.hypot(...add(high, center, -1)) || 1 };
}

/** Camera axes in point space: right, up, and back towards the viewer. */
function basis(back: Vector): { right: Vector; up: Vector; back: Vector } {
  const side = cross([0, 0, 1], back);
  const right = Math.hypot(...side) > 1e-9 ? unit(side) : ([1, 0, 0] as Vector);
  return { right, up: cross(back, right), back };
}

function offset(camera: Camera): { back: Vector; distance: number } {
  const away = add(camera.position, camera.target, -1);
  const distance = Math.hypot(...away);
  return distance > 0 ? { back: unit(away), distance } : { back: INITIAL_DIRECTION, distance: 1 };
}

/** A regular sample of the finite points, enough to determine the initial view. */
function sample(coords: Float32Array): Vector[] {
  const step = Math.ceil(coords.length / 3 / SAMPLE_SIZE) * 3;
  const points: Vector[] = [];
  for (let p = 0; p < coords.length; p += step) {
    const point: Vector = [coords[p]!, coords[p + 1]!, coords[p + 2]!];
    if (point.every(Number.isFinite)) points.push(point);
  }
  return points;
}

/** The initial view: as close as possible with all points visible, except for a few outliers. */
export function frame(coords: Float32Array, aspect: number): Camera {
  const { right, up, back } = basis(INITIAL_DIRECTION);
  const points = sample(coords);
  const [x, y, z] = [right, up, back].map((axis) => {
    const along = Float32Array.from(points, (point) => dot(point, axis));
    if (points.length === 0) return { along, middle: 0 };
    const scratch = along.slice();
    const low = quantileInPlace(scratch, (1 - FRAMED_SHARE) / 2);
    return { along, middle: (low + quantileInPlace(scratch, (1 + FRAMED_SHARE) / 2)) / 2 };
  }) as [Extent, Extent, Extent];
  const tangentX = TAN_HALF_FOV * Math.max(1, aspect);
  const tangentY = TAN_HALF_FOV / Math.min(1, aspect);
  // Minimum camera distance for each point.
  const needs = Float32Array.from(points, (_, i) => {
    const across = Math.abs(x.along[i]! - x.middle) / tangentX;
    const above = Math.abs(y.along[i]! - y.middle) / tangentY;
    return Math.max(across, above) + z.along[i]! - z.middle;
  });
  let distance = 0;
  if (points.length > 0) {
    const all = needs.reduce((most, need) => Math.max(most, need), 0);
    const most = quantileInPlace(needs, FRAMED_SHARE);
    distance = all < most * MAX_ZOOM_OUT ? all : most;
  }
  if (!(distance > 1e-9)) distance = 3;
  const target = add(add(add([0, 0, 0], right, x.middle), up, y.middle), back, z.middle);
  return { position: add(target, back, distance * MARGIN), target, zoom: 1 };
}

/** Rotate around the target by angles in radians, to the right and up. */
export function orbit(camera: Camera, right: number, up: number): Camera {
  const { back, distance } = offset(camera);
  const azimuth = Math.atan2(back[1], back[0]) - right;
  const polar = Math.min(Math.PI - MIN_POLAR_ANGLE, Math.max(MIN_POLAR_ANGLE, Math.acos(Math.min(1, Math.max(-1, back[2]))) + up));
  const direction: Vector = [
    Math.sin(polar) * Math.cos(azimuth), Math.sin(polar) * Math.sin(azimuth), Math.cos(polar),
  ];
  return { ...camera, position: add(camera.target, direction, distance) };
}

/** Move parallel to the screen, so that the target follows the pointer (pixels right, down). */
export function pan(camera: Camera, dx: number, dy: number, width: number, height: number): Camera {
  const { back, distance } = offset(camera);
  const { right, up } = basis(back);
  const step = (2 * distance * TAN_HALF_FOV) / (Math.min(width, height) * camera.zoom);
  const shift = add(add([0, 0, 0], right, -dx * step), up, dy * step);
  return { ...camera, position: add(camera.position, shift), target: add(camera.target, shift) };
}

/** Move closer (factor below 1) or away, within limits relative to the radius of the cloud. */
export function dolly(camera: Camera, factor: number, radius: number): Camera {
  const { back, distance } = offset(camera);
  const wanted = Math.min(radius * 50, Math.max(radius * 0.01, distance * factor));
  return { ...camera, position: add(camera.target, back, wanted) };
}

export function sameCamera(a: Camera, b: Camera): boolean {
  const close = (x: number, y: number) => Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x));
  return (
    close(a.zoom, b.zoom) &&
    a.position.every((value, i) => close(value, b.position[i]!)) &&
    a.target.every((value, i) => close(value, b.target[i]!))
  );
}

/** A camera applied to a view's aspect ratio: the inputs of drawing and picking. */
export interface Projection {
  /** Column-major 4 x 4 matrix from point space to clip space; w is the distance along the view direction. */
  viewProjection: Float32Array;
  /** Distance of the target, at which points have their nominal size. */
  focus: number;
  /** Distance range of the points. */
  depth: [number, number];
  /** Direction from the points to the viewer. */
  back: Vector;
  position: Vector;
}

export function createProjection(camera: Camera, aspect: number, cloud: Bounds): Projection {
  const { back, distance } = offset(camera);
  const { right, up } = basis(back);
  const position = add(camera.target, back, distance);
  const center = dot(add(position, cloud.center, -1), back);
  const far = Math.max(center + cloud.radius * 1.05, distance * 0.01);
  const near = Math.max((center - cloud.radius * 1.05) * 0.95, far * 1e-3);
  const scale = camera.zoom / TAN_HALF_FOV;
  const x = scale / Math.max(1, aspect);
  const y = scale * Math.min(1, aspect);
  const a = (far + near) / (near - far);
  const b = (2 * far * near) / (near - far);
  const tx = -dot(right, position);
  const ty = -dot(up, position);
  const tz = -dot(back, position);
  return {
    viewProjection: new Float32Array([
      x * right[0], y * up[0], a * back[0], -back[0],
      x * right[1], y * up[1], a * back[1], -back[1],
      x * right[2], y * up[2], a * back[2], -back[2],
      x * tx, y * ty, a * tz + b, -tz,
    ]),
    focus: distance,
    depth: [Math.max(near, center - cloud.radius), far],
    back,
    position,
  };
}

export interface Projected {
  x: number;
  y: number;
  /** Distance along the view direction; not positive behind the camera. */
  depth: number;
}

/** Projects a point to a screen of the given size, in pixels from the top left. */
export function project(
  viewProjection: Float32Array, x: number, y: number, z: number, width: number, height: number,
): Projected {
  const m = viewProjection;
  const depth = m[3]! * x + m[7]! * y + m[11]! * z + m[15]!;
  const cx = m[0]! * x + m[4]! * y + m[8]! * z + m[12]!;
  const cy = m[1]! * x + m[5]! * y + m[9]! * z + m[13]!;
  return { x: (cx / depth + 1) * 0.5 * width, y: (1 - cy / depth) * 0.5 * height, depth };
}
