/** Display state and actions of one cluster panel. */
import { computed, signal } from "@preact/signals";
import { paintClusters } from "../../shared/color.ts";
import type { ViewContext } from "../../shared/context.ts";
import { errorMessage } from "../../shared/errors.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import type { Clusters } from "../../shared/types.ts";
import { uniqueName } from "../../shared/unique-name.ts";
import {
  firstCount, merged, nameOf, previewCounts, renamed, legendRows, hiddenForSolo, split, toggled,
} from "./clusters.ts";
import { fitObject } from "./fit-object.ts";

export function panelState(view: ViewContext, ui: ImagesState) {
  const { state, store } = view;
  const clusters = signal<Clusters | null>(null);
  /** Clusters checked for merging. */
  const marked = signal<readonly number[]>([]);
  /** The row under the pointer or with the focus; its region is highlighted. */
  const highlighted = signal<number | null>(null);
  const editing = signal<number | null>(null);
  const borders = signal(true);
  /** The last created mask, displayed until the panel is used again. */
  const createdMask = signal<{ name: string; clicks: number; iou: number } | null>(null);
  /** The patch that was hovered last, in any view: its regions stay, so that the pointer can reach the thumbnails. */
  const patch = signal<number | null>(null);
  const levels = signal<ReadonlyMap<number, Pick<Clusters, "labels" | "colors">>>(new Map());
  const parents = signal<ReadonlyMap<number, Int16Array>>(new Map());

  const rows = computed(() => clusters.value ? legendRows(clusters.value, {
    cluster_names: state.cluster_names.value,
    hidden_clusters: state.hidden_clusters.value,
    cluster_groups: state.cluster_groups.value,
  }) : []);
  const known = (id: number | null) => id !== null && rows.value.some((row) => row.id === id);
  const marks = computed(() => marked.value.filter(known));
  const selected = computed(() => known(state.selected_cluster.value) ? state.selected_cluster.value : null);
  /** The highlighted or selected cluster: all others are faded. */
  const focus = computed(() => rows.value.some((row) => row.id === highlighted.value && !row.hidden) ? highlighted.value : selected.value);
  const painted = computed(() => clusters.value && paintClusters(clusters.value, state.hidden_clusters.value, focus.value));
  /** Labels for the borders: hidden clusters have no borders between each other. */
  const outlined = computed(() => {
    const labels = clusters.value?.labels;
    const hidden = state.hidden_clusters.value;
    return labels && hidden.length ? labels.map((id) => (hidden.includes(id) ? NO_LABEL : id)) : labels;
  });
  const hovered = computed(() => state.hover.value === null ? null : (clusters.value?.labels[state.hover.value] ?? null));
  const shownLevels = computed(() => previewCounts(state.meta.value.cluster_counts, state.n_clusters.value));
  const hasPatch = computed(() => patch.value !== null);

  const fail = (error: unknown) => { view.error.value = errorMessage(error); };
  const first = new Promise<void>((resolve) => {
    view.effect(() => {
      void [state.meta.value, state.n_clusters.value, state.cluster_groups.value];
      store.clusters().then((next) => {
        if (!next) return;
        clusters.value = next;
        resolve();
      }, fail);
    });
  });
  view.effect(() => {
    const hover = state.hover.value;
    // Ignored while the view is hidden.
    const isVisible = ui.size.peek().width > 0;
    if (hover !== null && isVisible) patch.value = hover;
  });
  view.effect(() => {
    if (state.layer.value !== "masks") createdMask.value = null;
  });
  // Fetched in the background, one after the other, after a patch has been hovered.
  let embedding: number | null = null;
  view.effect(() => {
    const meta = state.meta.value;
    if (meta.embedding !== embedding) {
      levels.value = new Map();
      parents.value = new Map();
    }
    embedding = meta.embedding;
    if (!hasPatch.value) return undefined;
    let cancelled = false;
    const fetchAll = async () => {
      for (const count of previewCounts(meta.cluster_counts, 0)) {
        const [labels, colors] = [await store.array(`labels/${count}`), await store.array(`cluster_colors/${count}`)];
        if (cancelled || view.signal.aborted) return;
        levels.value = new Map(levels.peek()).set(count, { labels: labels.data, colors: colors.data });
      }
    };
    fetchAll().catch((error) => { if (!cancelled) fail(error); });
    return () => { cancelled = true; };
  });

  /** On any use of the panel, all views show clusters and no pinned patches. */
  const activate = () => {
    store.set("layer", "clusters");
    store.unpin();
  };
  const setCount = (count: number) => {
    store.set("n_clusters", count);
    const cluster = store.get("selected_cluster");
    if (cluster !== null && cluster >= count) store.set("selected_cluster", null);
  };
  const select = (id: number) => store.set("selected_cluster", store.get("selected_cluster") === id ? null : id);
  const mark = (id: number) => { marked.value = toggled(marks.peek(), id); };
  const actions = {
    activate, setCount, select, mark,
    /** Selects a cluster; with a modifier key it is checked instead, as in any list. */
    choose(id: number, { shiftKey, ctrlKey, metaKey }: Pick<MouseEvent, "shiftKey" | "ctrlKey" | "metaKey">) {
      if (shiftKey || ctrlKey || metaKey) mark(id);
      else select(id);
    },
    rename: (id: number, name: string) => store.set("cluster_names", renamed(store.get("cluster_names"), id, name)),
    hide: (id: number) => store.set("hidden_clusters", toggled(store.get("hidden_clusters"), id)),
    solo(id: number) {
      const maxCount = state.meta.peek().cluster_counts.at(-1) ?? 0;
      store.set("hidden_clusters", hiddenForSolo(rows.peek(), id, maxCount, store.get("cluster_groups")));
    },
    showAll: () => store.set("hidden_clusters", []),
    merge() {
      if (marks.peek().length < 2) return;
      const next = merged(marks.peek(), merging());
      marked.value = [];
      for (const key of ["cluster_names", "hidden_clusters", "cluster_groups", "selected_cluster"] as const) store.set(key, next[key]);
    },
    split(id: number) {
      const next = split(id, merging());
      for (const key of ["hidden_clusters", "cluster_groups"] as const) store.set(key, next[key]);
    },
    /** Fetch the data for `origin`. */
    loadParent(id: number) {
      const count = firstCount(id, state.meta.peek().cluster_counts);
      if (!count || parents.peek().has(count)) return;
      const { embedding: requested } = state.meta.peek();
      store.array(`parents/${count}`).then(({ data }) => {
        if (state.meta.peek().embedding === requested) parents.value = new Map(parents.peek()).set(count, data);
      }, fail);
    },
    makeMask: (id: number) => { toMask(id).catch(fail); },
  };
  const merging = () => ({
    cluster_names: store.get("cluster_names"), hidden_clusters: store.get("hidden_clusters"),
    cluster_groups: store.get("cluster_groups"), selected_cluster: store.get("selected_cluster"),
  });
  const toMask = async (id: number) => {
    const count = clusters.peek()?.count;
    if (!count) return;
    const embedding = await store.embedding(count);
    const shown = clusters.peek();
    const row = rows.peek().find((one) => one.id === id);
    if (shown?.count !== count || !row) return;
    const objects = store.get("objects");
    const found = fitObject(
      shown.labels, id, embedding,
      { grid: ui.grid.peek(), images: state.meta.peek().images, source: store.get("source") },
      { name: uniqueName(objects, row.name), color: row.color },
    );
    if (!found) throw new Error(`${row.name} has no patch under the source ${store.get("source")}. Choose another source.`);
    store.edit({ objects: [...objects, found.object], active_object: objects.length });
    store.set("layer", "masks");
    createdMask.value = { name: found.object.name, clicks: found.object.clicks.length, iou: found.iou };
  };

  /** Which cluster this one was split from, and at which number of clusters; null if unknown. */
  const origin = (id: number): string | null => {
    const count = firstCount(id, state.meta.value.cluster_counts);
    const parent = count === undefined ? -1 : (parents.value.get(count)?.[id] ?? -1);
    return parent < 0 || parent === id ? null : `Split from ${nameOf(parent, state.cluster_names.value)} at ${count} clusters`;
  };

  return {
    clusters, marks, highlighted, editing, borders, createdMask, patch, levels, rows, selected, focus, painted, outlined, hovered, shownLevels,
    origin, first, ...actions,
    unmark: () => { marked.value = []; },
  };
}

export type PanelState = ReturnType<typeof panelState>;

/** Not a cluster id. */
const NO_LABEL = 255;
