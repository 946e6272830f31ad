/** Keys that mean the same on a patch and on a row of the legend, and those that move through the rows. */
import type { ViewContext } from "../../shared/view.tsx";
import type { PanelState } from "./state.ts";

/** What the left and right keys go through in a row. */
const STOPS = "input, button";
const MOVES = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"];

/** True if the key was one of those that do something with a cluster. */
export function clusterKey(event: KeyboardEvent, id: number, panel: PanelState): boolean {
  const action = {
    Enter: () => panel.select(id), " ": () => panel.mark(id),
    h: () => panel.hide(id), s: () => panel.solo(id), m: () => panel.makeMask(id),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  action?.();
  return action !== undefined;
}

/** On a row of the legend or on something in it. */
export function rowKey(event: KeyboardEvent, id: number, panel: PanelState): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const row = event.currentTarget as HTMLElement;
  const target = event.target as HTMLElement;
  if (event.key === "F2" || (event.key === "Enter" && target.closest(".ncut-cluster-name"))) {
    panel.editing.value = id;
  } else if (target !== row && (event.key === "Enter" || event.key === " ")) {
    // Buttons and ticks know what to do.
    return;
  } else if (MOVES.includes(event.key)) {
    move(event.key, row, target);
  } else if (!clusterKey(event, id, panel)) {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}

/** Up and down from row to row, left and right through what is in one. */
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

/** The field goes, so the focus goes to its row. */
export function stopEditing({ root }: ViewContext, panel: PanelState): void {
  const id = panel.editing.peek();
  panel.editing.value = null;
  root.querySelector<HTMLElement>(`[data-cluster="${id}"]`)?.focus();
}
