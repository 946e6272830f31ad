/** Point rendering without WebGL2: projected, sorted by depth and drawn back to front. */
import { type Frame, POINT_STYLE, type PointRenderer } from "../../shared/point-renderer.ts";
import { diameterAt } from "./picking.ts";

const LEVELS = 4096;
/** Discs are cached in steps of a quarter pixel of diameter. */
const STEPS = 4;

/** Pixels of a disc relative to its center, with coverage and rim fraction. */
interface Disc {
  dx: Int16Array;
  dy: Int16Array;
  coverage: Float32Array;
  rim: Float32Array;
}

export function rasterizeDisc(diameter: number): Disc {
  const radius = diameter / 2;
  const reach = Math.ceil(radius + 0.5);
  const strength = smoothstep(POINT_STYLE.rimFrom, POINT_STYLE.rimTo, diameter);
  const pixels: [number, number, number, number][] = [];
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const inside = radius - Math.hypot(dx, dy);
      const coverage = Math.min(1, Math.max(0, inside + 0.5));
      if (coverage > 0) pixels.push([dx, dy, coverage, strength * (1 - smoothstep(0, POINT_STYLE.rim, inside))]);
    }
  }
  return {
    dx: Int16Array.from(pixels, (pixel) => pixel[0]),
    dy: Int16Array.from(pixels, (pixel) => pixel[1]),
    coverage: Float32Array.from(pixels, (pixel) => pixel[2]),
    rim: Float32Array.from(pixels, (pixel) => pixel[3]),
  };
}

function smoothstep(from: number, to: number, x: number): number {
  const t = Math.min(1, Math.max(0, (x - from) / (to - from)));
  return t * t * (3 - 2 * t);
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}

/** Indices of the points in front of the camera, farthest first (counting sort). */
export function sortFarToNear(depths: Float32Array, nearest: number, farthest: number): Uint32Array {
  const scale = (LEVELS - 1) / Math.max(farthest - nearest, 1e-9);
  const levels = new Uint16Array(depths.length);
  const starts = new Uint32Array(LEVELS + 1);
  let count = 0;
  for (let i = 0; i < depths.length; i++) {
    if (!(depths[i]! > 0)) continue;
    const level = Math.min(LEVELS - 1, Math.max(0, Math.round((farthest - depths[i]!) * scale)));
    levels[i] = level;
    starts[level + 1]! += 1;
    count += 1;
  }
  for (let level = 0; level < LEVELS; level++) starts[level + 1]! += starts[level]!;
  const order = new Uint32Array(count);
  for (let i = 0; i < depths.length; i++) if (depths[i]! > 0) order[starts[levels[i]!]!++] = i;
  return order;
}

/** Draws the points into transparent RGBA pixels (not premultiplied). */
export function splat(
  pixels: Uint8ClampedArray, coords: Float32Array, rgba: Uint8ClampedArray, frame: Frame, discs: Map<number, Disc>,
): void {
  const { width, height, viewProjection: m, size, focus, depth, ground } = frame;
  const n = Math.min(coords.length / 3, rgba.length / 4);
  const depths = new Float32Array(n);
  for (let i = 0, p = 0; i < n; i++, p += 3) {
    depths[i] = m[3]! * coords[p]! + m[7]! * coords[p + 1]! + m[11]! * coords[p + 2]! + m[15]!;
  }
  const fade = POINT_STYLE.fade / Math.max(depth[1] - depth[0], 1e-6);
  const inner = [0, 0, 0];
  const rim = [0, 0, 0];
  for (const i of sortFarToNear(depths, depth[0], depth[1])) {
    const x = coords[i * 3]!;
    const y = coords[i * 3 + 1]!;
    const z = coords[i * 3 + 2]!;
    const w = depths[i]!;
    const px = Math.floor(((m[0]! * x + m[4]! * y + m[8]! * z + m[12]!) / w + 1) * 0.5 * width);
    const py = Math.floor((1 - (m[1]! * x + m[5]! * y + m[9]! * z + m[13]!) / w) * 0.5 * height);
    const steps = Math.max(STEPS, Math.round(diameterAt(size, focus, w) * STEPS));
    const reach = steps / STEPS;
    if (!(px > -reach && py > -reach && px < width + reach && py < height + reach)) continue;
    let disc = discs.get(steps);
    if (!disc) discs.set(steps, (disc = rasterizeDisc(steps / STEPS)));

    const far = Math.min(POINT_STYLE.fade, Math.max(0, (w - depth[0]) * fade));
    const strength = rgba[i * 4 + 3]! / 255;
    for (let c = 0; c < 3; c++) inner[c] = mix(ground[c]! * 255, rgba[i * 4 + c]!, strength);
    const light = (0.299 * inner[0]! + 0.587 * inner[1]! + 0.114 * inner[2]!) / 255;
    for (let c = 0; c < 3; c++) {
      const base = inner[c]!;
      const contrast = light > POINT_STYLE.rimTurn ? base * POINT_STYLE.rimDarker : mix(base, 255, POINT_STYLE.rimLighter);
      inner[c] = mix(base, ground[c]! * 255, far);
      rim[c] = mix(contrast, ground[c]! * 255, far);
    }
    const { dx, dy, coverage, rim: rims } = disc;
    for (let k = 0; k < dx.length; k++) {
      const tx = px + dx[k]!;
      const ty = py + dy[k]!;
      if (tx < 0 || ty < 0 || tx >= width || ty >= height) continue;
      const at = (ty * width + tx) * 4;
      const over = coverage[k]!;
      const under = (pixels[at + 3]! / 255) * (1 - over);
      const alpha = over + under;
      for (let c = 0; c < 3; c++) {
        const value = mix(inner[c]!, rim[c]!, rims[k]!);
        pixels[at + c] = (value * over + pixels[at + c]! * under) / alpha;
      }
      pixels[at + 3] = alpha * 255;
    }
  }
}

export class CanvasPoints implements PointRenderer {
  readonly kind = "canvas2d";
  readonly available = true;
  #coords: Float32Array = new Float32Array(0);
  #colors: Uint8ClampedArray = new Uint8ClampedArray(0);
  #canvas = document.createElement("canvas");
  #discs = new Map<number, Disc>();

  setPoints(coords: Float32Array): void {
    this.#coords = coords;
  }

  setColors(rgba: Uint8ClampedArray): void {
    this.#colors = rgba;
  }

  draw(target: CanvasRenderingContext2D, frame: Frame): void {
    const { width, height } = frame;
    const image = target.createImageData(width, height);
    splat(image.data, this.#coords, this.#colors, frame, this.#discs);
    // Drawn via a canvas, because putImageData would overwrite the axes.
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#canvas.getContext("2d")!.putImageData(image, 0, 0);
    target.drawImage(this.#canvas, 0, 0);
  }

  dispose(): void {
    this.#canvas.width = 0;
    this.#coords = new Float32Array(0);
    this.#colors = new Uint8ClampedArray(0);
    this.#discs.clear();
  }
}
