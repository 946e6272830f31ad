/**
 * The point cloud: two canvases, drawn on demand. The lower one shows the points, the upper one the hovered and pinned
 * marks, so that hovering does not redraw the points.
 */
import { createGlPoints } from "../../shared/gl.ts";
import type { Frame, PointRenderer } from "../../shared/point-renderer.ts";
import type { Camera } from "../../shared/types.ts";
import { drawAxes } from "./axes.ts";
import { type Bounds, type Projection, bounds, frame, createProjection, project, sameCamera } from "./camera.ts";
import { type ThemeColors, type Mark, drawMark, readThemeColors } from "./marks.ts";
import { diameterAt, pick } from "./picking.ts";
import { CanvasPoints } from "./renderer-canvas.ts";
import { type Cloud, Transition, prefersReducedMotion } from "./transition.ts";

/** More than two device pixels per CSS pixel are not visible, but slow. */
const MAX_PIXEL_RATIO = 2;
/** Larger clouds are drawn with hard edges first, and with soft edges after a delay in ms. */
const SOFT_EDGE_LIMIT = 20_000;
const SOFT_EDGE_DELAY_MS = 160;

export interface StagePoint {
  x: number;
  y: number;
}

export interface SceneOptions {
  /** Determines the size of the view. */
  stage: HTMLElement;
  cloud: HTMLCanvasElement;
  marks: HTMLCanvasElement;
  signal: AbortSignal;
  /** Called after the points are drawn. */
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
  /** Animation from the previous layout. */
  #transition: Transition | null = null;
  /** Whether to frame all points, also after a resize. */
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

  /** Null while there are no points. */
  get camera(): Camera | null {
    return this.#currentProjection() && this.#camera;
  }

  get radius(): number {
    return this.#bounds.radius;
  }

  /** In CSS pixels. */
  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  get points(): number {
    return (this.#coords?.length ?? 0) / 3;
  }

  /** Animates from a visible layout of equal size; otherwise the points are shown immediately. */
  setPoints(coords: Float32Array, colors: Uint8ClampedArray): void {
    const travel = this.#currentProjection() !== null && this.#coords!.length === coords.length && !prefersReducedMotion();
    if (travel && this.#colors?.length === colors.length) {
      const from = { coords: this.#coords!, colors: this.#colors, bounds: this.#bounds, camera: this.#camera! };
      const last = bounds(coords);
      // A framed view stays framed; a camera chosen by the user is kept.
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

  /** One animation step at time `now`. */
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

  /** Apply a camera from the session; null frames all points. */
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

  /** Apply a changed theme. */
  recolor(): void {
    this.#theme = readThemeColors(this.#options.stage);
    this.#invalidate();
  }

  /** The node at a position on the stage, in CSS pixels. */
  pick(x: number, y: number): number | null {
    const projection = this.#currentProjection();
    return projection && pick(this.#coords!, projection, x, y, this.#width, this.#height, this.#size);
  }

  /** Position of a node on the stage in CSS pixels; null if it is not visible. */
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

  /** The current projection, or null while there are no points or the view is hidden. */
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
    // Hidden: keep the canvases, and draw when the view is visible again.
    if (this.#width === 0 || this.#height === 0) return;
    for (const canvas of [cloud, marks]) {
      canvas.width = Math.round(this.#width * ratio);
      canvas.height = Math.round(this.#height * ratio);
    }
    if (this.#framing) this.#camera = null;
    this.#projection = null;
    this.#cloudStale = true;
    // Immediately, because resizing clears a canvas, which the next frame would show.
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
      // The stage size is observed; reading it in every frame would force a layout.
      if (pixelRatio() !== this.#ratio) this.#resize();
      this.#travel(now);
      this.#draw();
    });
  }

  #draw(): void {
    const projection = this.#currentProjection();
    if (!projection || !this.#colors) return;
    if (this.#cloudStale) {
      // While the context is lost, the last frame stays; the renderer calls back when it is restored.
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
    for (const node of this.#pinned) if (node !== this.#hover) this.#drawOne(node, { hovered: false, pinned: true });
    if (this.#hover !== null) this.#drawOne(this.#hover, { hovered: true, pinned: this.#pinned.includes(this.#hover) });
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
  if (!context) throw new Error("this browser does not support 2D canvas drawing");
  return context;
}

function pixelRatio(): number {
  return Math.min(MAX_PIXEL_RATIO, window.devicePixelRatio || 1);
}
