/**
 * The cloud on the screen: two canvases, drawn on demand and never otherwise. The lower one shows the points,
 * the upper one what changes with every move of the pointer, so that a hover costs next to nothing.
 */
import { type Frame, type PointRenderer, createGlPoints } from "../../shared/gl.ts";
import type { Camera } from "../../shared/types.ts";
import { drawAxes } from "./axes.ts";
import { type Bounds, type Projection, bounds, frame, createProjection, project, sameCamera } from "./camera.ts";
import { type ThemeColors, type Mark, drawMark, readThemeColors } from "./marks.ts";
import { type Cloud, Transition, prefersReducedMotion } from "./transition.ts";
import { diameterAt, pick } from "./picking.ts";
import { CanvasPoints } from "./renderer-canvas.ts";

/** Beyond two device pixels per CSS pixel nobody sees the difference, but the graphics card does. */
const MAX_PIXEL_RATIO = 2;
/** More points than these are drawn with hard edges first, and with soft ones after a moment of rest (ms). */
const SOFT_EDGE_LIMIT = 20_000;
const SOFT_EDGE_DELAY_MS = 160;

export interface StagePoint {
  x: number;
  y: number;
}

export interface SceneOptions {
  /** Its size is the size of the view. */
  stage: HTMLElement;
  cloud: HTMLCanvasElement;
  marks: HTMLCanvasElement;
  signal: AbortSignal;
  /** After each drawing of the points. */
  onDraw: () => void;
}

export class Scene {
  readonly kind: PointRenderer["kind"];
  #options: SceneOptions;
  #renderer: PointRenderer;
  #cloud: CanvasRenderingContext2D;
  #marks: CanvasRenderingContext2D;
  #coords: Float32Array | null = null;
  #colors: Uint8ClampedArray | null = null;
  #bounds: Bounds = bounds(new Float32Array(0));
  #camera: Camera | null = null;
  /** From the places shown before to new ones. */
  #transition: Transition | null = null;
  /** Frame all points, and again when the view changes its shape. */
  #framing = true;
  #projection: Projection | null = null;
  #size = 5;
  #axes = false;
  #hover: number | null = null;
  #pinned: readonly number[] = [];
  #theme: ThemeColors;
  #width = 0;
  #height = 0;
  #ratio = 1;
  #request = 0;
  #cloudStale = true;
  #softenTimer = 0;

  constructor(options: SceneOptions) {
    this.#options = options;
    this.#cloud = context2d(options.cloud);
    this.#marks = context2d(options.marks);
    this.#theme = readThemeColors(options.stage);
    this.#renderer = createGlPoints(() => this.#invalidate()) ?? new CanvasPoints();
    this.kind = this.#renderer.kind;
    const observer = new ResizeObserver(() => this.#resize());
    observer.observe(options.stage);
    options.signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.#request);
      clearTimeout(this.#softenTimer);
      this.#renderer.dispose();
      this.#coords = this.#colors = null;
    });
    this.#resize();
  }

  /** Null while there is nothing to look at. */
  get camera(): Camera | null {
    return this.#currentProjection() && this.#camera;
  }

  get radius(): number {
    return this.#bounds.radius;
  }

