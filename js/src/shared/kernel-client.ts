/** Requests to the kernel by slot: debounced, the latest request of a slot wins, and results are cached. */
import { errorMessage, isAbortError, isOutdated } from "./errors.ts";

/** Delay in ms before a request is sent, so that dragging a slider does not send a request for every value. */
const DEBOUNCE_MS = 200;

export interface KernelRequest<T> {
  /** Identifies everything that the result depends on. */
  key: string;
  /** Sends the request; `signal` cancels it. */
  send(signal: AbortSignal): Promise<T>;
}

export type Failure = { status: "cancelled" } | { status: "failed"; message: string };
export type Outcome<T> = { status: "pending" } | { status: "ready"; value: T } | Failure;

interface Options {
  /** Maximum number of results. Those that a slot wants are kept in any case. */
  cacheSize: number;
  /** Cancels all requests. */
  signal: AbortSignal;
  /** Called when a request has succeeded, failed or been cancelled by the user. */
  onSettled(): void;
  /** Called with the slot of a failed or cancelled request, and with null when the failure no longer applies. */
  onFailure?(failure: { slot: string; outcome: Failure } | null): void;
}

/**
 * A slot is a place that displays one result at a time, such as the mask of an object. A request is cancelled as soon as no
 * slot wants it. A failed or cancelled request is not repeated until its slot wants something else or `retry` is called.
 */
export class KernelClient<T> {
  #options: Options;
  #wanted = new Map<string, string>();
  #outcomes = new Map<string, Outcome<T>>();
  #running = new Map<string, AbortController>();

  constructor(options: Options) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.release());
  }

  get(key: string): Outcome<T> | undefined {
    return this.#outcomes.get(key);
  }

  /** Requests a result for a slot unless it is cached or pending; null releases the slot. Returns whether it changed. */
  want(slot: string, request: KernelRequest<T> | null, { debounce = true } = {}): boolean {
    const before = this.#wanted.get(slot);
    if (before === request?.key) return false;
    if (request) this.#wanted.set(slot, request.key);
    else this.#wanted.delete(slot);
    if (before !== undefined) this.#abandon(before);
    if (request && !this.#outcomes.has(request.key)) void this.#start(request, debounce);
    return true;
  }

  /** Repeats a request that failed or was cancelled. */
  retry(slot: string, request: KernelRequest<T>, options: { debounce?: boolean } = {}): void {
    this.want(slot, null);
    this.#drop(request.key);
    this.want(slot, request, options);
  }

  /** Forgets failed and cancelled requests, so that they are repeated when they are wanted again. */
  forgetFailures(): void {
    for (const [slot, key] of [...this.#wanted]) if (isFailure(this.#outcomes.get(key))) this.want(slot, null);
  }

  /** Releases slots: cancels their requests and forgets failures, but keeps results in the cache. */
  release(matches: (slot: string) => boolean = () => true): void {
    for (const slot of [...this.#wanted.keys()]) if (matches(slot)) this.want(slot, null);
  }

  clear(): void {
    this.release();
    this.#outcomes.clear();
  }

  #isWanted(key: string): boolean {
    return [...this.#wanted.values()].includes(key);
  }

  /** Drops a request that no slot wants any more; results stay cached. */
  #abandon(key: string): void {
    if (!this.#isWanted(key) && this.#outcomes.get(key)?.status !== "ready") this.#drop(key);
  }

  /** Cancels a request, or forgets its outcome. */
  #drop(key: string): void {
    const outcome = this.#outcomes.get(key);
    this.#running.get(key)?.abort();
    this.#running.delete(key);
    this.#outcomes.delete(key);
    if (isFailure(outcome)) this.#options.onFailure?.(null);
  }

  async #start({ key, send }: KernelRequest<T>, debounce: boolean): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    this.#running.set(key, controller);
    this.#outcomes.set(key, { status: "pending" });
    if (debounce) await new Promise((resolve) => { setTimeout(resolve, DEBOUNCE_MS); });
    if (signal.aborted) return;
    let outcome: Outcome<T> | null;
    try {
      outcome = { status: "ready", value: await send(signal) };
    } catch (error) {
      // The data were replaced: the slots may request the result again.
      if (isOutdated(error)) outcome = null;
      else outcome = isAbortError(error) ? { status: "cancelled" } : { status: "failed", message: errorMessage(error) };
    }
    if (signal.aborted) return;
    this.#running.delete(key);
    this.#settle(key, outcome);
  }

  #settle(key: string, outcome: Outcome<T> | null): void {
    const slots = [...this.#wanted].filter(([, wanted]) => wanted === key).map(([slot]) => slot);
    this.#outcomes.delete(key);
    if (outcome) this.#outcomes.set(key, outcome);
    else for (const slot of slots) this.#wanted.delete(slot);
    this.#evict();
    if (isFailure(outcome)) for (const slot of slots) this.#options.onFailure?.({ slot, outcome });
    this.#options.onSettled();
  }

  /** Removes the oldest results that no slot wants. */
  #evict(): void {
    for (const key of this.#outcomes.keys()) {
      if (this.#outcomes.size <= this.#options.cacheSize) break;
      if (!this.#isWanted(key)) this.#outcomes.delete(key);
    }
  }
}

function isFailure(outcome: Outcome<unknown> | null | undefined): outcome is Failure {
  return outcome?.status === "failed" || outcome?.status === "cancelled";
}
