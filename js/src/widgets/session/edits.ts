/** The edits of the objects, by users and by Python, which can be undone. */
import type { SessionState, SessionStore } from "../../shared/types.ts";
import { History } from "./history.ts";

type Edited = Pick<SessionState, "objects" | "active">;

export class Edits {
  #store: SessionStore;
  #history = new History<Edited>();
  /** The objects as they were last seen here, to know what Python has changed. */
  #seen: Edited;

  constructor(store: SessionStore, signal: AbortSignal) {
    this.#store = store;
    this.#seen = this.#now();
    store.subscribe("objects", () => this.#note(), signal);
  }

  get length(): { undo: number; redo: number } {
    return this.#history.length;
  }

  edit(change: Partial<Edited>, gesture?: string): void {
    const before = this.#now();
    // Which of the objects is active is no edit, but comes back with one.
    if (change.objects && !same(change.objects, before.objects)) this.#history.push(before, gesture);
    this.#show({ ...before, ...change });
  }

  undo(): boolean {
    return this.#goTo(this.#history.undo(this.#now()));
  }

  redo(): boolean {
    return this.#goTo(this.#history.redo(this.#now()));
  }

  #now(): Edited {
    return { objects: this.#store.get("objects"), active: this.#store.get("active") };
  }

  #goTo(state: Edited | undefined): boolean {
    if (state) this.#show(state);
    return state !== undefined;
  }

  #show(state: Edited): void {
    this.#seen = state;
    this.#store.set("objects", state.objects);
    this.#store.set("active", state.active);
  }

  #note(): void {
    const now = this.#now();
    if (same(now.objects, this.#seen.objects)) return;
    this.#history.push(this.#seen);
    this.#seen = now;
  }
}

export function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
