/** Undo and redo for edits of objects by users and by Python. */
import type { SessionState, SessionStore } from "../../shared/types.ts";
import { History } from "./history.ts";

type Edited = Pick<SessionState, "objects" | "active_object">;

export class Edits {
  #store: SessionStore;
  #history = new History<Edited>();
  /** The last known state, to detect changes made by Python. */
  #last: Edited;

  constructor(store: SessionStore, signal: AbortSignal) {
    this.#store = store;
    this.#last = this.#current();
    store.subscribe("objects", () => this.#recordExternalEdit(), signal);
  }

  get length(): { undo: number; redo: number } {
    return this.#history.length;
  }

  edit(change: Partial<Edited>, gesture?: string): void {
    const before = this.#current();
    // Activating an object is not an edit, but undo restores it.
    if (change.objects && !sameJson(change.objects, before.objects)) this.#history.push(before, gesture);
    this.#apply({ ...before, ...change });
  }

  undo(): boolean {
    return this.#goTo(this.#history.undo(this.#current()));
  }

  redo(): boolean {
    return this.#goTo(this.#history.redo(this.#current()));
  }

  #current(): Edited {
    return { objects: this.#store.get("objects"), active_object: this.#store.get("active_object") };
  }

  #goTo(state: Edited | undefined): boolean {
    if (state) this.#apply(state);
    return state !== undefined;
  }

  #apply(state: Edited): void {
    this.#last = state;
    this.#store.set("objects", state.objects);
    this.#store.set("active_object", state.active_object);
  }

  #recordExternalEdit(): void {
    const now = this.#current();
    if (sameJson(now.objects, this.#last.objects)) return;
    this.#history.push(this.#last);
    this.#last = now;
  }
}

export function sameJson(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
