/** State shared by all widgets of a page, although each widget type has its own copy of every module. */
import type { PointRenderer } from "./point-renderer.ts";

/** Every copy of a module uses these entries, regardless of which copy created them. */
interface Page {
  points?: { create(onRestore: () => void): PointRenderer };
  look?: { follow(root: HTMLElement, abort: AbortSignal): void };
  /** Widget modules by content: `widgets/_bundles.py` imports each one once per page. */
  modules?: Record<string, Promise<unknown>>;
}

/** Increase the number on incompatible changes: two versions of this package may share a page. */
const KEY = Symbol.for("ncut-widgets@1");

export function sharedOnPage(): Page {
  return ((globalThis as unknown as Record<symbol, Page | undefined>)[KEY] ??= {});
}
