/** The toolbar above the images: layer, opacity and the settings of the layer. */
import type { ViewContext } from "../../shared/context.ts";
import { Check, Hint, Legend, Segments, Slider } from "../../shared/controls.tsx";
import { Blend, ImageSize, NumberOfClusters, Smooth, Source } from "../../shared/images/display-controls.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import type { Layer } from "../../shared/types.ts";

const LAYERS: [Layer, string, string][] = [
  ["image", "Image", "Images without an overlay"],
  ["ncut", "NCUT", "Embedding colors: similar patches have similar colors"],
  ["eigenvector", "Eigenvector", "A single eigenvector: negative values blue, positive values red"],
  ["clusters", "Clusters", "Clusters, each in its mean color"],
  ["heatmap", "Heatmap", "Similarity to the hovered or pinned patch"],
];
const MASKS: (typeof LAYERS)[number] = ["masks", "Masks", "Masks of all objects"];
const CHANNELS: (typeof LAYERS)[number] = ["channels", "Channels", "Maps of the pinned channels"];
const NOTES = new Map([...LAYERS, MASKS, CHANNELS].map(([layer, , note]) => [layer, note]));

export function Bar({ view, ui }: { view: ViewContext; ui: ImagesState }) {
  const { state, store } = view;
  const layer = state.layer.value;
  const pinned = state.selection.value.length;
  const layers = [...LAYERS];
  if (state.objects.value.length || layer === "masks") layers.push(MASKS);
  if (state.pinned_channels.value.length || layer === "channels") layers.push(CHANNELS);
  /** Choosing a layer clears the pinned patches, whose similarity would hide it. */
  const choose = (next: Layer) => {
    store.set("layer", next);
    if (next !== "heatmap") store.unpin();
  };
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Overlay">
      <div class="ncut-bar-layer">
        <Segments name="Layer" options={layers} value={layer} set={choose} />
        <span class="ncut-line-break" />
        {pinned > 0 ? (
          <>
            <span class="ncut-field">{pinned === 1 ? "Similarity to the pinned patch" : `Similarity to ${pinned} pinned patches`}</span>
            <Legend table={store.palettes.sequential} low="0" high="1" />
          </>
        ) : (
          <LayerControls view={view} />
        )}
      </div>
      <div class="ncut-bar-display">
        <Blend {...view} disabled={layer === "image" && pinned === 0} />
        <ImageSize ui={ui} />
        <Smooth {...view} />
        <Check label="Hover heatmap" title="Show similarity to the patch under the pointer"
          value={state.hover_heatmap.value} set={(value) => store.set("hover_heatmap", value)} />
        <Source {...view} ui={ui} />
        <Pinned count={pinned} release={() => store.unpin()} />
      </div>
    </div>
  );
}

/** Controls of the current layer. */
function LayerControls({ view: { state, store } }: { view: ViewContext }) {
  const { eigenvalues, n_eig: columns } = state.meta.value;
  const eigenvalue = eigenvalues?.[state.eigenvector.value];
  switch (state.layer.value) {
    case "eigenvector":
      return (
        <>
          <Slider label="No." name="Eigenvector" value={state.eigenvector.value} min={0} max={columns - 1} step={1}
            set={(value) => store.set("eigenvector", value)} />
          {eigenvalue !== undefined && <span class="ncut-field"><span>λ</span>{eigenvalue.toFixed(3)}</span>}
          <Legend table={store.palettes.diverging} low="−" high="+" />
        </>
      );
    case "clusters":
      return <NumberOfClusters state={state} store={store} label="Number" />;
    case "heatmap":
      return (
        <>
          <Legend table={store.palettes.sequential} low="0" high="1" />
          {state.hover.value === null && <span class="ncut-field"><Hint mouse="Hover or click a patch" touch="Tap a patch" /></span>}
        </>
      );
    default:
      return <span class="ncut-field ncut-layer-note">{NOTES.get(state.layer.value)}</span>;
  }
}

function Pinned({ count, release }: { count: number; release: () => void }) {
  return (
    <button type="button" class="ncut-unpin" aria-disabled={count === 0} title="Unpin all patches (Escape)" onClick={release}>
      {count > 1 ? `Unpin ${count}` : "Unpin"}
    </button>
  );
}
