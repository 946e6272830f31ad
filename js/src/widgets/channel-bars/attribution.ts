/** Answers of the kernel, each asked for once, the one that is wanted now before all others. */
import { type Signal, signal } from "@preact/signals";
import type { SessionStore } from "../../shared/types.ts";
import type { Question } from "./targets.ts";

/** A drag of a slider, or a lasso, asks for much on its way; the kernel is asked when it rests. */
const REST = 250;
const MOST_ANSWERS = 32;

/** What is known of a question. */
export type Answer =
  | { status: "asking" }
  | { status: "ready"; data: Float32Array; columns: number }
  | { status: "cancelled" }
  | { status: "failed"; message: string };

export interface Answers {
  /** Read `.value` to follow them. */
  readonly all: Signal<ReadonlyMap<string, Answer>>;
  /** Have a question answered unless it was before; until then `place` asks for nothing else. */
  want(place: string, question: Question | null, label: string): void;
  /** Ask again what was cancelled or failed. */
  retry(place: string, question: Question, label: string): void;
}

export function answersOf(store: SessionStore, abort: AbortSignal): Answers {
  const all = signal<ReadonlyMap<string, Answer>>(new Map());
  const places = new Map<string, { key: string; controller: AbortController; timer: number }>();
  const put = (key: string, answer: Answer | null) => {
    const next = new Map(all.peek());
    next.delete(key);
    if (answer) next.set(key, answer);
    while (next.size > MOST_ANSWERS) next.delete(next.keys().next().value!);
    all.value = next;
  };

  const leave = (place: string) => {
    const old = places.get(place);
    if (!old) return;
    places.delete(place);
    // Two places may want the same: who leaves last ends it.
    if ([...places.values()].some(({ controller }) => controller === old.controller)) return;
    clearTimeout(old.timer);
    old.controller.abort();
    if (all.peek().get(old.key)?.status === "asking") put(old.key, null);
  };

  const run = async ({ name, params, key }: Question, label: string, controller: AbortController) => {
    try {
      const { data, shape } = await store.ask<Float32Array>(name, params, { label, signal: controller.signal });
      put(key, { status: "ready", data, columns: shape[1]! });
    } catch (error) {
      if (controller.signal.aborted) return;
      const ended = error instanceof DOMException && error.name === "AbortError";
      put(key, ended ? { status: "cancelled" } : { status: "failed", message: error instanceof Error ? error.message : String(error) });
    }
  };

  const want = (place: string, question: Question | null, label: string) => {
    if (places.get(place)?.key === question?.key && question) return;
    leave(place);
    if (!question || all.peek().has(question.key)) {
      const same = question && [...places.values()].find(({ key }) => key === question.key);
      if (same) places.set(place, { ...same });
      return;
    }
    const controller = new AbortController();
    const rest = store.get("meta").abilities.includes("attribution") ? REST : 0;
    const timer = window.setTimeout(() => void run(question, label, controller), rest);
    places.set(place, { key: question.key, controller, timer });
    put(question.key, { status: "asking" });
  };

  abort.addEventListener("abort", () => { for (const place of [...places.keys()]) leave(place); });
  return {
    all, want,
    retry(place, question, label) {
      leave(place);
      put(question.key, null);
      want(place, question, label);
    },
  };
}
