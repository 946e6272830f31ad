/** Between the session and the scene: what changes in one is seen in the other. */
import { type Signal, signal } from "@preact/signals";
import { PatchGrid } from "../../shared/geometry.ts";
import { type ViewContext, message } from "../../shared/view.tsx";
import { attachGestures } from "./gestures.ts";
import { type Place, Scene } from "./scene.ts";
import { attachKeys } from "./keyboard.ts";
import { checkCamera, pointColors } from "./state.ts";
import type { Tip } from "./tooltip.tsx";

export interface ScatterElement extends HTMLElement {
  /**
   * For tests and scripts: where a node is drawn, in client pixels as mouse events have them, and whether it is
   * the one that a mouse finds there, no other being before it; null while it is out of sight.
   */
  ncutProject?: (node: number) => (Place & { front: boolean }) | null;
}

/** What this view alone knows. */
export interface ScatterUi {
  axes: Signal<boolean>;
  tip: Signal<Tip | null>;
  /** The node hovered here, by mouse or keys, as against in another view. */
  own: Signal<number | null>;
  loading: Signal<boolean>;
  stage: Signal<{ width: number; height: number }>;
}

export function scatterUi(): ScatterUi {
  return {
    axes: signal(false),
    tip: signal(null),
    own: signal(null),
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
  const fail = (error: unknown) => { if (!abort.aborted) view.error.value = message(error); };
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
  followData(view, scene, fail);
  followState(view, ui, scene, fail);

  const hover = (node: number | null) => {
    ui.own.value = node;
    store.set("hover", node);
  };
  const pointAt = (node: number | null) => {
    elements.marks.dataset.over = String(node !== null);
    if (node === ui.own.peek() && (node === null) === (ui.tip.peek() === null)) return;
    hover(node);
    showTip(view, ui, node, node === null ? null : scene.project(node));
  };
  const rest = () => { if (scene.camera) store.set("camera", scene.camera); };
  attachGestures(elements.marks, scene, {
    hover: (x, y) => pointAt(scene.pick(x, y)),
    leave: () => pointAt(null),
    click: (x, y, event) => {
      const node = scene.pick(x, y);
      if (node !== null) store.pin(node, { toggle: event.shiftKey });
    },
    start: () => { ui.tip.value = null; },
    end: rest,
  }, abort);
  attachKeys(view, elements.marks, scene, { hover, rest });
  elements.marks.addEventListener("dblclick", () => store.set("camera", null), { signal: abort });

  const theme = new MutationObserver(() => scene.recolor());
  theme.observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  abort.addEventListener("abort", () => theme.disconnect());
}

/** The points and their colours; a later answer to an earlier question is dropped. */
function followData({ root, state, store, signal: abort, effect }: ViewContext, scene: Scene, fail: (e: unknown) => void) {
  let turn = 0;
  let shown: string | null = null;

  const refresh = async (version: number, mine: number) => {
    const hide = state.hide_outliers.peek() && Boolean(state.meta.peek().n_outliers);
    const places = `${version}${hide ? " without outliers" : ""}`;
    const [coords, outliers, colors] = await Promise.all([
      places === shown ? null : store.array("coords"), hide ? store.array("outliers") : null, pointColors(store),
    ]);
    if (mine !== turn || abort.aborted) return;
    if (!coords) {
      scene.setColors(colors);
      return;
    }
    shown = places;
    const { data, count } = outliers ? without(coords.data, outliers.data) : { data: coords.data, count: coords.shape[0]! };
    root.dataset.points = String(count);
    scene.setPoints(data, colors);
  };

  effect(() => {
    const { version } = state.meta.value;
    void state.selection.value;
    void state.hide_outliers.value;
    for (const key of store.painting) {
      // Only there the colours follow the pointer; elsewhere the cloud stays as it is while somebody looks around.
      if (key !== "hover" || state.layer.value === "heatmap") void state[key].value;
    }
    refresh(version, ++turn).catch(fail);
  });
  store.onTasks(() => {
    if (state.layer.peek() === "masks") refresh(state.meta.peek().version, ++turn).catch(fail);
  }, abort);
}

/** The places of which those that are left out are nowhere: not drawn, not framed, not under the pointer. */
function without(coords: Float32Array, leftOut: Uint8Array): { data: Float32Array; count: number } {
  const data = coords.slice();
  let count = leftOut.length;
  for (let i = 0; i < leftOut.length; i++) {
    if (!leftOut[i]) continue;
    data.fill(NaN, 3 * i, 3 * i + 3);
    count -= 1;
  }
  return { data, count };
}

function followState({ state, effect }: ViewContext, ui: ScatterUi, scene: Scene, fail: (e: unknown) => void) {
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
    // Another view has taken the hover over.
    if (state.hover.value === ui.own.peek()) return;
    ui.own.value = null;
    ui.tip.value = null;
  });
}

/** The tooltip shows at once; what it has to fetch is filled in. */
function showTip({ state, store }: ViewContext, ui: ScatterUi, node: number | null, place: Place | null): void {
  ui.tip.value = node === null || !place ? null : { node, ...place, url: null, cluster: null };
  const patch = node === null ? null : new PatchGrid(state.meta.peek()).locate(node);
  if (!patch || !place) return;
  const fill = (part: Partial<Tip>) => {
    if (ui.tip.peek()?.node === node) ui.tip.value = { ...ui.tip.peek()!, ...part };
  };
  // A tooltip can do without its picture; the views that live off the images say what went wrong.
  store.image(patch.image).then((url) => fill({ url }), () => undefined);
  if (state.layer.peek() === "clusters") {
    const named = (id: number) => state.cluster_names.peek()[id] ?? `cluster ${id}`;
    store.clusters().then((clusters) => { if (clusters) fill({ cluster: named(clusters.labels[node!]!) }); }, () => undefined);
  }
}
