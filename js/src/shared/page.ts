/** What all widgets of a page share, though each kind of widget has a module of its own. */
import type { PointRenderer } from "./gl.ts";

/** Any copy of a module uses these, whichever copy made them. */
interface Page {
  points?: { create(onRestore: () => void): PointRenderer };
  look?: { follow(root: HTMLElement, abort: AbortSignal): void };
  /** The module of each kind of widget, by its content: `widgets/_base.py` loads it once for all widgets of the kind. */
  modules?: Record<string, Promise<unknown>>;
}

/** The number changes with the meaning of what is in here: two versions of this package may be on one page. */
const KEY = Symbol.for("ncut-widgets@1");

export function sharedOnPage(): Page {
  return ((globalThis as unknown as Record<symbol, Page | undefined>)[KEY] ??= {});
}
