/** The controls above the images: how many clusters, and how they are drawn. */
import { Check, Slider } from "../../shared/controls.tsx";
import { type ImagesState, ROW_HEIGHT } from "../../shared/images/state.ts";
import type { ViewContext } from "../../shared/view.tsx";
import type { ChannelsState } from "./state.ts";

export function Bar({ view: { state, store }, ui, channels }: { view: ViewContext; ui: ImagesState; channels: ChannelsState }) {
  const counts = state.meta.value.cluster_counts;
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Images">
      <Slider label="Clusters" name="Number of clusters" value={counts.indexOf(state.n_clusters.value)} min={0}
        max={counts.length - 1} step={1} shown={state.n_clusters.value} disabled={counts.length < 2}
        set={(value) => store.set("n_clusters", counts[value]!)} />
      <Slider label="Blend" value={state.blend.value} min={0} max={1} step={0.01}
        shown={`${Math.round(state.blend.value * 100)}%`} set={(value) => store.set("blend", value)} />
      <Slider label="Image size" value={Math.round(ui.rowHeight.value)} {...ROW_HEIGHT} step={1} shown=""
        set={(value) => { ui.chosenHeight.value = value; }} reset={() => { ui.chosenHeight.value = null; }} />
      <Check label="Outline" title="Draw a line around the target" value={channels.outline.value}
        set={(value) => { channels.outline.value = value; }} />
      <Check label="Smooth" title="Blend between patches instead of showing their edges"
        value={state.smooth.value} set={(value) => store.set("smooth", value)} />
      {ui.grid.value.sources.length > 1 && (
        <label class="ncut-field">
          <span>Source</span>
          <select value={state.source.value} onChange={(event) => store.set("source", event.currentTarget.value)}>
            {ui.grid.value.sources.map((source) => <option key={source}>{source}</option>)}
          </select>
        </label>
      )}
    </div>
  );
}
