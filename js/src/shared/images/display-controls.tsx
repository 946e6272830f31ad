/** Display controls shared by all image views. */
import type { ViewContext } from "../context.ts";
import { Check, Slider } from "../controls.tsx";
import { type ImagesState, ROW_HEIGHT } from "./state.ts";

type Session = Pick<ViewContext, "state" | "store">;

export function Blend({ state, store, disabled = false }: Session & { disabled?: boolean }) {
  return (
    <Slider label="Blend" value={state.blend.value} min={0} max={1} step={0.01} disabled={disabled}
      output={`${Math.round(state.blend.value * 100)}%`} set={(value) => store.set("blend", value)} />
  );
}

export function ImageSize({ ui, label = "Image size" }: { ui: ImagesState; label?: string }) {
  return (
    <Slider label={label} name="Image size" value={Math.round(ui.rowHeight.value)} {...ROW_HEIGHT} step={1} output=""
      set={(value) => { ui.chosenHeight.value = value; }} reset={() => { ui.chosenHeight.value = null; }} />
  );
}

export function Smooth({ state, store }: Session) {
  return (
    <Check label="Smooth" title="Blend between patches instead of showing their edges"
      value={state.smooth.value} set={(value) => store.set("smooth", value)} />
  );
}

/** Menu of the displayed source; omitted if there is only one. */
export function Source({ state, store, ui }: Session & { ui: ImagesState }) {
  const { sources } = ui.grid.value;
  if (sources.length < 2) return null;
  return (
    <label class="ncut-field">
      <span>Source</span>
      <select value={state.source.value} onChange={(event) => store.set("source", event.currentTarget.value)}>
        {sources.map((source) => <option key={source}>{source}</option>)}
      </select>
    </label>
  );
}

interface CountProps extends Session {
  label: string;
  /** Available numbers of clusters, by default all. */
  counts?: readonly number[] | undefined;
  /** Replaces the default action of setting `n_clusters`. */
  set?: (count: number) => void;
}

export function NumberOfClusters({
  state, store, label, counts = state.meta.value.cluster_counts, set = (count) => store.set("n_clusters", count),
}: CountProps) {
  return (
    <Slider label={label} name="Number of clusters" value={counts.indexOf(closestCount(counts, state.n_clusters.value))} min={0}
      max={counts.length - 1} step={1} output={state.n_clusters.value} disabled={counts.length < 2}
      set={(value) => set(counts[value]!)} />
  );
}

/** The available number closest to the requested one; the first one in a tie. */
export function closestCount(counts: readonly number[], wanted: number): number {
  return counts.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best));
}
