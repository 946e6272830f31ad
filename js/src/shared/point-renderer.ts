/** The interface and point style shared by the WebGL2 and the 2D canvas renderer. */

/** Parameters of one frame. Lengths are in device pixels, colors in [0, 1]. */
export interface Frame {
  width: number;
  height: number;
  /** Column-major 4 x 4, from the space of the points to clip space. */
  viewProjection: Float32Array;
  /** Diameter of a point at the distance `focus` from the camera. */
  size: number;
  focus: number;
  /** Nearest and farthest distance of the points: distant points fade slightly into the background. */
  depth: readonly [number, number];
  ground: readonly [number, number, number];
  /** Antialiased edges, which take a second pass over all points. */
  soft: boolean;
}

export interface PointRenderer {
  readonly kind: "webgl2" | "canvas2d";
  /** False while the graphics context is lost; nothing can be drawn until it is back. */
  readonly available: boolean;
  /** (3 n) x, y, z. */
  setPoints(coords: Float32Array): void;
  /** (4 n) RGBA. Points are opaque: A is the fraction of the color that is mixed with the background. */
  setColors(rgba: Uint8ClampedArray): void;
  draw(target: CanvasRenderingContext2D, frame: Frame): void;
  dispose(): void;
}

/** Point style of both renderers, so that they draw the same image. */
export const POINT_STYLE = {
  /** Points scale with the square root of the perspective, within these bounds. */
  smallest: 0.6,
  largest: 2,
  /** Fraction of the background mixed into the farthest points. */
  fade: 0.3,
  /** Width of the rim, and the diameters (device px) between which it fades in: tiny points have no rim. */
  rim: 1.6,
  rimFrom: 3,
  rimTo: 9,
  /** Light colors get a darker rim and dark ones a lighter rim, for contrast on light and dark backgrounds. */
  rimTurn: 0.42,
  rimDarker: 0.62,
  rimLighter: 0.35,
} as const;
