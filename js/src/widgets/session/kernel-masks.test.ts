import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { OutdatedError } from "../../shared/errors.ts";
import type { MaskObject, SessionState, SessionStore } from "../../shared/types.ts";
import { KernelMasks } from "./kernel-masks.ts";
import type { Tasks } from "./tasks.ts";

const OBJECT = { name: "hand", color: "#ff0000", visible: true, click_weight: 0.5, method: "ncut" } as MaskObject;
const CLICKS = { positive: [3, 1], negative: [7] };

interface Request {
  name: string;
  params: { image?: number } | null;
  signal: AbortSignal;
  answer(data: unknown, shape?: number[]): void;
  fail(error: unknown): void;
}

/** Kernel masks with replies given by the test. */
function kernel(state: Partial<SessionState> = {}) {
  const requests: Request[] = [];
  const all = { objects: [OBJECT], refine: "guided", source: "s", meta: { images: [{ name: "one" }, { name: "two" }], abilities: ["ncut", "refine"] }, ...state };
  const changed = vi.fn();
  const tasks = {
    ask: (name: string, params: Request["params"], { signal }: { signal: AbortSignal }) =>
      new Promise((resolve, reject) => {
        requests.push({ name, params, signal, answer: (data, shape = []) => resolve({ data, shape }), fail: reject });
      }),
    changed,
  } as unknown as Tasks;
  const listeners = new Map<string, () => void>();
  const store = {
    get: (key: keyof SessionState) => all[key as keyof typeof all],
    subscribe: (key: string, listener: () => void) => { listeners.set(key, listener); },
  } as unknown as SessionStore;
  const set = (change: Partial<SessionState>) => {
    Object.assign(all, change);
    for (const key of Object.keys(change)) listeners.get(key)!();
  };
  return { masks: new KernelMasks(store, tasks, new AbortController().signal), requests, changed, all, set };
}

const CANCELLED = new DOMException("cancelled", "AbortError");

const rest = () => vi.advanceTimersByTimeAsync(500);

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

it("debounces requests and shows the last heatmap meanwhile", async () => {
  const { masks, requests, changed } = kernel();
  for (const node of [1, 2, 3]) masks.heat(OBJECT, { positive: [node], negative: [] });
  await rest();
  expect(requests.map(({ name }) => name)).toEqual(["click_heat/3//0.500"]);
  const first = Float32Array.of(1, 0);
  requests[0]!.answer(first);
  await rest();
  expect(changed).toHaveBeenCalled();
  expect(masks.heat(OBJECT, { positive: [3], negative: [] })).toBe(first);
  expect(masks.heat(OBJECT, CLICKS)).toBe(first);
  await rest();
  expect(requests[1]!.name).toBe("click_heat/3,1/7/0.500");
  expect(requests).toHaveLength(2);
});

it("has no heatmap without positive clicks", async () => {
  const { masks, requests } = kernel();
  expect(masks.heat(OBJECT, { positive: [], negative: [1] })).toBeNull();
  await rest();
  expect(requests).toEqual([]);
});

it("cancels a request when a newer one replaces it", async () => {
  const { masks, requests } = kernel();
  masks.heat(OBJECT, CLICKS);
  await rest();
  masks.heat(OBJECT, { positive: [5], negative: [] });
  expect(requests[0]!.signal.aborted).toBe(true);
  await rest();
  expect(requests[1]!.signal.aborted).toBe(false);
});

it("does not repeat cancelled or failed requests, and reports them", async () => {
  const { masks, requests } = kernel();
  const listener = vi.fn();
  masks.onError(listener, new AbortController().signal);
  masks.heat(OBJECT, CLICKS);
  await rest();
  requests[0]!.fail(CANCELLED);
  await rest();
  masks.heat(OBJECT, CLICKS);
  await rest();
  expect(requests).toHaveLength(1);
  expect(listener.mock.calls).toEqual([["The graph cut of hand was cancelled. Choose Graph again to retry."]]);
  masks.heat(OBJECT, { positive: [5], negative: [] });
  await rest();
  requests[1]!.fail(new Error("no features"));
  await rest();
  expect(listener).toHaveBeenLastCalledWith("no features");
});

it("shows no outdated mask after a cancelled graph cut", async () => {
  const { masks, requests } = kernel();
  const old = { positive: [5], negative: [] };
  masks.heat(OBJECT, old);
  await rest();
  const heat = Float32Array.of(1, 0);
  requests[0]!.answer(heat);
  await rest();
  masks.heat(OBJECT, old);
  expect(masks.heat(OBJECT, CLICKS)).toBe(heat);
  await rest();
  requests[1]!.fail(CANCELLED);
  await rest();
  expect(masks.heat(OBJECT, CLICKS)).toBeNull();
  expect(masks.heat(OBJECT, old)).toBe(heat);
});

