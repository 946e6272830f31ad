/** The panel next to the images: objects, settings of the active object, and export. */
import { useRef } from "preact/hooks";
import { Segments, Slider } from "../../shared/controls.tsx";
import type { MaskObject, SessionState } from "../../shared/types.ts";
import { Export } from "./export.tsx";
import { ObjectList } from "./list.tsx";
import { blankObject } from "./objects.ts";
import type { PanelProps } from "./state.ts";

const METHODS: [MaskObject["method"], string, string][] = [
  ["similarity", "Similarity", "Eigenvector similarity: immediate"],
  ["ncut", "Graph", "Normalized cut of the graph with the clicks: slower, follows edges"],
];
const WITHOUT_KERNEL = METHODS.map(([value, text, title]): (typeof METHODS)[number] => (
  [value, text, value === "ncut" ? "Requires a kernel with features" : title]
));
const REFINE: [NonNullable<SessionState["refine"]> | "patches", string, string][] = [
  ["patches", "Patches", "Patch masks without refinement"],
  ["guided", "Guided", "Refine masks to pixels with a guided filter"],
  ["crf", "CRF", "Refine masks to pixels with a dense CRF"],
];

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

/** Choosing an option repeats its request even if it was already chosen, because the request may have been cancelled. */
function Settings({ view: { state, store }, segmenter }: PanelProps) {
  const { abilities, n_eig: columns, click_eig: usual } = state.meta.value;
  const object = segmenter.active.value ?? BLANK;
  const noObject = object === BLANK;
  /** Similarity settings have no effect on graph cuts. */
  const noSimilarity = noObject || object.method === "ncut";
  const cuts = abilities.includes("ncut");
  /** Once shown, the control stays: after leaving an unavailable method it is still clear what happened. */
  const hasMethods = useRef(false);
  hasMethods.current ||= cuts || state.objects.value.some(({ method }) => method === "ncut");
  const set = (key: "threshold" | "gamma" | "negative_threshold" | "min_area" | "n_eig" | "click_weight") => (value: number) => {
    if (Number.isFinite(value)) segmenter.changeActive({ [key]: value }, key);
  };
  return (
    <section class="ncut-settings" aria-label="Mask settings">
      <Slider label="Threshold" value={object.threshold} min={0} max={1} step={0.01} disabled={noObject} output={object.threshold.toFixed(2)}
        set={set("threshold")} reset={() => set("threshold")(BLANK.threshold)} />
      <Slider label="Detail" name="Detail: number of eigenvectors" value={noObject ? usual : object.n_eig} min={Math.min(2, columns)}
        max={columns} step={1} disabled={noSimilarity} set={set("n_eig")} reset={() => set("n_eig")(usual)} />
      <Slider label="Gamma" value={Math.log10(object.gamma)} min={-1} max={1} step={0.02} disabled={noSimilarity} output={object.gamma.toFixed(2)}
        set={(value) => set("gamma")(Number((10 ** value).toFixed(3)))} reset={() => set("gamma")(BLANK.gamma)} />
      <Slider label="Negative" name="Negative threshold" value={object.negative_threshold} min={0} max={1} step={0.01} disabled={noSimilarity}
        output={object.negative_threshold.toFixed(2)} set={set("negative_threshold")}
        reset={() => set("negative_threshold")(BLANK.negative_threshold)} />
      <Slider label="Min area" value={object.min_area} min={0} max={50} step={1} disabled={noObject} set={set("min_area")}
        reset={() => set("min_area")(BLANK.min_area)} />
      <Slider label="Opacity" value={state.blend.value} min={0} max={1} step={0.01} output={`${Math.round(state.blend.value * 100)}%`}
        set={(value) => store.set("blend", value)} />
      {hasMethods.current && (
        <>
          <div class="ncut-field">
            <span>Method</span>
            <Segments name="Method" options={cuts ? METHODS : WITHOUT_KERNEL} value={object.method} disabled={noObject} unavailable={cuts ? null : "ncut"}
              set={(method) => {
                segmenter.changeActive({ method });
                store.retryKernelRequests();
              }} />
          </div>
          <Slider label="Weight" name="Click weight" value={object.click_weight} min={0} max={1} step={0.01}
            disabled={!cuts || object.method !== "ncut"} output={object.click_weight.toFixed(2)} set={set("click_weight")} />
        </>
      )}
      {abilities.includes("refine") && (
        <div class="ncut-field">
          <span>Edges</span>
          <Segments name="Edges" options={REFINE} value={state.refine.value ?? "patches"}
            set={(method) => {
              store.set("refine", method === "patches" ? null : method);
              store.retryKernelRequests();
            }} />
        </div>
      )}
    </section>
  );
}
