/** Keyboard shortcuts for clusters, on a patch and in the legend, and navigation between rows. */
import type { ViewContext } from "../../shared/context.ts";
import type { PanelState } from "./state.ts";

/** Focusable elements of a row, for the left and right arrow keys. */
const STOPS = "input, button";
const MOVES = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"];

/** Handles a shortcut for a cluster; returns whether it was handled. */
export function clusterKey(event: KeyboardEvent, id: number, panel: PanelState): boolean {
  const action = {
    Enter: () => panel.select(id), " ": () => panel.mark(id),
    h: () => panel.hide(id), s: () => panel.solo(id), m: () => panel.makeMask(id),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  action?.();
  return action !== undefined;
}

/** Handles a key on a row of the legend or inside it. */
export function rowKey(event: KeyboardEvent, id: number, panel: PanelState): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const row = event.currentTarget as HTMLElement;
  const target = event.target as HTMLElement;
  if (event.key === "F2" || (event.key === "Enter" && target.closest(".ncut-cluster-name"))) {
    panel.editing.value = id;
  } else if (target !== row && (event.key === "Enter" || event.key === " ")) {
    // Buttons and checkboxes handle their own keys.
    return;
  } else if (MOVES.includes(event.key)) {
    move(event.key, row, target);
  } else if (!clusterKey(event, id, panel)) {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}

/** Up and down between rows, left and right within a row. */
function move(key: string, row: HTMLElement, target: HTMLElement): void {
  const rows = [...row.parentElement!.children] as HTMLElement[];
  const at = rows.indexOf(row);
  const stops = [row, ...row.querySelectorAll<HTMLElement>(STOPS)];
  const stop = stops.indexOf(target);
  const goal = {
    ArrowUp: rows[at - 1], ArrowDown: rows[at + 1], Home: rows[0], End: rows.at(-1),
    ArrowLeft: stops[stop - 1], ArrowRight: stops[stop + 1],
  }[key];
  goal?.focus();
}

/** The name field is removed, so the focus moves to its row. */
export function stopEditing({ root }: ViewContext, panel: PanelState): void {
  const id = panel.editing.peek();
  panel.editing.value = null;
  root.querySelector<HTMLElement>(`[data-cluster="${id}"]`)?.focus();
}
