/** Keyboard shortcuts of the segmenter, in addition to patch navigation. */
import type { ViewContext } from "../../shared/context.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import { nodeAtPixel } from "../../shared/masks.ts";
import type { PromptId } from "./objects.ts";
import type { SegmenterState } from "./state.ts";

const STEPS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

/** Handles a key on the images, at the node reached by keyboard; returns whether it was handled. */
export function handlePatchKey(event: KeyboardEvent, node: number | null, view: ViewContext, ui: ImagesState, segmenter: SegmenterState): boolean {
  const step = STEPS[event.key];
  if (step && event.shiftKey) return moveSelected(step, view, ui, segmenter);
  if (event.key !== "Enter" || node === null || (event.target as Element).matches("button")) return false;
  const prompt = promptAt(node, view, ui, segmenter);
  if (prompt) segmenter.select(prompt);
  else segmenter.addNode(node, ui.grid.peek(), segmenter.adds.peek() && !event.altKey && !event.ctrlKey);
  return true;
}

/** Shortcuts that work anywhere in the view, except in text fields. */
export function handleShortcut(event: KeyboardEvent, segmenter: SegmenterState): void {
  if ((event.target as Element).matches("input:not([type=range], [type=radio], [type=checkbox], [type=color]), select")) return;
  if (!isShortcut(event, segmenter)) return;
  event.preventDefault();
  event.stopPropagation();
}

function isShortcut(event: KeyboardEvent, segmenter: SegmenterState): boolean {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (event.altKey || (key !== "z" && key !== "y")) return false;
    segmenter.undoOrRedo(key === "y" || event.shiftKey ? "redo" : "undo");
    return true;
  }
  if (event.altKey) return false;
  if (key === "delete" || key === "backspace") return segmenter.removeSelected();
  if (key !== "n") return false;
  segmenter.addObject();
  return true;
}

function moveSelected([right, down]: [number, number], { state }: ViewContext, ui: ImagesState, segmenter: SegmenterState): boolean {
  const id = segmenter.selected.peek();
  if (!id) return false;
  const { image } = segmenter.active.peek()![id.kind][id.index]!;
  const map = ui.grid.peek().maps[ui.grid.peek().find(image, state.source.peek())];
  const { width, height } = state.meta.peek().images[image]!;
  if (map) segmenter.moving(id)((right * width) / map.columns, (down * height) / map.rows);
  return true;
}

/** The active object's point on a node. */
function promptAt(node: number, { state }: ViewContext, ui: ImagesState, segmenter: SegmenterState): PromptId | null {
  const grid = ui.grid.peek();
  const { map, image } = grid.locate(node)!;
  const size = state.meta.peek().images[image]!;
  const clicks = segmenter.active.peek()?.clicks ?? [];
  const index = clicks.findIndex((click) => click.image === image && nodeAtPixel(grid, map, size, click.x, click.y) === node);
  return index < 0 ? null : { kind: "clicks", index };
}
