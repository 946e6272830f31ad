/** Keyboard equivalents of all mouse gestures. */
import type { ViewContext } from "../../shared/context.ts";
import type { Camera } from "../../shared/types.ts";
import { dolly, orbit, pan } from "./camera.ts";
import type { GestureTarget } from "./gestures.ts";

/** Step per key press: radians, fraction of the height, zoom factor. */
const TURN = Math.PI / 24;
const SHIFT = 0.06;
const NEARER = 0.85;

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

export const KEYS =
  "Arrow keys orbit, with Shift they pan, plus and minus zoom, Home frames all points; N and P move to the next and " +
  "previous patch, Enter pins it, Escape unpins.";

interface KeyEvents {
  hover(node: number | null): void;
  /** The camera has stopped moving. */
  saveCamera(): void;
}

export function attachKeys(
  { state, store, signal, escape }: ViewContext, canvas: HTMLElement, scene: GestureTarget, events: KeyEvents,
): void {
  const moveCamera = (change: (camera: Camera) => Camera) => {
    if (!scene.camera) return;
    scene.move(change(scene.camera));
    events.saveCamera();
  };
  const step = (by: number) => {
    const { n_nodes } = state.meta.peek();
    const from = state.hover.peek();
    events.hover(from === null ? (by > 0 ? 0 : n_nodes - 1) : (from + by + n_nodes) % n_nodes);
  };
  const press = (event: KeyboardEvent): boolean => {
    const arrow = ARROWS[event.key];
    const hover = state.hover.peek();
    if (arrow && event.shiftKey) {
      const [dx, dy] = arrow.map((way) => way * SHIFT * scene.height) as [number, number];
      moveCamera((camera) => pan(camera, dx, dy, scene.width, scene.height));
    } else if (arrow) moveCamera((camera) => orbit(camera, arrow[0] * TURN, -arrow[1] * TURN));
    else if (event.key === "+" || event.key === "=") moveCamera((camera) => dolly(camera, NEARER, scene.radius));
    else if (event.key === "-" || event.key === "_") moveCamera((camera) => dolly(camera, 1 / NEARER, scene.radius));
    else if (event.key === "Home") store.set("camera", null);
    else if (event.key.toLowerCase() === "n") step(1);
    else if (event.key.toLowerCase() === "p") step(-1);
    else if ((event.key === "Enter" || event.key === " ") && hover !== null) store.pin(hover, { toggle: event.shiftKey });
    else return false;
    return true;
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !press(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  escape(() => {
    const pinned = state.selection.peek().length > 0;
    store.unpin();
    return pinned;
  });
}
