/** Answers of the kernel, each asked for once, the one that is wanted now before all others. */
import { type Signal, signal } from "@preact/signals";
import type { SessionStore } from "../../shared/types.ts";
import { errorMessage } from "../../shared/view.tsx";
import type { AttributionRequest } from "./targets.ts";

/** A drag of a slider, or a lasso, asks for much on its way; the kernel is asked when it rests. */
const REST = 250;
const MOST_ANSWERS = 32;

/** What is known of a request. */
export type Answer =
  | { status: "asking" }
  | { status: "ready"; data: Float32Array; columns: number }
  | { status: "cancelled" }
  | { status: "failed"; message: string };

export interface Answers {
  /** Read `.value` to follow them. */
  readonly all: Signal<ReadonlyMap<string, Answer>>;
  /** Have a request answered unless it was before; until then `place` asks for nothing else. */
  want(place: string, request: AttributionRequest | null, label: string): void;
  /** Ask again what was cancelled or failed. */
  retry(place: string, request: AttributionRequest, label: string): void;
}

export function answersOf(store: SessionStore, abort: AbortSignal): Answers {
  const all = signal<ReadonlyMap<string, Answer>>(new Map());
  /** By place, the key of what is wanted there; by key, what ends the work on it. */
  const places = new Map<string, string>();
  const running = new Map<string, AbortController>();
  const wanted = (key: string) => [...places.values()].includes(key);
  const put = (key: string, answer: Answer | null) => {
    const next = new Map(all.peek());
    next.delete(key);
    if (answer) next.set(key, answer);
    const spare = [...next.keys()].slice(0, Math.max(0, next.size - MOST_ANSWERS));
    for (const old of spare) if (!wanted(old)) next.delete(old);
    all.value = next;
  };

  const end = (key: string) => {
    running.get(key)?.abort();
    running.delete(key);
    if (all.peek().get(key)?.status === "asking") put(key, null);
  };
  const start = async ({ name, params, key }: AttributionRequest, label: string) => {
    const controller = new AbortController();
    const { signal: ended } = controller;
    running.set(key, controller);
    put(key, { status: "asking" });
    if (store.get("meta").abilities.includes("attribution")) await new Promise((done) => setTimeout(done, REST));
    if (ended.aborted) return;
    try {
      const { data, shape } = await store.ask<Float32Array>(name, params, { label, signal: ended });
      put(key, { status: "ready", data, columns: shape[1]! });
    } catch (error) {
      if (ended.aborted) return;
      const cancelled = error instanceof DOMException && error.name === "AbortError";
      put(key, cancelled ? { status: "cancelled" } : { status: "failed", message: errorMessage(error) });
    }
  };

  const want = (place: string, request: AttributionRequest | null, label: string) => {
    const before = places.get(place);
    if (before === request?.key) return;
    if (request) places.set(place, request.key);
    else places.delete(place);
    // Two places may want the same: who leaves last ends it.
    if (before !== undefined && !wanted(before)) end(before);
    if (request && !all.peek().has(request.key)) void start(request, label);
  };
  abort.addEventListener("abort", () => { for (const key of running.keys()) end(key); });
  return {
    all, want,
    retry(place, request, label) {
      end(request.key);
      put(request.key, null);
      places.delete(place);
      want(place, request, label);
    },
  };
}
