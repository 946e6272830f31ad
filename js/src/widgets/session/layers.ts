/** Colors of the layers, computed once for all views and cached until their inputs change. */
import { paintClusters, rgbToRgba } from "../../shared/color.ts";
import type { Clusters, Layer, NdArray, SessionState, SessionStore } from "../../shared/types.ts";
import { groupClusters, paintChannels, paintEigenvector } from "./paint.ts";

/** (4 n) RGBA, or null for nothing. */
export type Paint = Uint8ClampedArray | null;

/** State that each layer depends on, in addition to the layer itself. */
const DEPENDENCIES: Record<Layer, readonly (keyof SessionState)[]> = {
  image: [], ncut: [], eigenvector: ["eigenvector"], heatmap: ["hover", "selection"],
  clusters: ["n_clusters", "selected_cluster", "hidden_clusters", "cluster_groups"], masks: ["objects", "source"],
  channels: ["pinned_channels"],
};

export class Layers {
  readonly painting = ["layer", "hovered_channel", ...new Set(Object.values(DEPENDENCIES).flat())] as (keyof SessionState)[];
  #store: SessionStore;
  #paint: { key: string; value: Promise<Paint> } | null = null;
  #channels: { key: string; value: Promise<Uint8ClampedArray> } | null = null;
  #labelRequest: Promise<unknown> | null = null;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  paint(): Promise<Paint> {
    const store = this.#store;
    // A previewed channel overrides the layer.
    if (store.get("hovered_channel") !== null) return this.channelColors();
    const layer = store.get("layer");
    // Cached by the store, because masks also depend on results from the kernel.
    if (layer === "masks") return store.prepare().then(() => store.maskColors());
    const key = JSON.stringify([layer, ...DEPENDENCIES[layer].map((name) => store.get(name))]);
    if (this.#paint?.key !== key) {
      const value = this.#compute(layer);
      const entry = { key, value };
      this.#paint = entry;
      value.catch(() => {
        if (this.#paint === entry) this.#paint = null;
      });
    }
    return this.#paint!.value;
  }

  async #compute(layer: Exclude<Layer, "masks">): Promise<Paint> {
    const store = this.#store;
    switch (layer) {
      case "image":
        return null;
      case "ncut":
        return rgbToRgba((await store.array("rgb")).data);
      case "eigenvector": {
        const column = store.get("eigenvector");
        const { vectors } = await store.embedding(Infinity);
        return paintEigenvector(vectors[column]!);
      }
      case "clusters": {
        const clusters = await this.clusters();
        // The number of clusters changed during the computation.
        if (!clusters) return this.paint();
        return paintClusters(clusters, store.get("hidden_clusters"), store.get("selected_cluster"));
      }
      case "channels":
        return this.channelColors();
      case "heatmap": {
        await store.prepare();
        return store.heatColors(store.heatNodes());
      }
    }
  }

  async channelColors(): Promise<Paint> {
    const store = this.#store;
    const { channel, channels } = { channel: store.get("hovered_channel"), channels: store.get("pinned_channels") };
    const shown = channel === null ? channels.slice(0, 3) : [channel];
    if (!shown.length || !store.get("meta").channel_names) return null;
    const key = shown.join();
    if (this.#channels?.key !== key) {
      const maps = Promise.all(shown.map((one) => store.array(`channel_map/${one}`)));
      const entry = { key, value: maps.then((all) => paintChannels(all.map(({ data }) => data))) };
      this.#channels = entry;
      entry.value.catch(() => { if (this.#channels === entry) this.#channels = null; });
    }
    return this.#channels!.value;
  }

  async clusters(): Promise<Clusters | null> {
    const count = this.#store.get("n_clusters");
    const labels = await this.#labels(count);
    if (!labels) return null;
    const colors = await this.#store.array(`cluster_colors/${count}`);
    return { count, colors: colors.data, ...groupClusters(labels.data, count, this.#store.get("cluster_groups")) };
  }

  /** One labels request at a time, so that dragging the slider does not queue every value; null if the number changed. */
  async #labels(count: number): Promise<NdArray<Uint8Array> | null> {
    while (this.#labelRequest) {
      await this.#labelRequest.catch(() => undefined);
      if (this.#store.get("n_clusters") !== count) return null;
    }
    const labels = this.#store.array(`labels/${count}`);
    this.#labelRequest = labels;
    try {
      return await labels;
    } finally {
      this.#labelRequest = null;
    }
  }

  /** Invalidate colors after new colors arrived for the same eigenvectors. */
  repaint(): void {
    this.#paint = null;
  }

  /** Clear the caches: the eigenvectors changed, or no view is left. */
  clear(): void {
    this.#paint = null;
    this.#channels = null;
  }
}
