/** A widget model without a kernel, with the interface of a Jupyter model. */

type Listener = (...args: never[]) => void;
type Answer = (message: unknown, reply: (content: unknown, buffers: DataView[]) => void) => void;

export class LocalModel {
  #state: Record<string, unknown>;
  #listeners = new Map<string, Set<Listener>>();
  /** Handles messages from the views, in place of Python. */
  answer: Answer = () => undefined;

  constructor(state: Record<string, unknown>) {
    this.#state = state;
  }

  proxy<T>(): T {
    return {
      get: (key: string) => this.#state[key],
      set: (key: string, value: unknown) => {
        if (this.#state[key] === value) return;
        this.#state[key] = value;
        this.#emit(`change:${key}`);
      },
      save_changes: () => undefined,
      send: (message: unknown) => this.answer(message, (content, buffers) => this.#emit("msg:custom", content, buffers)),
      on: (name: string, listener: Listener) => {
        if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
        this.#listeners.get(name)!.add(listener);
      },
      off: (name: string, listener: Listener) => { this.#listeners.get(name)?.delete(listener); },
    } as T;
  }

  #emit(name: string, ...args: unknown[]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) (listener as (...a: unknown[]) => void)(...args);
  }
}
