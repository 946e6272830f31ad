/** Running kernel requests with label, progress and cancellation. */
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
