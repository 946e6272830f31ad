/** Synchronizes the session and the scene. */
import { type Signal, signal } from "@preact/signals";
import type { ViewContext } from "../../shared/context.ts";
import { errorMessage } from "../../shared/errors.ts";
import { PatchGrid } from "../../shared/geometry.ts";
import { attachGestures } from "./gestures.ts";
import { attachKeys } from "./keyboard.ts";
import { type StagePoint, Scene } from "./scene.ts";
import { checkCamera, pointColors } from "./state.ts";
import type { TooltipState } from "./tooltip.tsx";

export interface ScatterElement extends HTMLElement {
  /**
   * For tests and scripts: position of a node in client pixels, and whether it is the front-most point there; null if it
   * is not visible.
   */
  ncutProject?: (node: number) => (StagePoint & { front: boolean }) | null;
}

/** State of this view only. */
export interface ScatterUi {
  axes: Signal<boolean>;
  tooltip: Signal<TooltipState | null>;
  /** The node hovered in this view by mouse or keyboard, not in another one. */
  hoveredHere: Signal<number | null>;
  loading: Signal<boolean>;
  stage: Signal<{ width: number; height: number }>;
}

export function scatterUi(): ScatterUi {
  return {
    axes: signal(false),
    tooltip: signal(null),
    hoveredHere: signal(null),
    loading: signal(true),
    stage: signal({ width: 0, height: 0 }),
  };
}

interface Elements {
  stage: HTMLElement;
  cloud: HTMLCanvasElement;
  marks: HTMLCanvasElement;
}

export function connect(view: ViewContext, ui: ScatterUi, elements: Elements): void {
  const { root, store, signal: abort } = view;
  const fail = (error: unknown) => { if (!abort.aborted) view.error.value = errorMessage(error); };
  const scene = new Scene({
    ...elements,
    signal: abort,
    onDraw: () => {
      ui.loading.value = false;
      ui.stage.value = { width: scene.width, height: scene.height };
      view.ready();
    },
  });
  root.dataset.renderer = scene.kind;
  (root as ScatterElement).ncutProject = (node) => {
    const place = scene.project(node);
    const box = elements.marks.getBoundingClientRect();
    return place && {
      x: box.left + (place.x * box.width) / scene.width,
      y: box.top + (place.y * box.height) / scene.height,
      front: scene.pick(place.x, place.y) === node,
    };
  };
  syncPoints(view, scene, fail);
  syncState(view, ui, scene, fail);

  const hover = (node: number | null) => {
    ui.hoveredHere.value = node;
    store.set("hover", node);
  };
  const pointAt = (node: number | null) => {
    elements.marks.dataset.over = String(node !== null);
    if (node === ui.hoveredHere.peek() && (node === null) === (ui.tooltip.peek() === null)) return;
    hover(node);
    showTooltip(view, ui, node, node === null ? null : scene.project(node));
  };
  const saveCamera = () => { if (scene.camera) store.set("camera", scene.camera); };
  attachGestures(elements.marks, scene, {
    hover: (x, y) => pointAt(scene.pick(x, y)),
    leave: () => pointAt(null),
    click: (x, y, event) => {
      const node = scene.pick(x, y);
      if (node !== null) store.pin(node, { toggle: event.shiftKey });
    },
    start: () => { ui.tooltip.value = null; },
    end: saveCamera,
  }, abort);
  attachKeys(view, elements.marks, scene, { hover, saveCamera });
  elements.marks.addEventListener("dblclick", () => store.set("camera", null), { signal: abort });

  const theme = new MutationObserver(() => scene.recolor());
  theme.observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  abort.addEventListener("abort", () => theme.disconnect());
}

/** Points and colors; late results of earlier requests are dropped. */
function syncPoints({ root, state, store, signal: abort, effect }: ViewContext, scene: Scene, fail: (e: unknown) => void) {
  let latest = 0;
  let shown: string | null = null;

  const refresh = async (version: number, request: number) => {
    const hide = state.hide_outliers.peek() && Boolean(state.meta.peek().n_outliers);
    const layout = `${version}${hide ? " without outliers" : ""}`;
    const [coords, outliers, colors] = await Promise.all([
      layout === shown ? null : store.array("coords"), hide ? store.array("outliers") : null, pointColors(store),
    ]);
    if (request !== latest || abort.aborted) return;
    if (!coords) {
      scene.setColors(colors);
      return;
    }
    shown = layout;
    const { data, count } = outliers ? removeOutliers(coords.data, outliers.data) : { data: coords.data, count: coords.shape[0]! };
    root.dataset.points = String(count);
    scene.setPoints(data, colors);
  };

  effect(() => {
    const { version } = state.meta.value;
    void state.selection.value;
    void state.hide_outliers.value;
    for (const key of store.painting) {
      // Colors follow the pointer only in this layer; in others the cloud stays unchanged while hovering.
      if (key !== "hover" || state.layer.value === "heatmap") void state[key].value;
    }
    refresh(version, ++latest).catch(fail);
  });
  store.onTasks(() => {
    if (state.layer.peek() === "masks") refresh(state.meta.peek().version, ++latest).catch(fail);
  }, abort);
}

/** Coordinates with NaN for outliers, which are then neither drawn, nor framed, nor picked. */
function removeOutliers(coords: Float32Array, outliers: Uint8Array): { data: Float32Array; count: number } {
  const data = coords.slice();
  let count = outliers.length;
  for (let i = 0; i < outliers.length; i++) {
    if (!outliers[i]) continue;
    data.fill(NaN, 3 * i, 3 * i + 3);
    count -= 1;
  }
  return { data, count };
}

function syncState({ state, effect }: ViewContext, ui: ScatterUi, scene: Scene, fail: (e: unknown) => void) {
  effect(() => scene.setMarks(state.hover.value, state.selection.value));
  effect(() => scene.setPointSize(state.point_size.value));
  effect(() => scene.setAxes(ui.axes.value));
  effect(() => {
    const camera = state.camera.value;
    try {
      scene.follow(checkCamera(camera));
    } catch (error) {
      fail(error);
    }
  });
  effect(() => {
    // The hover moved to another view.
    if (state.hover.value === ui.hoveredHere.peek()) return;
    ui.hoveredHere.value = null;
    ui.tooltip.value = null;
  });
}

/** Shows the tooltip immediately and fills in fetched parts later. */
function showTooltip({ state, store }: ViewContext, ui: ScatterUi, node: number | null, place: StagePoint | null): void {
  ui.tooltip.value = node === null || !place ? null : { node, ...place, url: null, cluster: null };
  const patch = node === null ? null : new PatchGrid(state.meta.peek()).locate(node);
  if (!patch || !place) return;
  const fill = (part: Partial<TooltipState>) => {
    if (ui.tooltip.peek()?.node === node) ui.tooltip.value = { ...ui.tooltip.peek()!, ...part };
  };
  // Errors are ignored here, because the image views report them.
  store.image(patch.image).then((url) => fill({ url }), () => undefined);
  if (state.layer.peek() === "clusters") {
    const named = (id: number) => state.cluster_names.peek()[id] ?? `cluster ${id}`;
    store.clusters().then((clusters) => { if (clusters) fill({ cluster: named(clusters.labels[node!]!) }); }, () => undefined);
  }
}