  /** CSS pixels. */
  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  get points(): number {
    return (this.#coords?.length ?? 0) / 3;
  }

  /** Where there are points, as many and in sight, they travel to their new places; else they are there at once. */
  setPoints(coords: Float32Array, colors: Uint8ClampedArray): void {
    const travel = this.#currentProjection() !== null && this.#coords!.length === coords.length && !prefersReducedMotion();
    if (travel && this.#colors?.length === colors.length) {
      const from = { coords: this.#coords!, colors: this.#colors, bounds: this.#bounds, camera: this.#camera! };
      const last = bounds(coords);
      // Whoever looks at all points goes on to do so; whoever has chosen where to look stays there.
      const camera = this.#framing ? frame(coords, this.#width / this.#height) : from.camera;
      this.#transition = new Transition(from, { coords, colors, bounds: last, camera });
      this.#invalidate();
      return;
    }
    this.#transition = null;
    if (this.#framing) this.#camera = null;
    this.#put({ coords, colors, bounds: bounds(coords) });
    this.#invalidate();
  }

  setColors(colors: Uint8ClampedArray): void {
    this.#transition?.recolor(colors);
    this.#colors = colors;
    this.#renderer.setColors(colors);
    this.#invalidate();
  }

  /** One step of the transition, in the frame of the time `now`. */
  #travel(now: number): void {
    if (!this.#transition) return;
    const { end } = this.#transition;
    const cloud = this.#transition.at(now);
    if (!cloud) this.#transition = null;
    if (this.#framing) this.#camera = cloud && cloud.camera;
    this.#put(cloud ?? end);
    this.#projection = null;
    this.#cloudStale = true;
    if (cloud) this.#invalidate();
  }

  #put({ coords, colors, bounds: box }: Omit<Cloud, "camera">): void {
    this.#coords = coords;
    this.#colors = colors;
    this.#bounds = box;
    this.#renderer.setPoints(coords);
    this.#renderer.setColors(colors);
  }

  /** A camera given from outside; null frames all points. */
  follow(camera: Camera | null): void {
    if (camera) this.move(camera);
    else if (!this.#framing || !this.#camera) {
      this.#framing = true;
      this.#camera = null;
      this.#invalidate();
    }
  }

  move(camera: Camera): void {
    this.#framing = false;
    if (this.#camera && sameCamera(this.#camera, camera)) return;
    this.#camera = camera;
    this.#invalidate();
  }

  setPointSize(size: number): void {
    if (size === this.#size) return;
    this.#size = size;
    this.#invalidate();
  }

  setAxes(on: boolean): void {
    if (on === this.#axes) return;
    this.#axes = on;
    this.#invalidate();
  }

  setMarks(hover: number | null, pinned: readonly number[]): void {
    this.#hover = hover;
    this.#pinned = pinned;
    this.#invalidate(false);
  }

  /** The theme has changed. */
  recolor(): void {
    this.#theme = readThemeColors(this.#options.stage);
    this.#invalidate();
  }

  /** The node under a place of the stage, in CSS pixels. */
  pick(x: number, y: number): number | null {
    const projection = this.#currentProjection();
    return projection && pick(this.#coords!, projection, x, y, this.#width, this.#height, this.#size);
  }

  /** Where a node is on the stage, in CSS pixels; null where it is out of sight. */
  project(node: number): StagePoint | null {
    const place = this.#place(node);
    if (!place || place.x < 0 || place.y < 0 || place.x > this.#width || place.y > this.#height) return null;
    return { x: place.x, y: place.y };
  }

  #place(node: number): { x: number; y: number; depth: number } | null {
    const projection = this.#currentProjection();
    if (!projection || !(node >= 0 && node < this.points)) return null;
    const [x, y, z] = this.#coords!.subarray(node * 3, node * 3 + 3) as unknown as [number, number, number];
    const place = project(projection.viewProjection, x, y, z, this.#width, this.#height);
    return place.depth > 0 ? place : null;
  }

  /** The present view, or null while there is nothing to see or nowhere to see it. */
  #currentProjection(): Projection | null {
    if (!this.#coords || this.#width === 0 || this.#height === 0) return null;
    if (!this.#camera) {
      this.#camera = frame(this.#coords, this.#width / this.#height);
      this.#projection = null;
    }
    return (this.#projection ??= createProjection(this.#camera, this.#width / this.#height, this.#bounds));
  }

  #resize(): void {
    const { stage, cloud, marks } = this.#options;
    const ratio = pixelRatio();
    if (stage.clientWidth === this.#width && stage.clientHeight === this.#height && ratio === this.#ratio) return;
    this.#width = stage.clientWidth;
    this.#height = stage.clientHeight;
    this.#ratio = ratio;
    // Hidden: keep what is there, and draw when it shows again.
    if (this.#width === 0 || this.#height === 0) return;
    for (const canvas of [cloud, marks]) {
      canvas.width = Math.round(this.#width * ratio);
      canvas.height = Math.round(this.#height * ratio);
    }
    if (this.#framing) this.#camera = null;
    this.#projection = null;
    this.#cloudStale = true;
    // At once: a canvas is empty after its size has changed, and the next frame would show that.
    this.#draw();
  }

  #invalidate(cloud = true): void {
    if (this.#options.signal.aborted) return;
    if (cloud) {
      this.#projection = null;
      this.#cloudStale = true;
    }
    this.#request ||= requestAnimationFrame((now) => {
      this.#request = 0;
      // Its size is observed; to ask for it in every frame would have the whole page laid out.
      if (pixelRatio() !== this.#ratio) this.#resize();
      this.#travel(now);
      this.#draw();
    });
  }

  #draw(): void {
    const projection = this.#currentProjection();
    if (!projection || !this.#colors) return;
    if (this.#cloudStale) {
      // While the graphics context is lost the last picture stays; the renderer says when it is back.
      if (!this.#renderer.available) return;
      this.#cloudStale = false;
      const soft = this.kind === "canvas2d" || this.points <= SOFT_EDGE_LIMIT;
      this.#drawCloud(projection, soft);
      this.#drawMarks();
      clearTimeout(this.#softenTimer);
      if (!soft) this.#softenTimer = window.setTimeout(() => this.#soften(), SOFT_EDGE_DELAY_MS);
      this.#options.onDraw();
    } else {
      this.#drawMarks();
    }
  }

  #soften(): void {
    const projection = this.#currentProjection();
    if (projection && this.#renderer.available && !this.#cloudStale) this.#drawCloud(projection, true);
  }

  #drawCloud(projection: Projection, soft: boolean): void {
    const { width, height } = this.#options.cloud;
    const context = this.#cloud;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (this.#axes) {
      context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
      drawAxes(context, projection, this.#bounds, this.#width, this.#height, this.#theme);
      context.setTransform(1, 0, 0, 1, 0, 0);
    }
    const picture: Frame = {
      width,
      height,
      viewProjection: projection.viewProjection,
      size: this.#size * this.#ratio,
      focus: projection.focus,
      depth: projection.depth,
      ground: this.#theme.ground,
      soft,
    };
    this.#renderer.draw(context, picture);
  }

  #drawMarks(): void {
    const context = this.#marks;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#options.marks.width, this.#options.marks.height);
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    for (const node of this.#pinned) if (node !== this.#hover) this.#drawOne(node, { lit: false, pinned: true });
    if (this.#hover !== null) this.#drawOne(this.#hover, { lit: true, pinned: this.#pinned.includes(this.#hover) });
  }

  #drawOne(node: number, mark: Mark): void {
    const place = this.#place(node);
    if (!place) return;
    const radius = diameterAt(this.#size, this.#projection!.focus, place.depth) / 2;
    drawMark(this.#marks, place, radius, this.#colors!.subarray(node * 4, node * 4 + 3), mark, this.#theme);
  }
}

function context2d(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser does not let the scatter draw in a canvas");
  return context;
}

function pixelRatio(): number {
  return Math.min(MAX_PIXEL_RATIO, window.devicePixelRatio || 1);
}
