/** Animated transition to a new layout, so that the eye can follow the points. */
import type { Camera } from "../../shared/types.ts";
import type { Bounds } from "./camera.ts";

/** Milliseconds. */
const DURATION_MS = 400;
/** Maximum progress per frame, so that slow machines show intermediate frames too. */
const MAX_STEP_MS = 100;

export interface Cloud {
  /** (3 n) x, y, z. */
  coords: Float32Array;
  /** (4 n) RGBA. */
  colors: Uint8ClampedArray;
  bounds: Bounds;
  camera: Camera;
}

export class Transition {
  #from: Cloud;
  #to: Cloud;
  #last: number | null = null;
  #elapsed = 0;
  #coords: Float32Array;
  #colors: Uint8ClampedArray;

  constructor(from: Cloud, to: Cloud) {
    this.#from = from;
    this.#to = to;
    this.#coords = new Float32Array(to.coords.length);
    this.#colors = new Uint8ClampedArray(to.colors.length);
  }

  /** Colors changed during the transition are shown immediately. */
  recolor(colors: Uint8ClampedArray): void {
    this.#from = { ...this.#from, colors };
    this.#to = { ...this.#to, colors };
  }

  /** The cloud at a time in milliseconds; the first call is the start. Null at the end. */
  at(now: number): Cloud | null {
    this.#elapsed += Math.min(MAX_STEP_MS, now - (this.#last ?? now));
    this.#last = now;
    const t = this.#elapsed / DURATION_MS;
    if (t >= 1) return null;
    const share = t * t * (3 - 2 * t);
    const { coords, colors } = this.#to;
    mixInto(this.#coords, this.#from.coords, coords, share);
    if (this.#from.colors !== colors) mixInto(this.#colors, this.#from.colors, colors, share);
    return {
      coords: this.#coords,
      colors: this.#from.colors === colors ? colors : this.#colors,
      bounds: mixBounds(this.#from.bounds, this.#to.bounds, share),
      camera: mixCameras(this.#from.camera, this.#to.camera, share),
    };
  }

  get end(): Cloud {
    return this.#to;
  }
}

export function prefersReducedMotion(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function mixInto<T extends Float32Array | Uint8ClampedArray>(out: T, from: T, to: T, share: number): void {
  for (let i = 0; i < out.length; i++) out[i] = from[i]! + (to[i]! - from[i]!) * share;
}

function mixVectors(from: [number, number, number], to: [number, number, number], share: number): [number, number, number] {
  return from.map((value, i) => value + (to[i]! - value) * share) as [number, number, number];
}

/** Contains all points during the transition, because each one is between its start and end. */
function mixBounds(from: Bounds, to: Bounds, share: number): Bounds {
  return {
    low: mixVectors(from.low, to.low, share),
    high: mixVectors(from.high, to.high, share),
    center: mixVectors(from.center, to.center, share),
    radius: Math.max(from.radius, to.radius),
  };
}

function mixCameras(from: Camera, to: Camera, share: number): Camera {
  return {
    position: mixVectors(from.position, to.position, share),
    target: mixVectors(from.target, to.target, share),
    zoom: from.zoom + (to.zoom - from.zoom) * share,
  };
}
