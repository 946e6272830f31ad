/** Mouse, touch and wheel gestures: drag to orbit or pan, click to pin, pinch to zoom. */
import type { Camera } from "../../shared/types.ts";
import { dolly, orbit, pan } from "./camera.ts";

/** Maximum movement of a click in pixels. */
const CLICK_REACH = 4;
/** One wheel notch is about 100. */
const WHEEL_RATE = 0.001;
/** WheelEvent.deltaMode: pixels, lines, pages. */
const WHEEL_UNITS = [1, 16, 400] as const;

export interface GestureTarget {
  readonly camera: Camera | null;
  readonly radius: number;
  readonly width: number;
  readonly height: number;
  move(camera: Camera): void;
}

export interface GestureEvents {
  hover(x: number, y: number): void;
  leave(): void;
  click(x: number, y: number, event: PointerEvent): void;
  /** The camera starts moving, so a tooltip no longer fits. */
  start(): void;
  /** The camera has stopped moving. */
  end(): void;
}

interface Finger {
  x: number;
  y: number;
}

export function attachGestures(
  element: HTMLElement, view: GestureTarget, events: GestureEvents, signal: AbortSignal,
): void {
  const fingers = new Map<number, Finger>();
  let origin: Finger | null = null;
  let moved = false;
  let panning = false;
  const on = <K extends keyof HTMLElementEventMap>(
    type: K, listener: (event: HTMLElementEventMap[K]) => void, options: AddEventListenerOptions = {},
  ) => element.addEventListener(type, listener, { ...options, signal });

  const moveCamera = (change: (camera: Camera) => Camera) => {
    if (view.camera) view.move(change(view.camera));
  };
  const drag = (dx: number, dy: number) => {
    if (panning) moveCamera((camera) => pan(camera, dx, dy, view.width, view.height));
    // A drag over the full height is one turn.
    else moveCamera((camera) => orbit(camera, (dx / view.height) * 2 * Math.PI, (-dy / view.height) * 2 * Math.PI));
  };
  const pinch = (moving: number, to: Finger) => {
    const from = fingers.get(moving)!;
    const [, other] = [...fingers].find(([id]) => id !== moving)!;
    const before = Math.hypot(from.x - other.x, from.y - other.y);
    const after = Math.hypot(to.x - other.x, to.y - other.y);
    // Each finger contributes half, so that both together pan by the full distance.
    moveCamera((camera) => pan(camera, (to.x - from.x) / 2, (to.y - from.y) / 2, view.width, view.height));
    if (after > 1) moveCamera((camera) => dolly(camera, before / after, view.radius));
  };

  on("pointerdown", (event) => {
    if (fingers.size >= 2) return;
    element.setPointerCapture(event.pointerId);
    const place = { x: event.offsetX, y: event.offsetY };
    fingers.set(event.pointerId, place);
    if (fingers.size === 1) {
      origin = place;
      moved = false;
      panning = event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey;
    } else {
      moved = true;
      events.start();
    }
  });
  on("pointermove", (event) => {
    const to = { x: event.offsetX, y: event.offsetY };
    const from = fingers.get(event.pointerId);
    if (!from || !origin) {
      if (event.pointerType !== "touch") events.hover(to.x, to.y);
      return;
    }
    if (!moved) {
      if (Math.hypot(to.x - origin.x, to.y - origin.y) <= CLICK_REACH) return;
      moved = true;
      element.dataset.dragging = "true";
      events.start();
    }
    if (fingers.size === 2) pinch(event.pointerId, to);
    else drag(to.x - from.x, to.y - from.y);
    fingers.set(event.pointerId, to);
  });
  const release = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId) || fingers.size > 0) return;
    origin = null;
    delete element.dataset.dragging;
    if (moved) events.end();
    else if (event.type === "pointerup" && event.button === 0) events.click(event.offsetX, event.offsetY, event);
  };
  on("pointerup", release);
  on("pointercancel", release);
  on("pointerleave", () => events.leave());
  on("contextmenu", (event) => event.preventDefault());
  on("wheel", (event) => {
    // Without the focus the wheel scrolls the page; otherwise users could not scroll past the view.
    const focused = (element.getRootNode() as Document | ShadowRoot).activeElement === element;
    if (!focused && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const delta = event.deltaY * WHEEL_UNITS[event.deltaMode as 0 | 1 | 2];
    events.start();
    // Touchpads report a pinch as a wheel event with ctrlKey and small deltas.
    moveCamera((camera) => dolly(camera, Math.exp(delta * WHEEL_RATE * (event.ctrlKey ? 10 : 1)), view.radius));
    events.end();
  }, { passive: false });
}
