/** The toolbar above the images: number of clusters and display controls. */
import type { ViewContext } from "../../shared/context.ts";
import { Check } from "../../shared/controls.tsx";
import { Blend, ImageSize, NumberOfClusters, Smooth, Source } from "../../shared/images/display-controls.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import type { ChannelsState } from "./state.ts";

export function Bar({ view, ui, channels }: { view: ViewContext; ui: ImagesState; channels: ChannelsState }) {
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Images">
      <NumberOfClusters {...view} label="Clusters" counts={view.state.meta.value.traced_counts} />
      <Blend {...view} />
      <ImageSize ui={ui} />
      <Check label="Outline" title="Outline the target" value={channels.outline.value}
        set={(value) => { channels.outline.value = value; }} />
      <Smooth {...view} />
      <Source {...view} ui={ui} />
    </div>
  );
}
