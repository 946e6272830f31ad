/** What only one segmenter knows: the tool in hand, the selected prompt, the box being drawn; and what it does to objects. */
import { computed, signal } from "@preact/signals";
import type { PatchGrid } from "../../shared/geometry.ts";
import type { BoxPrompt, Click, MaskObject, NodeMask } from "../../shared/types.ts";
import type { ViewContext } from "../../shared/view.tsx";
import {
  type Objects, type PromptId, blankObject, changed, clickCoordinate, moved, withCopy, withNew, withPrompt, withPromptAt, without, withoutPrompt,
} from "./objects.ts";

export type Tool = "point" | "box";

export function segmenterState({ state, store }: Pick<ViewContext, "state" | "store">) {
  const tool = signal<Tool>("point");
  /** Whether prompts add or take away, by the switch and by the keys that are held. */
  const adds = signal(true);
  const held = signal(false);
  const positive = computed(() => adds.value && !held.value);
  const draftBox = signal<BoxPrompt | null>(null);
  /** As they were last drawn. */
  const masks = signal<readonly NodeMask[] | null>(null);
  /** The images that show refined masks in place of patches. */
  const refined = signal<readonly number[]>([]);
  const steps = signal(store.history);
  const picked = signal<PromptId | null>(null);

  const active = computed<MaskObject | null>(() => {
    const index = state.active.value;
    return index === null ? null : (state.objects.value[index] ?? null);
  });
  /** The selected prompt, while there is one of that number. */
  const selected = computed(() => {
    const id = picked.value;
    return id && active.value?.[id.kind][id.index] ? id : null;
  });

  const now = (): Objects => ({ objects: store.get("objects"), active: store.get("active") });
  const blank = () => blankObject(store.get("objects"), state.meta.peek().click_eig);
  let gestures = 0;

  const edit = (change: Partial<Objects>, gesture?: string) => store.edit(change, gesture);
  const change = (index: number, what: Partial<MaskObject>, gesture?: string) => {
    edit({ objects: changed(now(), index, what) }, gesture);
  };
  const changeActive = (what: Partial<MaskObject>, gesture?: string) => {
    const { active: index } = now();
    if (index !== null && active.peek()) change(index, what, gesture && `${gesture} ${index}`);
  };
  const activate = (index: number) => {
    if (index === now().active) return;
    picked.value = null;
    edit({ active: index });
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
      // What was pinned would hide the masks in the other views.
      store.unpin();
      store.set("layer", "masks");
    },
    /** A click on the middle of a patch. */
    addNode(node: number, grid: PatchGrid, isPositive: boolean) {
      const patch = grid.locate(node)!;
      const { left, top, width, height } = grid.box(patch);
      const size = state.meta.peek().images[patch.image]!;
      const x = clickCoordinate((left + width / 2) * size.width, size.width);
      const y = clickCoordinate((top + height / 2) * size.height, size.height);
      this.add({ image: patch.image, x, y, positive: isPositive });
    },
    /** Start to move a prompt; call what is returned with how far it has come, in pixels. */
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
    /** False where none is selected. */
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
