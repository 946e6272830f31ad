/** A generic undo history; edits of one gesture, such as a slider drag, are one step. */

/** A longer pause starts a new gesture. */
const GESTURE_PAUSE_MS = 1500;
const MAX_STEPS = 200;

export class History<T> {
  #past: T[] = [];
  #future: T[] = [];
  #gesture: string | undefined;
  #at = 0;

  get length(): { undo: number; redo: number } {
    return { undo: this.#past.length, redo: this.#future.length };
  }

  /** Record the state before an edit. */
  push(before: T, gesture?: string): void {
    const now = performance.now();
    const continues = gesture !== undefined && gesture === this.#gesture && now - this.#at < GESTURE_PAUSE_MS && this.#past.length > 0;
    this.#gesture = gesture;
    this.#at = now;
    this.#future = [];
    if (continues) return;
    this.#past.push(before);
    if (this.#past.length > MAX_STEPS) this.#past.shift();
  }

  undo(present: T): T | undefined {
    return this.#move(this.#past, this.#future, present);
  }

  redo(present: T): T | undefined {
    return this.#move(this.#future, this.#past, present);
  }

  #move(from: T[], to: T[], present: T): T | undefined {
    const state = from.pop();
    if (state === undefined) return undefined;
    to.push(present);
    this.#gesture = undefined;
    return state;
  }
}
