/** Pointer gestures on the images: add, draw, select and move prompts. */
import type { ViewContext } from "../../shared/context.ts";
import { type ImagePoint, pointAtFraction } from "../../shared/images/images.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import { type PromptId, boxBetween, clickCoordinate } from "./objects.ts";
import type { SegmenterState } from "./state.ts";

/** Movement in CSS pixels beyond which a press is a drag. */
const DRAG_THRESHOLD_PX = 4;
/** Milliseconds after which a touch is a long press, which does not add a point. */
const LONG_PRESS_MS = 600;

export function attachGestures(view: ViewContext, ui: ImagesState, segmenter: SegmenterState) {
  const { state, store, signal } = view;
  let running: { end: () => void } | null = null;

  /** Pointer position as fractions of a tile, which may have moved since the pointer went down. */
  const fractions = (tile: HTMLElement, event: PointerEvent) => {
    const box = tile.getBoundingClientRect();
    return { right: (event.clientX - box.left) / box.width, down: (event.clientY - box.top) / box.height };
  };

  const press = (event: PointerEvent) => {
    // A second finger starts another gesture, such as a pinch.
    if (running) return running.end();
    const target = event.target as Element;
    const tile = target.closest<HTMLElement>("[data-image]");
    if ((event.button !== 0 && event.button !== 2) || !tile || target.closest("button")) return;
    const area = event.currentTarget as HTMLElement;
    const image = Number(tile.dataset.image);
    const size = state.meta.peek().images[image]!;
    const start = fractions(tile, event);
    const from = pointAtFraction(image, start.right, start.down, view, ui);
    const handle = event.button === 0 ? target.closest<HTMLElement>("[data-prompt]") : null;
    const positive = segmenter.adds.peek() && !isNegative(event);
    const drawing = !handle && segmenter.tool.peek() === "box" && from !== null;
    let move: ((dx: number, dy: number) => void) | null = null;
    if (handle) {
      const id = promptId(handle);
      segmenter.select(id);
      move = segmenter.moving(id);
    }
    let dragged = false;
    let edited = false;

    const drag = (now: PointerEvent) => {
      if (now.pointerId !== event.pointerId) return;
      dragged ||= Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) > DRAG_THRESHOLD_PX;
      if (!dragged) return;
      // Receive the moves outside the area as well.
      area.setPointerCapture(event.pointerId);
      const { right, down } = fractions(tile, now);
      if (move) {
        edited = true;
        move((right - start.right) * size.width, (down - start.down) * size.height);
      } else if (drawing) {
        segmenter.draftBox.value = boxBetween(from, { image, x: right * size.width, y: down * size.height }, size, positive);
      }
      const under = pointAtFraction(image, right, down, view, ui);
      if (under?.node != null && (move || drawing)) store.set("hover", under.node);
    };
    const gesture = new AbortController();
    const end = () => {
      gesture.abort();
      running = null;
      segmenter.draftBox.value = null;
    };
    const release = (up: PointerEvent) => {
      if (up.pointerId !== event.pointerId) return;
      const box = segmenter.draftBox.peek();
      end();
      if (box && box.x1 > box.x0 && box.y1 > box.y0) segmenter.add(box);
      const rested = event.pointerType === "touch" && up.timeStamp - event.timeStamp > LONG_PRESS_MS;
      if (from && !handle && !dragged && !drawing && !rested) segmenter.add(clickAt(from, positive));
    };
    running = {
      end: () => {
        end();
        if (edited) store.undo();
      },
    };
    const options = { signal: AbortSignal.any([gesture.signal, signal]) };
    area.addEventListener("pointermove", drag, options);
    area.addEventListener("pointerup", release, options);
    area.addEventListener("pointercancel", () => running?.end(), options);
  };

  const clickAt = ({ image, x, y }: ImagePoint, positive: boolean) => {
    const { width, height } = state.meta.peek().images[image]!;
    return { image, x: clickCoordinate(x, width), y: clickCoordinate(y, height), positive };
  };

  // The cursor shows what a click would do.
  const note = (event: KeyboardEvent | PointerEvent) => { segmenter.held.value = event.altKey || event.ctrlKey; };
  for (const type of ["keydown", "keyup", "pointermove"] as const) {
    document.addEventListener(type, note, { signal, capture: true, passive: true });
  }

  return {
    on: {
      onPointerDown: press,
      // Right-click removes and a long press does nothing: suppress the context menus of the browser and the notebook.
      onContextMenu(event: MouseEvent) {
        event.preventDefault();
        event.stopPropagation();
      },
    },
    /** Cancel the current gesture; false if there is none. */
    cancel(): boolean {
      if (!running) return false;
      running.end();
      return true;
    },
  };
}

function isNegative(event: PointerEvent): boolean {
  return event.altKey || event.ctrlKey || event.button === 2;
}

function promptId(handle: HTMLElement): PromptId {
  const [kind, index] = handle.dataset.prompt!.split(" ");
  return { kind: kind as PromptId["kind"], index: Number(index) };
}
