/** The toolbar above the images: number of clusters and display controls. */
import type { ViewContext } from "../../shared/context.ts";
import { Check } from "../../shared/controls.tsx";
import { Blend, ImageSize, NumberOfClusters, Smooth, Source } from "../../shared/images/display-controls.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import type { PanelState } from "./state.ts";

export function Bar({ view, ui, panel }: { view: ViewContext; ui: ImagesState; panel: PanelState }) {
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Clusters">
      <NumberOfClusters {...view} label="Clusters" set={panel.setCount} />
      <Blend {...view} />
      <ImageSize ui={ui} />
      <Check label="Borders" title="Outline the clusters"
        value={panel.borders.value} set={(value) => { panel.borders.value = value; }} />
      <Smooth {...view} />
      <Source {...view} ui={ui} />
    </div>
  );
}
