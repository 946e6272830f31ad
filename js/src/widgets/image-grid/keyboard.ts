/** Everything the mouse does, by keys. */
import type { ViewContext } from "../../shared/view.tsx";
import type { GridState } from "./state.ts";

const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

export function keyboard(event: KeyboardEvent, { state, store }: ViewContext, ui: GridState): void {
  // Sliders and menus keep their own keys.
  if ((event.target as Element).matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const grid = ui.grid.peek();
  const images = state.meta.peek().images.length;
  const hover = state.hover.peek();
  const current = hover === null ? null : grid.locate(hover);

  const center = (image: number): number | null => {
    const map = grid.find(image, state.source.peek());
    return map < 0 ? null : grid.nodeAt(map, 0.5, 0.5);
  };
  const goTo = (image: number) => {
    const node = center(image);
    if (node === null) return;
    if (ui.zoomed.peek() !== null) ui.zoomed.value = image;
    store.set("hover", node);
    const tile = ui.layout.peek().tiles[image];
    const area = (event.currentTarget as Element).querySelector(".ncut-tiles");
    if (tile && area && (tile.y < area.scrollTop || tile.y + tile.height > area.scrollTop + area.clientHeight)) {
      area.scrollTop = tile.y;
    }
  };

  const step = STEPS[event.key];
  const first = ui.shown.peek()[0]?.image ?? 0;
  if (step) {
    if (hover === null) goTo(first);
    else store.set("hover", grid.step(hover, ...step));
  } else if (event.key === "PageDown" || event.key === "PageUp") {
    const by = event.key === "PageDown" ? 1 : -1;
    goTo(current ? (current.image + by + images) % images : first);
  } else if ((event.key === "Enter" || event.key === " ") && !(event.target as Element).matches("button")) {
    if (hover === null) return;
    store.pin(hover, { toggle: event.shiftKey });
  } else if (event.key === "Escape") {
    if (ui.zoomed.peek() !== null) ui.zoomed.value = null;
    else if (state.selection.peek().length) store.unpin();
    else if (hover !== null) store.set("hover", null);
    else return;
  } else if (event.key === "z" || event.key === "Z") {
    ui.zoomed.value = ui.zoomed.peek() === null ? (current?.image ?? first) : null;
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}
