/** Selection of the attribution targets: the first follows the selection in any view, the second is a fixed comparison. */
import { type ReadonlySignal, computed, signal } from "@preact/signals";
import type { ViewContext } from "../../shared/context.ts";
import type { Target } from "./targets.ts";

export function targetSelection(view: ViewContext, present: ReadonlySignal<readonly number[]>, kernel: ReadonlySignal<boolean>) {
  const { state, store } = view;
  /** Null for the selected cluster. */
  const chosen = signal<Exclude<Target, { kind: "cluster" }> | null>(null);
  const other = signal<Target | null>(null);

  /** Whether a target still exists. */
  const exists = (target: Target): boolean => {
    switch (target.kind) {
      case "cluster": return present.value.includes(target.id);
      case "mask": return state.objects.value.some(({ name }) => name === target.name);
      case "pinned": return state.selection.value.length > 0;
      case "image": return target.image < state.meta.value.images.length;
    }
  };
  // Serialized, so that an unchanged target remains the same object.
  const firstText = computed(() => {
    if (chosen.value && exists(chosen.value)) return JSON.stringify(chosen.value);
    const selected = state.selected_cluster.value;
    const id = selected !== null && present.value.includes(selected) ? selected : (present.value[0] ?? 0);
    return JSON.stringify({ kind: "cluster", id });
  });
  const secondText = computed(() => (other.value && exists(other.value) ? JSON.stringify(other.value) : null));
  const first = computed(() => JSON.parse(firstText.value) as Target);
  const second = computed(() => (secondText.value === null ? null : (JSON.parse(secondText.value) as Target)));

  view.effect(() => {
    if (state.selection.value.length && kernel.value) chosen.value = { kind: "pinned" };
  });
  view.effect(() => {
    if (state.selected_cluster.value !== null) chosen.value = null;
  });

  const choose = (target: Target) => {
    if (target.kind === "cluster") {
      chosen.value = null;
      store.set("selected_cluster", target.id);
    } else {
      chosen.value = target;
    }
  };
  return {
    first, second, choose,
    compare: (target: Target | null) => { other.value = target; },
  };
}
