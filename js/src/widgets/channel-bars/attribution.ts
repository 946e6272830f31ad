/** Attribution requests of a view, with their outcomes as a signal. */
import { signal } from "@preact/signals";
import { KernelClient, type KernelRequest, type Outcome } from "../../shared/kernel-client.ts";
import type { SessionStore } from "../../shared/types.ts";
import type { AttributionRequest } from "./targets.ts";

const CACHE_SIZE = 32;

/** (rows, columns) scores, one row per target. */
export interface Attribution {
  data: Float32Array;
  columns: number;
}

export interface Attributions {
  /** The outcome of a request; subscribes to changes. */
  outcomeOf(request: AttributionRequest): Outcome<Attribution> | undefined;
  /** Request the result that a slot displays; null releases the slot. `label` describes the task to the user. */
  want(slot: string, request: AttributionRequest | null, label: string): void;
  /** Repeat a request that failed or was cancelled. */
  retry(slot: string, request: AttributionRequest, label: string): void;
}

export function attributions(store: SessionStore, abort: AbortSignal): Attributions {
  const version = signal(0);
  const update = () => { version.value = version.peek() + 1; };
  const client = new KernelClient<Attribution>({ cacheSize: CACHE_SIZE, signal: abort, onSettled: update });
  // An exported page reads its results immediately.
  const options = () => ({ debounce: store.get("meta").abilities.includes("attribution") });
  const kernelRequest = ({ name, params, key }: AttributionRequest, label: string): KernelRequest<Attribution> => ({
    key,
    send: async (ended) => {
      const { data, shape } = await store.ask<Float32Array>(name, params, { label, signal: ended });
      return { data, columns: shape[1]! };
    },
  });
  return {
    outcomeOf(request) {
      void version.value;
      return client.get(request.key);
    },
    want(slot, request, label) {
      if (client.want(slot, request && kernelRequest(request, label), options())) update();
    },
    retry(slot, request, label) {
      client.retry(slot, kernelRequest(request, label), options());
      update();
    },
  };
}
