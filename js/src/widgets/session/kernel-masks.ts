/** Mask computations that require the kernel: graph cuts with clicks, and refinement of masks to pixels. */
import { paintRegions } from "../../shared/color.ts";
import { type Failure, KernelClient } from "../../shared/kernel-client.ts";
import type { MaskObject, Raster, SessionStore } from "../../shared/types.ts";
import type { Prompts } from "./masks.ts";
import type { Tasks } from "./tasks.ts";

/** A heatmap of 100 000 nodes takes 400 kB. */
const CACHE_SIZE = 64;

export class KernelMasks {
  #store: SessionStore;
  #tasks: Tasks;
  /** Heatmaps of graph cuts; the slots are the names of the objects. */
  #cuts: KernelClient<Float32Array>;
  /** Refined masks; the slots are the numbers of the images. Only the current ones are kept, because they are large. */
  #refinements: KernelClient<Raster>;
  /** Last heatmap of each object by name, displayed while a new one is pending. */
  #lastHeats = new Map<string, Float32Array>();
  #errorListeners: ((message: string | null) => void)[] = [];

  constructor(store: SessionStore, tasks: Tasks, signal: AbortSignal) {
    this.#store = store;
    this.#tasks = tasks;
    const onSettled = () => tasks.changed();
    this.#cuts = new KernelClient({
      cacheSize: CACHE_SIZE, signal, onSettled,
      onFailure: (failure) => this.#notify(failure && this.#cutError(failure.slot, failure.outcome)),
    });
    this.#refinements = new KernelClient({
      cacheSize: 0, signal, onSettled,
      onFailure: (failure) => this.#notify(failure && this.#refinementError(failure.outcome)),
    });
    store.subscribe("objects", () => this.#releaseRemoved(), signal);
    let refine = store.get("refine");
    store.subscribe("refine", () => {
      // Notified twice: when the value is set here, and when the model reports it.
      if (refine === store.get("refine")) return;
      refine = store.get("refine");
      this.#refinements.release();
    }, signal);
  }

  clear(): void {
    this.#cuts.clear();
    this.#refinements.clear();
    this.#lastHeats.clear();
  }

  /** Repeat failed and cancelled requests, after the user has chosen the method again. */
  retry(): void {
    this.#cuts.forgetFailures();
    this.#refinements.forgetFailures();
    this.#tasks.changed();
  }

  /** Subscribe to errors; `null` clears the error. */
  onError(listener: (message: string | null) => void, signal: AbortSignal): void {
    this.#errorListeners.push(listener);
    signal.addEventListener("abort", () => { this.#errorListeners = this.#errorListeners.filter((one) => one !== listener); });
  }

  /** Heatmap of an object's graph cut, or the previous one while it is pending; null if there is none. */
  heat(object: MaskObject, { positive, negative }: Prompts): Float32Array | null {
    const { name } = object;
    if (positive.length === 0) {
      this.#cuts.want(name, null);
      return null;
    }
    // The array name contains all inputs, because an exported file stores results by name.
    const key = `click_heat/${positive.join()}/${negative.join()}/${object.click_weight.toFixed(3)}`;
    this.#cuts.want(name, {
      key,
      send: async (signal) => (await this.#tasks.ask<Float32Array>(key, null, { label: `Cutting graph for ${name}`, signal })).data,
    });
    const outcome = this.#cuts.get(key);
    if (outcome?.status === "ready") {
      this.#lastHeats.set(name, outcome.value);
      return outcome.value;
    }
    const isPending = outcome?.status === "pending" && this.#store.get("meta").abilities.includes("ncut");
    return isPending ? (this.#lastHeats.get(name) ?? null) : null;
  }

  /** Refined masks of an image, or null until they are available. */
  refined(image: number): Raster | null {
    const objects = this.#store.get("objects").filter((object) => object.visible);
    if (objects.length === 0) {
      this.#refinements.want(String(image), null);
      return null;
    }
    const params = { image, method: this.#store.get("refine"), source: this.#store.get("source"), objects };
    const key = JSON.stringify(params);
    this.#refinements.want(String(image), {
      key,
      send: async (signal) => {
        const label = `Refining ${this.#store.get("meta").images[image]!.name}`;
        const { data, shape } = await this.#tasks.ask<Uint8Array>("refined", params, { label, signal });
        return paintMasks(data, shape, objects);
      },
    });
    const outcome = this.#refinements.get(key);
    return outcome?.status === "ready" ? outcome.value : null;
  }

  /** A new object may reuse the name of a removed one, and an object may return to graph cuts after another method. */
  #releaseRemoved(): void {
    const names = this.#store.get("objects").filter(({ method }) => method === "ncut").map(({ name }) => name);
    for (const name of this.#lastHeats.keys()) if (!names.includes(name)) this.#lastHeats.delete(name);
    this.#cuts.release((name) => !names.includes(name));
  }

  #cutError(name: string, failure: Failure): string {
    if (failure.status === "cancelled") return `The graph cut of ${name} was cancelled. Choose Graph again to retry.`;
    // An exported file only includes the results for the clicks that were present at export.
    if (this.#store.get("meta").abilities.length === 0) {
      return `${name} has no mask: graph cuts with other clicks require a kernel. Undo, or choose Similarity.`;
    }
    return failure.message;
  }

  #refinementError(failure: Failure): string {
    if (failure.status === "failed") return failure.message;
    return `The masks were not refined. Choose ${this.#store.get("refine") === "crf" ? "CRF" : "Guided"} again to retry.`;
  }

  #notify(message: string | null): void {
    for (const listener of this.#errorListeners) listener(message);
  }
}

/** (k, h, w) masks as RGBA pixels, later objects on top. */
function paintMasks(masks: Uint8Array, [, height, width]: readonly number[], objects: readonly MaskObject[]): Raster {
  const size = height! * width!;
  const regions = objects.map(({ color }, index) => ({ color, nodes: masks.subarray(index * size, (index + 1) * size) }));
  return { data: paintRegions(regions, size), width: width!, height: height! };
}
