/** The controls above the images: which layer, how strong, and what belongs to the layer. */
import type { ComponentChildren } from "preact";
import type { Layer } from "../../shared/types.ts";
import type { ViewContext } from "../../shared/view.tsx";
import { type GridState, ROW_HEIGHT } from "./state.ts";

const LAYERS: [Layer, string, string][] = [
  ["image", "Image", "The images as they are"],
  ["ncut", "NCUT", "The embedding in colours: alike patches look alike"],
  ["eigenvector", "Eigenvector", "One eigenvector: blue below zero, red above"],
  ["clusters", "Clusters", "A cut into clusters, each in its mean colour"],
  ["heatmap", "Heatmap", "Similarity to the hovered or pinned patch"],
];

export function Bar({ view, ui }: { view: ViewContext; ui: GridState }) {
  const { state, store } = view;
  const layer = state.layer.value;
  const pinned = state.selection.value.length;
  /** Who asks for a layer wants to see it, and not what is pinned. */
  const choose = (next: Layer) => {
    store.set("layer", next);
    if (next !== "heatmap") store.unpin();
  };
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Overlay">
      <div class="ncut-bar-layer">
        <Segments layer={layer} choose={choose} />
        {pinned > 0 ? (
          <>
            <span class="ncut-field">{pinned === 1 ? "Similarity to the pinned patch" : `Similarity to ${pinned} pinned patches`}</span>
            <Legend table={store.palettes.sequential} low="0" high="1" />
          </>
        ) : (
          <LayerControls view={view} />
        )}
      </div>
      <div class="ncut-bar-look">
        <Slider label="Blend" value={state.blend.value} min={0} max={1} step={0.01} disabled={layer === "image" && pinned === 0}
          shown={`${Math.round(state.blend.value * 100)}%`} set={(value) => store.set("blend", value)} />
        <Slider label="Image size" value={Math.round(ui.rowHeight.value)} {...ROW_HEIGHT} step={1} shown=""
          set={(value) => { ui.chosenHeight.value = value; }} reset={() => { ui.chosenHeight.value = null; }} />
        <Check label="Smooth" title="Blend between patches instead of showing their edges"
          value={state.smooth.value} set={(value) => store.set("smooth", value)} />
        <Check label="Heat on hover" title="Show everywhere what is alike to the patch under the mouse"
          value={state.hover_heatmap.value} set={(value) => store.set("hover_heatmap", value)} />
        {ui.grid.value.sources.length > 1 && (
          <label class="ncut-field">
            <span>Source</span>
            <select value={state.source.value} onChange={(event) => store.set("source", event.currentTarget.value)}>
              {ui.grid.value.sources.map((source) => <option key={source}>{source}</option>)}
            </select>
          </label>
        )}
        <Pinned count={pinned} release={() => store.unpin()} />
      </div>
    </div>
  );
}

/** What belongs to one layer alone. */
function LayerControls({ view: { state, store } }: { view: ViewContext }) {
  const { eigenvalues, n_eig: columns, cluster_counts: counts } = state.meta.value;
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
      return (
        <Slider label="Number" name="Number of clusters" value={counts.indexOf(state.n_clusters.value)} min={0}
          max={counts.length - 1} step={1} shown={state.n_clusters.value}
          set={(value) => store.set("n_clusters", counts[value]!)} />
      );
    case "heatmap":
      return (
        <>
          <Legend table={store.palettes.sequential} low="0" high="1" />
          {state.hover.value === null && <span class="ncut-field"><span>Hover or click a patch</span></span>}
        </>
      );
    default:
      return null;
  }
}

function Segments({ layer, choose }: { layer: Layer; choose: (layer: Layer) => void }) {
  const turn = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by) return;
    const at = LAYERS.findIndex(([name]) => name === layer);
    const next = LAYERS[(at + by + LAYERS.length) % LAYERS.length]!;
    choose(next[0]);
    (event.currentTarget as Element).querySelector<HTMLElement>(`[value="${next[0]}"]`)?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="ncut-segments" role="radiogroup" aria-label="Layer" onKeyDown={turn}>
      {LAYERS.map(([value, text, title]) => (
        <button key={value} type="button" role="radio" value={value} title={title} aria-checked={layer === value}
          tabIndex={layer === value ? 0 : -1} onClick={() => choose(value)}>
          {text}
        </button>
      ))}
    </div>
  );
}

interface SliderProps {
  label: string;
  /** For those who can't see what stands around it. */
  name?: string;
  value: number;
  min: number;
  max: number;
  step: number;
  set: (value: number) => void;
  shown?: ComponentChildren;
  disabled?: boolean;
  /** On a double click: back to what it was before it was touched. */
  reset?: () => void;
}

function Slider({ label, name = label, value, min, max, step, set, shown = value, disabled = false, reset }: SliderProps) {
  return (
    <label class="ncut-field">
      <span>{label}</span>
      <input type="range" aria-label={name} {...{ min, max, step, value, disabled }}
        aria-valuetext={shown === "" ? undefined : String(shown)}
        onInput={(event) => set(event.currentTarget.valueAsNumber)} onDblClick={reset} />
      {shown !== "" && <output>{shown}</output>}
    </label>
  );
}

function Check({ label, title, value, set }: { label: string; title: string; value: boolean; set: (v: boolean) => void }) {
  return (
    <label class="ncut-field" title={title}>
      <input type="checkbox" checked={value} onChange={(event) => set(event.currentTarget.checked)} />
      {label}
    </label>
  );
}

function Legend({ table, low, high }: { table: Uint8ClampedArray; low: string; high: string }) {
  const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => {
    const at = Math.round(t * (table.length / 4 - 1)) * 4;
    return `rgb(${table[at]} ${table[at + 1]} ${table[at + 2]})`;
  });
  return (
    <span class="ncut-field ncut-legend" aria-hidden="true">
      {low}<i style={{ background: `linear-gradient(90deg, ${stops.join()})` }} />{high}
    </span>
  );
}

function Pinned({ count, release }: { count: number; release: () => void }) {
  return (
    <button type="button" class="ncut-release" aria-disabled={count === 0} title="Let go of the pinned patches (Escape)" onClick={release}>
      {count > 1 ? `Unpin ${count}` : "Unpin"}
    </button>
  );
}
