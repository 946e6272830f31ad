/** What the kernel is at for this page, and what the user sees of it: a name, how far it is, a way to end it. */
import type { NdArray, NumericArray, Task } from "../../shared/types.ts";
import type { Wire } from "../../shared/wire.ts";

export class Tasks {
  #wire: Wire;
  #list: Task[] = [];
  #events = new EventTarget();

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  get list(): readonly Task[] {
    return this.#list;
  }

  listen(listener: () => void, signal: AbortSignal): void {
    this.#events.addEventListener("change", listener, { signal });
  }

  changed(): void {
    this.#events.dispatchEvent(new Event("change"));
  }

  async ask<T extends NumericArray>(
    name: string, params: unknown, { label, signal }: { label: string; signal?: AbortSignal },
  ): Promise<NdArray<T>> {
    const controller = new AbortController();
    signal?.addEventListener("abort", () => controller.abort(), { signal: controller.signal });
    let task: Task = { label, fraction: null, cancel: () => controller.abort() };
    const replace = (next: Task | null) => {
      this.#list = this.#list.flatMap((one) => (one !== task ? [one] : next ? [next] : []));
      if (next) task = next;
      this.changed();
    };
    this.#list = [...this.#list, task];
    this.changed();
    try {
      const progress = (fraction: number) => replace({ ...task, fraction });
      if (signal?.aborted) controller.abort();
      return (await this.#wire.request(name, params, { signal: controller.signal, progress })) as NdArray<T>;
    } finally {
      replace(null);
    }
  }
}

/** Whether a request failed because somebody ended it, of which there is nothing to say. */
export function isAbortError(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
