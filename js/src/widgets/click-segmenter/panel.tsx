/** Beside the images: the objects, what makes the active one's mask, and where the masks go from here. */
import { useRef } from "preact/hooks";
import { Segments, Slider } from "../../shared/controls.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import type { MaskObject, SessionState } from "../../shared/types.ts";
import type { ViewContext } from "../../shared/view.tsx";
import { Export } from "./export.tsx";
import { blankObject } from "./objects.ts";
import { ObjectList } from "./list.tsx";
import type { SegmenterState } from "./state.ts";

const METHODS: [MaskObject["method"], string, string][] = [
  ["similarity", "Similarity", "From the eigenvectors: at once"],
  ["ncut", "Graph", "The clicks enter the graph, which is cut anew: slower, follows edges"],
];
const WITHOUT_KERNEL = METHODS.map(([value, text, title]): (typeof METHODS)[number] => (
  [value, text, value === "ncut" ? "Takes a kernel, and the features in it" : title]
));
const REFINE: [SessionState["refine"], string, string][] = [
  ["none", "Patches", "Masks as they are: of whole patches"],
  ["guided", "Guided", "Masks carried to the pixels by a guided filter"],
  ["crf", "CRF", "Masks carried to the pixels by a dense CRF"],
];

export interface PanelProps {
  view: ViewContext;
  ui: ImagesState;
  segmenter: SegmenterState;
}

export function Panel(props: PanelProps) {
  return (
    <div class="ncut-panel">
      <ObjectList {...props} />
      <Settings {...props} />
      <Export {...props} />
    </div>
  );
}

const BLANK = blankObject([]);

/** Whatever is chosen is asked for again, also where it was chosen before: it may have been cancelled. */
function Settings({ view: { state, store }, segmenter }: PanelProps) {
  const { abilities, n_eig: columns, click_eig: usual } = state.meta.value;
  const object = segmenter.active.value ?? BLANK;
  const noObject = object === BLANK;
  /** What says how alike is alike enough has no meaning where the graph is cut. */
  const noSimilarity = noObject || object.method === "ncut";
  const cuts = abilities.includes("ncut");
  /** Once there, it stays: who leaves what can't be done here sees where. */
  const hasMethods = useRef(false);
  hasMethods.current ||= cuts || state.objects.value.some(({ method }) => method === "ncut");
  const set = (key: "threshold" | "gamma" | "negative_threshold" | "denoise" | "n_eig" | "click_weight") => (value: number) => {
    if (Number.isFinite(value)) segmenter.changeActive({ [key]: value }, key);
  };
  return (
    <section class="ncut-settings" aria-label="How the mask is made">
      <Slider label="Threshold" value={object.threshold} min={0} max={1} step={0.01} disabled={noObject} shown={object.threshold.toFixed(2)}
        set={set("threshold")} reset={() => set("threshold")(BLANK.threshold)} />
      <Slider label="Detail" name="Detail: how many eigenvectors a click looks at" value={noObject ? usual : object.n_eig} min={Math.min(2, columns)}
        max={columns} step={1} disabled={noSimilarity} set={set("n_eig")} reset={() => set("n_eig")(usual)} />
      <Slider label="Gamma" value={Math.log10(object.gamma)} min={-1} max={1} step={0.02} disabled={noSimilarity} shown={object.gamma.toFixed(2)}
        set={(value) => set("gamma")(Number((10 ** value).toFixed(3)))} reset={() => set("gamma")(BLANK.gamma)} />
      <Slider label="Negative" name="Negative threshold" value={object.negative_threshold} min={0} max={1} step={0.01} disabled={noSimilarity}
        shown={object.negative_threshold.toFixed(2)} set={set("negative_threshold")}
        reset={() => set("negative_threshold")(BLANK.negative_threshold)} />
      <Slider label="Denoise" value={object.denoise} min={0} max={50} step={1} disabled={noObject} set={set("denoise")}
        reset={() => set("denoise")(BLANK.denoise)} />
      <Slider label="Opacity" value={state.blend.value} min={0} max={1} step={0.01} shown={`${Math.round(state.blend.value * 100)}%`}
        set={(value) => store.set("blend", value)} />
      {hasMethods.current && (
        <>
          <div class="ncut-field">
            <span>Method</span>
            <Segments name="Method" options={cuts ? METHODS : WITHOUT_KERNEL} value={object.method} disabled={noObject} without={cuts ? null : "ncut"}
              set={(method) => {
                segmenter.changeActive({ method });
                store.retryKernelRequests();
              }} />
          </div>
          <Slider label="Weight" name="Weight of the clicks" value={object.click_weight} min={0} max={1} step={0.01}
            disabled={!cuts || object.method !== "ncut"} shown={object.click_weight.toFixed(2)} set={set("click_weight")} />
        </>
      )}
      {abilities.includes("refine") && (
        <div class="ncut-field">
          <span>Edges</span>
          <Segments name="Edges" options={REFINE} value={state.refine.value}
            set={(method) => {
              store.set("refine", method);
              store.retryKernelRequests();
            }} />
        </div>
      )}
    </section>
  );
}