it.each<[string, (made: ReturnType<typeof kernel>) => void]>([
  ["its method is chosen again", ({ masks }) => masks.retry()],
  ["another method was chosen", ({ set }) => {
    set({ objects: [{ ...OBJECT, method: "similarity" }] });
    set({ objects: [OBJECT] });
  }],
  ["other clicks were requested", ({ masks }) => void masks.heat(OBJECT, { positive: [5], negative: [] })],
])("repeats a cancelled graph cut after %s", async (_, choose) => {
  const made = kernel();
  const ask = async () => {
    made.masks.heat(OBJECT, CLICKS);
    await rest();
  };
  await ask();
  made.requests[0]!.fail(CANCELLED);
  await ask();
  choose(made);
  await ask();
  expect(made.requests.map(({ name }) => name)).toEqual(Array(2).fill("click_heat/3,1/7/0.500"));
});

it.each<[string, (made: ReturnType<typeof kernel>) => void]>([
  ["its method is chosen again", ({ masks }) => masks.retry()],
  ["refinement was turned off and on", ({ set }) => {
    set({ refine: null });
    set({ refine: "guided" });
  }],
])("repeats a cancelled refinement after %s", async (_, choose) => {
  const made = kernel();
  const listener = vi.fn();
  made.masks.onError(listener, new AbortController().signal);
  const ask = async () => {
    expect(made.masks.refined(1)).toBeNull();
    await rest();
  };
  await ask();
  made.requests[0]!.fail(CANCELLED);
  await ask();
  expect(made.requests).toHaveLength(1);
  expect(listener.mock.calls).toEqual([["The masks were not refined. Choose Guided again to retry."]]);
  choose(made);
  await ask();
  expect(made.requests).toHaveLength(2);
});

it("cancels a refinement that is no longer needed", async () => {
  const { masks, requests, set } = kernel();
  masks.refined(1);
  await rest();
  set({ refine: null });
  expect(requests[0]!.signal.aborted).toBe(true);
});

it("reports that new graph cuts require a kernel, and shows no mask", async () => {
  const { masks, requests } = kernel({ meta: { images: [], abilities: [] } as unknown as SessionState["meta"] });
  const listener = vi.fn();
  masks.onError(listener, new AbortController().signal);
  const there = { positive: [5], negative: [] };
  masks.heat(OBJECT, there);
  await rest();
  const heat = Float32Array.of(1, 0);
  requests[0]!.answer(heat);
  await rest();
  expect(masks.heat(OBJECT, there)).toBe(heat);
  expect(masks.heat(OBJECT, CLICKS)).toBeNull();
  await rest();
  requests[1]!.fail(new Error("the array is not included in this file"));
  await rest();
  expect(listener.mock.calls).toEqual([["hand has no mask: graph cuts with other clicks require a kernel. Undo, or choose Similarity."]]);
  expect(masks.heat(OBJECT, there)).toBe(heat);
  expect(listener).toHaveBeenLastCalledWith(null);
});

it("does not show the mask of a removed object for a new one", async () => {
  const { masks, requests, set } = kernel();
  masks.heat(OBJECT, CLICKS);
  await rest();
  requests[0]!.answer(Float32Array.of(1, 0));
  await rest();
  masks.heat(OBJECT, CLICKS);
  set({ objects: [] });
  set({ objects: [OBJECT] });
  expect(masks.heat(OBJECT, { positive: [5], negative: [] })).toBeNull();
});

it("drops outdated results and requests them again", async () => {
  const { masks, requests } = kernel();
  const listener = vi.fn();
  masks.onError(listener, new AbortController().signal);
  masks.refined(0);
  await rest();
  requests[0]!.fail(new OutdatedError("replaced"));
  await rest();
  expect(listener).not.toHaveBeenCalled();
  masks.refined(0);
  await rest();
  expect(requests).toHaveLength(2);
});

it("paints refined masks, later objects on top", async () => {
  const over = { ...OBJECT, name: "ring", color: "#0000ff" };
  const { masks, requests, all } = kernel({ objects: [OBJECT, { ...OBJECT, name: "hidden", visible: false }, over] });
  expect(masks.refined(1)).toBeNull();
  await rest();
  expect(requests[0]!.params).toEqual({ image: 1, method: "guided", source: "s", objects: [OBJECT, over] });
  requests[0]!.answer(Uint8Array.of(1, 1, 0, 0, 0, 1, 1, 0), [2, 2, 2]);
  await rest();
  const picture = masks.refined(1)!;
  expect([picture.width, picture.height]).toEqual([2, 2]);
  expect([...picture.data.slice(0, 12)]).toEqual([255, 0, 0, 255, 0, 0, 255, 255, 0, 0, 255, 255]);
  expect(picture.data[15]).toBe(0);
  expect(masks.refined(1)).toBe(picture);
  // Other objects have another raster; until it is available, patches are shown.
  all.objects = [over];
  expect(masks.refined(1)).toBeNull();
});
