/** Display state and actions of one channel view. */
import { computed, signal } from "@preact/signals";
import { type Region, paintRegions, rgbToHex } from "../../shared/color.ts";
import type { ViewContext } from "../../shared/context.ts";
import { errorMessage } from "../../shared/errors.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import type { Clusters } from "../../shared/types.ts";
import { attributions } from "./attribution.ts";
import { type Sort, type Scores, ranked } from "./ranking.ts";
import { targetSelection } from "./target-selection.ts";
import {
  type AttributionRequest, type Method, type RequestInputs, type Target, attributionRequest, evidenceRequest, nodesWithLabel,
} from "./targets.ts";

/** Also the color of the rings around pinned patches. */
const PINNED_COLOR = "#ffd400";

export function channelsState(view: ViewContext, ui: ImagesState) {
  const { state, store } = view;
  const clusters = signal<Clusters | null>(null);
  const method = signal<Method>("gradient");
  const sort = signal<Sort>("value");
  const count = signal(20);
  const search = signal("");
  const outline = signal(true);
  /** Whether measured evidence is displayed. */
  const opened = signal(false);
  /** Incremented when masks may have changed. */
  const masksVersion = signal(0);
  /** Channels whose map is not included in the exported file. */
  const missingMaps = signal<ReadonlySet<number>>(new Set());
  const fail = (error: unknown) => { view.error.value = errorMessage(error); };

  const names = computed(() => state.meta.value.channel_names);
  const kernel = computed(() => state.meta.value.abilities.includes("attribution"));
  const present = computed(() => clusters.value ? [...clusters.value.sizes.keys()].filter((id) => clusters.value!.sizes[id]) : []);
  const follow = targetSelection(view, present, kernel);
  const { first, second } = follow;
  const targets = computed(() => second.value ? [first.value, second.value] : [first.value]);

  const nameOf = (target: Target): string => {
    switch (target.kind) {
      case "cluster": return state.cluster_names.value[target.id] ?? `Cluster ${target.id}`;
      case "mask": return target.name;
      case "image": return state.meta.value.images[target.image]!.name;
      case "pinned": {
        const pinned = state.selection.value.length;
        return `${pinned} pinned ${pinned === 1 ? "patch" : "patches"}`;
      }
    }
  };
  const colorOf = (target: Target): string => {
    const { colors } = clusters.value ?? {};
    if (target.kind === "mask") return state.objects.value.find(({ name }) => name === target.name)?.color ?? PINNED_COLOR;
    if (target.kind !== "cluster" || !colors) return PINNED_COLOR;
    return rgbToHex(colors, target.id);
  };

  /** Nodes of a target that the kernel cannot identify otherwise, such as clusters that were merged in the page. */
  const nodesOf = (target: Target): readonly number[] => {
    switch (target.kind) {
      case "mask": return [];
      case "pinned": return state.selection.value;
      case "image": return ui.grid.value.nodesOf(ui.grid.value.find(target.image, state.source.value));
      case "cluster": {
        const { labels, count: total } = clusters.value ?? { count: 0 };
        const members = state.cluster_groups.value.find((group) => group.includes(target.id))?.filter((id) => id < total);
        return labels && members && members.length > 1 ? nodesWithLabel(labels, target.id) : [];
      }
    }
  };
  const inputsFor = (target: Target): RequestInputs => ({
    count: state.n_clusters.value,
    embedding: state.meta.value.embedding,
    nodes: nodesOf(target),
    mask: target.kind === "mask"
      ? { source: state.source.value, objects: state.objects.value.filter(({ name }) => name === target.name) } : null,
  });
  const requestFor = (target: Target): AttributionRequest => attributionRequest(target, method.value, inputsFor(target));

  const { outcomeOf, want, retry } = attributions(store, view.signal);
  const label = (target: Target) => target.kind === "cluster" ? "Computing attributions of clusters" : `Computing attribution of ${nameOf(target)}`;
  const slots = ["first", "second"] as const;
  // Nothing is requested while the view is hidden or the clusters have not arrived.
  const active = computed(() => names.value !== null && ui.size.value.width > 0 && clusters.value?.count === state.n_clusters.value);
  view.effect(() => {
    if (!active.value) return;
    slots.forEach((slot, i) => {
      const target = targets.value[i];
      want(slot, target ? requestFor(target) : null, target ? label(target) : "");
    });
  });

  /** Scores of the current targets; null until all of them are available. */
  const current = computed<Scores | null>(() => {
    const rows = targets.value.map((target) => {
      const request = requestFor(target);
      const outcome = outcomeOf(request);
      if (outcome?.status !== "ready") return null;
      const { data, columns } = outcome.value;
      return data.subarray(request.row * columns, (request.row + 1) * columns);
    });
    return rows.includes(null) ? null : (rows as unknown as Scores);
  });
  let lastEmbedding = state.meta.peek().embedding;
  /** The last scores stay visible, dimmed, until new ones arrive. */
  const scores = signal<Scores | null>(null);
  view.effect(() => {
    const { embedding } = state.meta.value;
    if (embedding !== lastEmbedding) scores.value = null;
    lastEmbedding = embedding;
    if (current.value) scores.value = current.value;
  });
  const order = computed(() => sort.value === "difference" && !second.value ? "value" : sort.value);
  const rows = computed(() => scores.value && names.value
    ? ranked(scores.value, names.value, { count: count.value, sort: order.value, search: search.value }) : []);

  const regions = computed<Region[]>(() => {
    void masksVersion.value;
    const n = state.meta.value.n_nodes;
    return targets.value.flatMap((target) => {
      const color = colorOf(target);
      const labels = clusters.value?.labels;
      if (target.kind === "cluster") {
        return labels ? [{ color, nodes: labels.map((id) => Number(id === target.id)) }] : [];
      }
      if (target.kind === "mask") {
        const mask = store.masks()?.find(({ object }) => object.name === target.name);
        return mask ? [{ color, nodes: mask.nodes }] : [];
      }
      const nodes = new Uint8Array(n);
      for (const node of nodesOf(target)) nodes[node] = 1;
      return [{ color, nodes }];
    });
  });
  const painted = computed(() => clusters.value && paintRegions(regions.value, state.meta.value.n_nodes));
  view.effect(() => {
    void [state.objects.value, state.source.value, state.meta.value];
    store.prepare().then(() => { masksVersion.value++; }, fail);
  });
  store.onTasks(() => {
    if (targets.peek().some(({ kind }) => kind === "mask")) masksVersion.value++;
  }, view.signal);
  view.effect(() => {
    void [state.meta.value, state.n_clusters.value, state.cluster_groups.value];
    store.clusters().then((next) => { if (next) clusters.value = next; }, fail);
  });

  /** Value ranges of the channel maps (c, 2), fetched when a map is first displayed. */
  const ranges = signal<Float32Array | null>(null);
  const needsRanges = computed(() => state.hovered_channel.value !== null || state.pinned_channels.value.length > 0);
  view.effect(() => {
    const { embedding } = state.meta.value;
    ranges.value = null;
    if (!needsRanges.value || !names.value) return;
    store.array("channel_ranges").then(({ data }) => {
      if (state.meta.peek().embedding === embedding) ranges.value = data;
    }, (error) => { if (kernel.peek()) fail(error); });
  });
  /** The image that was hovered last, in any view. */
  const image = signal(0);
  view.effect(() => {
    const patch = state.hover.value === null ? null : ui.grid.value.locate(state.hover.value);
    if (patch) image.value = patch.image;
  });

  /** Without a kernel only some maps are available; a missing one must not be displayed in any view. */
  const hasMap = async (channel: number): Promise<boolean> => {
    if (kernel.peek()) return true;
    try {
      await store.array(`channel_map/${channel}`);
      return true;
    } catch {
      missingMaps.value = new Set(missingMaps.peek()).add(channel);
      return false;
    }
  };
  let previewed: number | null = null;
  const preview = (channel: number | null) => {
    previewed = channel;
    if (channel === null || kernel.peek()) store.set("hovered_channel", channel);
    else hasMap(channel).then((exists) => { if (previewed === channel) store.set("hovered_channel", exists ? channel : null); }, fail);
  };
  // Otherwise the map would stay visible if the view is removed while a bar is hovered.
  view.signal.addEventListener("abort", () => { if (previewed !== null && store.get("hovered_channel") === previewed) store.set("hovered_channel", null); });

  let before = state.layer.peek();
  const pin = (channels: number[]) => {
    const layer = store.get("layer");
    if (channels.length && layer !== "channels") {
      before = layer;
      store.set("layer", "channels");
    }
    store.set("pinned_channels", channels);
    if (!channels.length && layer === "channels") store.set("layer", before === "channels" ? "clusters" : before);
  };
  const toggle = (channel: number) => {
    const pinned = store.get("pinned_channels");
    if (pinned.includes(channel)) pin(pinned.filter((one) => one !== channel));
    else hasMap(channel).then((exists) => { if (exists) pin([...store.get("pinned_channels"), channel]); }, fail);
  };

  const evidence = (target: Target) => evidenceRequest(target, method.value, inputsFor(target));
  return {
    clusters, method, sort, order, count, search, outline, opened, missingMaps, names, kernel, present, targets, first, second, scores, current, rows,
    regions, painted, ranges, image, nameOf, colorOf, requestFor, outcomeOf, evidence, preview, pin, toggle,
    choose: follow.choose, compare: follow.compare,
    ask(target: Target) {
      slots.forEach((slot, i) => {
        if (targets.peek()[i] === target) retry(slot, requestFor(target), label(target));
      });
    },
    measure(target: Target) {
      opened.value = true;
      const request = evidence(target);
      if (outcomeOf(request)?.status !== "ready") retry("evidence", request, `Ablating channels of ${nameOf(target)}`);
    },
  };
}

export type ChannelsState = ReturnType<typeof channelsState>;
