/** A scatter of six points, the corners of an octahedron, on a 2D canvas that only records its calls. */
import { beforeEach, expect, vi } from "vitest";
import type { Meta, SessionState } from "../shared/types.ts";
import type { ScatterElement } from "../widgets/embedding-scatter/connect.ts";
import widget from "../widgets/embedding-scatter/index.ts";
import { META as TWO_IMAGES, type Arrays, fakeSession, sessionState } from "./session.ts";
import { userActions, mountView, onPage } from "./view.ts";

export const WIDTH = 400;
export const HEIGHT = 300;
export const META: Meta = {
  ...TWO_IMAGES, images: [{ name: "one.png", width: 60, height: 40 }], maps: [{ image: 0, rows: 2, columns: 3, source: "a" }], n_nodes: 6,
};
/** No point covers another in the initial view. */
export const COORDS = Float32Array.of(1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1);
export const ARRAYS: Arrays = {
  coords: [COORDS, "float32", [6, 3]],
  rgb: [new Uint8Array(18).fill(200), "uint8", [6, 3]],
  eigenvectors: [Float32Array.of(1, 0, 0, 1, 1, 1, -1, 0, 0, -1, 1, -1), "float32", [6, 2]],
  "cluster_colors/2": [Uint8Array.of(200, 0, 0, 0, 0, 200), "uint8", [2, 3]],
  "labels/2": [Uint8Array.of(0, 1, 0, 1, 0, 1), "uint8", [6]],
  "image/0": [Uint8Array.of(1), "uint8", [1]],
};

/** Names of the canvas calls of a test so far. */
export const drawn: string[] = [];

function context2d(): CanvasRenderingContext2D {
  return new Proxy({} as CanvasRenderingContext2D, {
    get: (_, name: string) => (...args: number[]) => {
      drawn.push(name);
      return name === "createImageData" ? { data: new Uint8ClampedArray(args[0]! * args[1]! * 4) } : undefined;
    },
    set: () => true,
  });
}

/** Like `onPage`, without WebGL. */
export function onCanvasPage(): void {
  onPage({ width: WIDTH, height: HEIGHT, context: (kind) => (kind === "2d" ? context2d() : null) });
  beforeEach(() => { drawn.length = 0; });
}

export async function mount(change: Partial<SessionState> = {}, arrays = ARRAYS) {
  const { store, model, kernel } = fakeSession(sessionState({ meta: META, ...change }), arrays);
  const { root, lifetime } = await mountView<ScatterElement>(widget, store);
  const { find, key: keyAt } = userActions(root);
  const marks = find<HTMLCanvasElement>(".ncut-marks");
  const ready = () => vi.waitFor(() => expect(root.dataset.ready).toBe("true"));
  const mouse = (type: string, x: number, y: number, more: object = {}) => {
    const event = new Event(type, { bubbles: true, cancelable: true });
    marks.dispatchEvent(Object.assign(event, {
      pointerId: 1, pointerType: "mouse", button: 0, offsetX: x, offsetY: y, deltaMode: 0, ...more,
    }));
  };
  const key = (name: string, more: object = {}) => keyAt(marks, name, more);
  const at = (node: number) => root.ncutProject!(node)!;
  return { root, store, model, kernel, lifetime, ready, mouse, key, at };
}

export type View = Awaited<ReturnType<typeof mount>>;

/** Mounts the view and waits for its first frame. */
export async function shown(change: Partial<SessionState> = {}): Promise<View> {
  const view = await mount(change);
  await view.ready();
  return view;
}
