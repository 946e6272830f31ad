/** A click segmenter on two images whose left and right halves differ. */
import { afterEach, beforeEach, vi } from "vitest";
import type { SessionState } from "../shared/types.ts";
import widget from "../widgets/click-segmenter/index.ts";
import { type Arrays, IMAGE_ARRAYS, column, fakeSession, sessionState } from "./session.ts";
import { userActions, imagesShown, mountView } from "./view.ts";

const ARRAYS: Arrays = {
  ...IMAGE_ARRAYS,
  eigenvectors: [Float32Array.from({ length: 48 }, (_, i) => {
    const right = column(i >> 1) >= 2;
    return i % 2 ? (right ? 1 : 0) + 0.01 * (i % 5) : right ? 0.02 : 1;
  }), "float32", [24, 2]],
};
/** Position of every image on the page, at half of its size. */
const BOX = new DOMRect(100, 50, 200, 150);
export const PAGE = { width: 400, height: 500, box: BOX };

export type More = { time?: number; [field: string]: unknown };

/** The downloads of a test so far. */
export function recordDownloads(): { name: string; blob: Blob }[] {
  const downloads: { name: string; blob: Blob }[] = [];
  beforeEach(() => {
    const blobs = new Map<string, Blob>();
    vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
      blobs.set(`blob:${blobs.size}`, blob as Blob);
      return `blob:${blobs.size - 1}`;
    });
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      downloads.push({ name: this.download, blob: blobs.get(this.getAttribute("href")!)! });
    });
  });
  afterEach(() => { downloads.length = 0; });
  return downloads;
}

/** Mounts the view with its images drawn. The kernel holds slow requests. */
export async function shown(change: Partial<SessionState> = {}) {
  const { store, kernel } = fakeSession(sessionState(change), ARRAYS);
  kernel.holds = /^(click_heat|export)/;
  await store.prepare();
  const { root } = await mountView(widget, store);
  await imagesShown(root);

  const { find, named, button, key: keyAt, input, commit } = userActions(root);
  const tile = (image: number) => find(`[data-image='${image}']`);
  const pointer = (type: string, target: Element, x: number, y: number, { time = 0, ...more }: More = {}) => {
    const event = new Event(type, { bubbles: true, cancelable: true, composed: true });
    Object.defineProperty(event, "timeStamp", { value: time });
    target.dispatchEvent(Object.assign(event, {
      pointerId: 1, pointerType: "mouse", button: 0, altKey: false, ctrlKey: false, clientX: x, clientY: y, ...more,
    }));
  };
  /** Client position of an image pixel. */
  const at = (x: number, y: number) => [BOX.left + x / 2, BOX.top + y / 2] as const;
  const press = (image: number, x: number, y: number, more: More = {}) => {
    pointer("pointerdown", tile(image), ...at(x, y), more);
    pointer("pointerup", tile(image), ...at(x, y), more);
  };
  const drag = (target: Element, from: [number, number], to: [number, number], more: More = {}) => {
    pointer("pointerdown", target, ...at(...from), more);
    for (const part of [0.5, 1]) {
      pointer("pointermove", target, ...at(from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part), more);
    }
    pointer("pointerup", target, ...at(...to), more);
  };
  /** Presses a key on the images or another target. */
  const key = (name: string, more: object = {}, target: Element = find(".ncut-tiles")) => keyAt(target, name, more);
  const slide = (label: string, value: number) => input(named<HTMLInputElement>(label), value);
  const settled = () => new Promise(requestAnimationFrame).then(() => new Promise((done) => setTimeout(done)));
  const one = () => store.get("objects")[0]!;
  return { root, store, kernel, tile, pointer, at, press, drag, key, named, button, input, commit, slide, settled, one };
}
