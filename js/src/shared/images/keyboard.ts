/** Keyboard navigation between patches and images; each view adds its own keys. */
import type { ViewContext } from "../context.ts";
import { GAP, type ImagesState } from "./state.ts";

const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

/** `onKey` is called first, with the node reached by keyboard (or null), and returns whether it handled the key. */
export function handleImageKey(
  event: KeyboardEvent,
  { state, store }: ViewContext,
  ui: ImagesState,
  onKey: (event: KeyboardEvent, node: number | null) => boolean,
): void {
  // Sliders, menus and text fields keep their own keys.
  if ((event.target as Element).matches("input, select, textarea")) return;
  const hover = state.hover.peek();
  if (onKey(event, hover)) {
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const grid = ui.grid.peek();
  const images = state.meta.peek().images.length;
  const zoomed = ui.zoomed.peek();
  const hovered = hover === null ? null : grid.locate(hover);
  // While an image is enlarged, patches of other images are not visible.
  const current = hovered && (zoomed === null || hovered.image === zoomed) ? hovered : null;

  const center = (image: number): number | null => {
    const map = grid.find(image, state.source.peek());
    return map < 0 ? null : grid.nodeAt(map, 0.5, 0.5);
  };
  const area = (event.currentTarget as Element).querySelector(".ncut-tiles");
  const move = (node: number) => {
    store.set("hover", node);
    const patch = grid.locate(node)!;
    const tile = ui.layout.peek().tiles[patch.image];
    if (!area || !tile || ui.zoomed.peek() !== null) return;
    const { top, height } = grid.box(patch);
    const start = tile.y + top * tile.height;
    const end = tile.y + (top + height) * tile.height + 2 * GAP;
    if (start < area.scrollTop) area.scrollTop = start;
    else if (end > area.scrollTop + area.clientHeight) area.scrollTop = end - area.clientHeight;
  };
  const goTo = (image: number) => {
    const node = center(image);
    if (node === null) return;
    if (ui.zoomed.peek() !== null) ui.zoomed.value = image;
    move(node);
  };

  const step = STEPS[event.key];
  const first = ui.shown.peek()[0]?.image ?? 0;
  if (step) {
    if (current) move(grid.step(hover!, ...step));
    else goTo(first);
  } else if (event.key === "PageDown" || event.key === "PageUp") {
    const by = event.key === "PageDown" ? 1 : -1;
    goTo(current ? (current.image + by + images) % images : first);
  } else if (event.key === "z" || event.key === "Z") {
    ui.zoomed.value = zoomed === null ? (current?.image ?? first) : null;
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}
