/** Display state of one segmenter (tool, selected prompt, box being drawn) and its edits of objects. */
import { computed, signal } from "@preact/signals";
import type { ViewContext } from "../../shared/context.ts";
import type { PatchGrid } from "../../shared/geometry.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import type { BoxPrompt, Click, MaskObject, NodeMask } from "../../shared/types.ts";
import {
  type Objects, type PromptId, blankObject, changed, clickCoordinate, moved, withCopy, withNew, withPrompt, withPromptAt, without, withoutPrompt,
} from "./objects.ts";

export type Tool = "point" | "box";

export function segmenterState({ state, store }: Pick<ViewContext, "state" | "store">) {
  const tool = signal<Tool>("point");
  /** Whether new prompts are positive, according to the toolbar and to modifier keys. */
  const adds = signal(true);
  const held = signal(false);
  const positive = computed(() => adds.value && !held.value);
  const draftBox = signal<BoxPrompt | null>(null);
  /** The masks that were last drawn. */
  const masks = signal<readonly NodeMask[] | null>(null);
  /** The images that show refined masks. */
  const refined = signal<readonly number[]>([]);
  const steps = signal(store.history);
  const picked = signal<PromptId | null>(null);

  const active = computed<MaskObject | null>(() => {
    const index = state.active_object.value;
    return index === null ? null : (state.objects.value[index] ?? null);
  });
  /** The selected prompt, if it still exists. */
  const selected = computed(() => {
    const id = picked.value;
    return id && active.value?.[id.kind][id.index] ? id : null;
  });

  const now = (): Objects => ({ objects: store.get("objects"), active_object: store.get("active_object") });
  const blank = () => blankObject(store.get("objects"), state.meta.peek().click_eig);
  let gestures = 0;

  const edit = (change: Partial<Objects>, gesture?: string) => store.edit(change, gesture);
  const change = (index: number, what: Partial<MaskObject>, gesture?: string) => {
    edit({ objects: changed(now(), index, what) }, gesture);
  };
  const changeActive = (what: Partial<MaskObject>, gesture?: string) => {
    const { active_object: index } = now();
    if (index !== null && active.peek()) change(index, what, gesture && `${gesture} ${index}`);
  };
  const activate = (index: number) => {
    if (index === now().active_object) return;
    picked.value = null;
    edit({ active_object: index });
  };
  const replace = (next: Objects) => {
    picked.value = null;
    edit(next);
  };

  return {
    tool, adds, held, positive, draftBox, masks, refined, steps, active, selected, change, changeActive, activate,
    noteRefined(image: number, is: boolean) {
      const others = refined.peek().filter((other) => other !== image);
      if (is !== refined.peek().includes(image)) refined.value = is ? [...others, image] : others;
    },
    select(id: PromptId | null) { picked.value = id; },
    add(prompt: Click | BoxPrompt) {
      const { prompt: id, ...next } = withPrompt(now(), prompt, blank());
      edit(next);
      picked.value = id;
      // Pinned patches would hide the masks in the other views.
      store.unpin();
      store.set("layer", "masks");
    },
    /** Adds a click at the center of a patch. */
    addNode(node: number, grid: PatchGrid, isPositive: boolean) {
      const patch = grid.locate(node)!;
      const { left, top, width, height } = grid.box(patch);
      const size = state.meta.peek().images[patch.image]!;
      const x = clickCoordinate((left + width / 2) * size.width, size.width);
      const y = clickCoordinate((top + height / 2) * size.height, size.height);
      this.add({ image: patch.image, x, y, positive: isPositive });
    },
    /** Starts moving a prompt; call the result with the total movement in pixels. */
    moving(id: PromptId): (dx: number, dy: number) => void {
      const from = active.peek()![id.kind][id.index]!;
      const image = state.meta.peek().images[from.image]!;
      const gesture = `move ${++gestures}`;
      return (dx, dy) => {
        if (active.peek()?.[id.kind][id.index]) {
          changeActive(withPromptAt(active.peek()!, id, moved(from, image, dx, dy)), gesture);
        }
      };
    },
    /** False if no prompt is selected. */
    removeSelected(): boolean {
      const id = selected.peek();
      if (!id) return false;
      picked.value = null;
      changeActive(withoutPrompt(active.peek()!, id));
      return true;
    },
    addObject() { replace(withNew(now(), blank())); },
    duplicate(index: number) { replace(withCopy(now(), index)); },
    remove(index: number) { replace(without(now(), index)); },
    clear(index: number) {
      picked.value = null;
      change(index, { clicks: [], boxes: [] });
    },
    undoOrRedo(by: "undo" | "redo"): boolean {
      picked.value = null;
      return store[by]();
    },
  };
}

export type SegmenterState = ReturnType<typeof segmenterState>;

export interface PanelProps {
  view: ViewContext;
  ui: ImagesState;
  segmenter: SegmenterState;
}
