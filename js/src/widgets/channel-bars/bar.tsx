/** The controls above the images: how many clusters, and how they are drawn. */
import { Check } from "../../shared/controls.tsx";
import { Blend, ImageSize, NumberOfClusters, Smooth, Source } from "../../shared/images/display-controls.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import type { ViewContext } from "../../shared/view.tsx";
import type { ChannelsState } from "./state.ts";

export function Bar({ view, ui, channels }: { view: ViewContext; ui: ImagesState; channels: ChannelsState }) {
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Images">
      <NumberOfClusters {...view} label="Clusters" counts={view.state.meta.value.traced_counts} />
      <Blend {...view} />
      <ImageSize ui={ui} />
      <Check label="Outline" title="Draw a line around the target" value={channels.outline.value}
        set={(value) => { channels.outline.value = value; }} />
      <Smooth {...view} />
      <Source {...view} ui={ui} />
    </div>
  );
}
