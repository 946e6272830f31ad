/** The embedding as a 3D point cloud, linked to the patches. */
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { Hint } from "../../shared/controls.tsx";
import { errorMessage } from "../../shared/errors.ts";
import { PatchGrid } from "../../shared/geometry.ts";
import { type ScatterUi, connect, scatterUi } from "./connect.ts";
import { KEYS } from "./keyboard.ts";
import { describePatch } from "./state.ts";
import { Tooltip } from "./tooltip.tsx";

export function EmbeddingScatter(view: ViewContext) {
  const ui = useMemo(scatterUi, []);
  const stage = useRef<HTMLDivElement>(null);
  const cloud = useRef<HTMLCanvasElement>(null);
  const marks = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    try {
      connect(view, ui, { stage: stage.current!, cloud: cloud.current!, marks: marks.current! });
    } catch (error) {
      ui.loading.value = false;
      view.error.value = errorMessage(error);
    }
  }, []);

  const { meta } = view.state;
  const grid = useMemo(() => new PatchGrid(meta.value), [meta.value]);
  const count = meta.value.n_nodes.toLocaleString("en");
  return (
    <>
      <Bar view={view} ui={ui} />
      <div class="ncut-stage" ref={stage}>
        <canvas class="ncut-cloud" ref={cloud} aria-hidden="true" />
        <canvas
          class="ncut-marks"
          ref={marks}
          tabIndex={0}
          role="application"
          aria-label={`3D embedding of ${count} patches. ${KEYS}`}
        />
        <div class="ncut-hint" aria-hidden="true">
          <Hint mouse="Click to zoom with the wheel" touch="Drag sideways to turn. Tap, then pinch to zoom" />
        </div>
        {ui.loading.value && view.error.value === null && (
          <div class="ncut-loading" role="status">Loading {count} points…</div>
        )}
        {ui.tooltip.value && <Tooltip tooltip={ui.tooltip.value} meta={meta.value} grid={grid} stage={ui.stage.value} />}
      </div>
      <div class="ncut-hidden" aria-live="polite">{announcement(view, ui, grid)}</div>
    </>
  );
}

function Bar({ view: { state, store }, ui }: { view: ViewContext; ui: ScatterUi }) {
  const size = state.point_size.value;
  const outliers = state.meta.value.n_outliers ?? 0;
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Embedding">
      <label class="ncut-field">
        <span>Points</span>
        <input type="range" aria-label="Point size" min={1} max={Math.max(20, size)} step={0.5} value={size}
          aria-valuetext={`${size} pixels`}
          onInput={(event) => store.set("point_size", event.currentTarget.valueAsNumber)} />
        <output>{size}</output>
      </label>
      <label class="ncut-field" title="Show a bounding box with axis labels">
        <input type="checkbox" checked={ui.axes.value}
          onChange={(event) => { ui.axes.value = event.currentTarget.checked; }} />
        Axes
      </label>
      {outliers > 0 && (
        <label class="ncut-field" title={`Hide ${outliers.toLocaleString("en")} patches far from all others`}>
          <input type="checkbox" checked={state.hide_outliers.value}
            onChange={(event) => store.set("hide_outliers", event.currentTarget.checked)} />
          Hide outliers
        </label>
      )}
      <button type="button" class="ncut-reset" title="Frame all points (double-click, Home)" onClick={() => store.set("camera", null)}>
        Reset
      </button>
    </div>
  );
}

/** Only for patches hovered in this view: the other views announce their own. */
function announcement({ state }: ViewContext, ui: ScatterUi, grid: PatchGrid): string {
  const node = ui.hoveredHere.value;
  const description = node === null ? null : describePatch(state.meta.value, grid, node);
  return description ? [description.name, description.place, description.source].filter(Boolean).join(", ") : "";
}
