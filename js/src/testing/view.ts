/** View tests: a page with a fixed layout, mounting, and user gestures. */
import { afterEach, beforeEach, expect, vi } from "vitest";
import type { SessionStore } from "../shared/types.ts";
import { LocalModel } from "../standalone/model.ts";

/** The last pixels written to each canvas. */
export const painted = new Map<HTMLCanvasElement, ImageData>();
const mounted: AbortController[] = [];

export interface PageOptions {
  /** Size of every element in CSS pixels. */
  width: number;
  height: number;
  /** Position of every element; the origin by default. */
  box?: DOMRect;
  /** Replaces the default context, which records pixels in `painted`. */
  context?: (kind: string) => unknown;
}

/** Runs every test of the file on an empty page, in which all elements have the same size. */
export function onPage({ width, height, box = new DOMRect(0, 0, width, height), context }: PageOptions): void {
  beforeEach(() => {
    painted.clear();
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function (this: HTMLCanvasElement, kind: string) {
      if (context) return context(kind) as never;
      return { putImageData: (image: ImageData) => painted.set(this, image), clearRect: () => painted.delete(this) } as never;
    } as never);
    vi.stubGlobal("ImageData", class {
      constructor(readonly data: Uint8ClampedArray, readonly width: number, readonly height: number) {}
    });
    vi.stubGlobal("ResizeObserver", class {
      constructor(private readonly run: () => void) {}
      observe() { this.run(); }
      disconnect() {}
    });
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(width);
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(height);
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(box);
    HTMLElement.prototype.setPointerCapture = () => undefined;
  });
  afterEach(() => {
    for (const view of mounted.splice(0)) view.abort();
    document.body.replaceChildren();
  });
}

/** Mounts a widget on a session until `lifetime` is aborted, at the latest at the end of the test. */
export async function mountView<E extends HTMLElement = HTMLElement>(widget: { render(props: never): Promise<void> }, store: SessionStore) {
  const lifetime = new AbortController();
  mounted.push(lifetime);
  const el = document.createElement("div");
  document.body.append(el);
  await widget.render({
    el, signal: lifetime.signal, model: new LocalModel({ session: "s", height: 400 }).proxy(),
    host: { getWidget: async () => ({ exports: { store } }) },
  } as never);
  return { root: el.querySelector<E>("[data-ncut-view]")!, lifetime };
}

/** Resolves when `count` images are rendered and the first frame is drawn. */
export async function imagesShown(root: HTMLElement, count = 2): Promise<void> {
  await vi.waitFor(() => {
    expect(root.querySelectorAll("[data-image]")).toHaveLength(count);
    // Images never load in this environment.
    for (const picture of root.querySelectorAll("img")) picture.dispatchEvent(new Event("load"));
    expect(root.dataset.ready).toBe("true");
  });
}

/** What a user sees and does in a view. */
export function userActions(root: HTMLElement) {
  const find = <E extends HTMLElement>(selector: string) => root.querySelector<E>(selector)!;
  const named = <E extends HTMLElement>(label: string) => find<E>(`[aria-label='${label}']`);
  const button = (text: string) => [...root.querySelectorAll("button")].find((one) => one.textContent === text)!;
  const key = (target: Element, name: string, more: object = {}) => {
    const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, composed: true, ...more });
    target.dispatchEvent(event);
    return event;
  };
  const enter = (target: Element, type = "pointerenter") => target.dispatchEvent(new Event(type));
  /** Types into a text field, or moves a slider. */
  const input = (field: HTMLInputElement, value: string | number) => {
    field.value = String(value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  /** Selects a menu entry, or commits a text field. */
  const commit = (field: HTMLInputElement | HTMLSelectElement, value: string) => {
    field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  /** Clicks a patch of the first image; patches have 100 pixels. */
  const clickPatch = (row: number, column: number, more: object = {}) => find("[data-image='0']").dispatchEvent(
    Object.assign(new Event("click", { bubbles: true }), { clientX: (column + 0.5) * 100, clientY: (row + 0.5) * 100, ...more }));
  /** RGBA of the first patches of an image, as painted in its overlay. */
  const overlay = (count = 4, selector = "[data-image='0'] canvas") => {
    const { data } = painted.get(find<HTMLCanvasElement>(selector))!;
    return Array.from({ length: count }, (_, at) => [...data.slice(at * 4, at * 4 + 4)]);
  };
  return { find, named, button, key, enter, input, commit, clickPatch, overlay };
}
