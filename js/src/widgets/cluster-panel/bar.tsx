/** The controls above the images: how many clusters, and how they are drawn. */
import { Check } from "../../shared/controls.tsx";
import { Blend, ImageSize, NumberOfClusters, Smooth, Source } from "../../shared/images/display-controls.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import type { ViewContext } from "../../shared/view.tsx";
import type { PanelState } from "./state.ts";

export function Bar({ view, ui, panel }: { view: ViewContext; ui: ImagesState; panel: PanelState }) {
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Clusters">
      <NumberOfClusters {...view} label="Clusters" set={panel.setCount} />
      <Blend {...view} />
      <ImageSize ui={ui} />
      <Check label="Borders" title="Draw lines where one cluster ends and another begins"
        value={panel.borders.value} set={(value) => { panel.borders.value = value; }} />
      <Smooth {...view} />
      <Source {...view} ui={ui} />
    </div>
  );
}
