import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createGlPoints } from "./gl.ts";
import type { Frame, PointRenderer } from "./point-renderer.ts";

const PAGE = Symbol.for("ncut-widgets@1");
const shared = globalThis as unknown as Record<symbol, Record<string, unknown> | undefined>;
const FRAME: Frame = {
  width: 40, height: 30, viewProjection: new Float32Array(16), size: 5, focus: 1, depth: [1, 2], ground: [1, 1, 1],
  soft: true,
};

/** A context that only records its calls. */
function fakeGl() {
  const calls: string[] = [];
  const state = { lost: false };
  const answers: Record<string, unknown> = {
    isContextLost: () => state.lost,
    getProgramParameter: () => true,
    getExtension: () => ({ loseContext: () => calls.push("loseContext") }),
  };
  const gl = new Proxy({}, {
    get: (_, name: string) => answers[name] ?? (/^[A-Z]/.test(name) ? name : (...args: unknown[]) => {
      calls.push(name);
      return { name, args };
    }),
  });
  return { gl, calls, state };
}

let contexts: ReturnType<typeof fakeGl>[];
let canvases: HTMLCanvasElement[];
const count = (name: string, { calls } = contexts[0]!) => calls.filter((call) => call === name).length;
const target = () => ({ drawImage: vi.fn() }) as unknown as CanvasRenderingContext2D;

beforeEach(() => {
  contexts = [];
  canvases = [];
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function (this: HTMLCanvasElement) {
    contexts.push(fakeGl());
    canvases.push(this);
    return contexts.at(-1)!.gl as never;
  });
});
afterEach(() => { delete shared[PAGE]; });

test("views of a page share one context, closed with the last view", () => {
  const [first, second] = [createGlPoints(() => undefined)!, createGlPoints(() => undefined)!];
  expect(contexts).toHaveLength(1);
  first.dispose();
  expect(count("loseContext")).toBe(0);
  second.dispose();
  expect(count("loseContext")).toBe(1);
  expect(count("deleteBuffer")).toBe(4);
  expect(shared[PAGE]).toEqual({});

  createGlPoints(() => undefined);
  expect(contexts).toHaveLength(2);
});

test("disposing a view twice leaves the context to the others", () => {
  const [first] = [createGlPoints(() => undefined)!, createGlPoints(() => undefined)!];
  first.dispose();
  first.dispose();
  expect(count("loseContext")).toBe(0);
});

test("reuses a context created by another copy of the module", () => {
  const renderer = {} as PointRenderer;
  shared[PAGE] = { points: { create: () => renderer } };
  expect(createGlPoints(() => undefined)).toBe(renderer);
  expect(contexts).toHaveLength(0);
});

test("keeps other entries of the page's shared object", () => {
  shared[PAGE] = { links: 1 };
  createGlPoints(() => undefined)!.dispose();
  expect(shared[PAGE]).toEqual({ links: 1 });
});

test("returns null without WebGL2", () => {
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
  expect(createGlPoints(() => undefined)).toBeNull();
});

test("copies each frame from a canvas that only grows", () => {
  const renderer = createGlPoints(() => undefined)!;
  const view = target();
  renderer.draw(view, { ...FRAME, width: 400, height: 300 });
  renderer.draw(view, FRAME);
  expect(canvases[0]).toMatchObject({ width: 400, height: 300 });
  expect(view.drawImage).toHaveBeenLastCalledWith(canvases[0], 0, 270, 40, 30, 0, 0, 40, 30);
});

test("soft edges take a second pass", () => {
  const renderer = createGlPoints(() => undefined)!;
  renderer.draw(target(), FRAME);
  expect(count("drawArrays")).toBe(2);
  renderer.draw(target(), { ...FRAME, soft: false });
  expect(count("drawArrays")).toBe(3);
});

test("uploads again and redraws after a lost context is restored", () => {
  const onRestore = vi.fn();
  const renderer = createGlPoints(onRestore)!;
  renderer.setPoints(new Float32Array(6));
  renderer.setColors(new Uint8ClampedArray(8));
  const { state } = contexts[0]!;

  const loss = new Event("webglcontextlost", { cancelable: true });
  state.lost = true;
  canvases[0]!.dispatchEvent(loss);
  expect(loss.defaultPrevented).toBe(true);
  expect(renderer.available).toBe(false);

  state.lost = false;
  const uploads = count("bufferData");
  canvases[0]!.dispatchEvent(new Event("webglcontextrestored"));
  expect(renderer.available).toBe(true);
  expect(count("bufferData")).toBe(uploads + 2);
  expect(count("linkProgram")).toBe(2);
  expect(onRestore).toHaveBeenCalledOnce();
});
