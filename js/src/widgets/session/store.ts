/** The session on the page: its state, its arrays, and what is computed from both, shared by all of its views. */
import { paintClusters, paintRgb, paintTable } from "../../shared/color.ts";
import { heatmap, quantileInPlace, rowNorms } from "../../shared/similarity.ts";
import type { ArrayTypes, NdArray, SessionModel, SessionState, SessionStore } from "../../shared/types.ts";
import { Wire } from "../../shared/wire.ts";
import { palettes } from "./palettes.ts";

/** Python hears of a gesture this many milliseconds after it, and of the last one always. */
const SAVE_DELAY = 40;

type Paint = Uint8ClampedArray | null;

export class Store implements SessionStore {
  readonly palettes = palettes;
  readonly closed: AbortSignal;
  #model: SessionModel;
  #wire: Wire;
  #signal: AbortSignal;
  #arrays = new Map<string, Promise<NdArray>>();
  #images = new Map<number, Promise<string>>();
  #urls: string[] = [];
  #paint: { key: string; value: Promise<Paint> } | null = null;
  #eigenvectors: { values: Float32Array; columns: number; norms: Float32Array } | null = null;
  #heat: { key: string; value: Float32Array; colors: Uint8ClampedArray } | null = null;
  #cutting: Promise<unknown> | null = null;
  #version: number;
  #embedding: number;
  #saving = 0;
  #watching = 0;

  constructor(model: SessionModel, signal: AbortSignal) {
    this.#model = model;
    this.#signal = signal;
    this.closed = signal;
    this.#wire = new Wire(model, signal);
    this.#version = model.get("meta").version;
    this.#embedding = model.get("meta").embedding;
    this.subscribe("meta", () => this.#refresh(), signal);
    signal.addEventListener("abort", () => {
      clearTimeout(this.#saving);
      this.#release();
    });
  }

  watch(signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#watching++;
    signal.addEventListener("abort", () => {
      if (--this.#watching === 0) this.#release();
    });
  }

  get<K extends keyof SessionState>(key: K): SessionState[K] {
    return this.#model.get(key);
  }

  set<K extends keyof SessionState>(key: K, value: SessionState[K]): void {
    if (this.#signal.aborted || same(this.get(key), value)) return;
    this.#model.set(key, value);
    this.#saving ||= window.setTimeout(() => {
      this.#saving = 0;
      this.#model.save_changes();
    }, SAVE_DELAY);
  }

  subscribe(key: keyof SessionState, listener: () => void, signal: AbortSignal): void {
    const both = AbortSignal.any([signal, this.#signal]);
    if (both.aborted) return;
    this.#model.on(`change:${key}`, listener);
    both.addEventListener("abort", () => this.#model.off(`change:${key}`, listener));
  }

  array<K extends keyof ArrayTypes>(name: K): Promise<NdArray<ArrayTypes[K]>> {
    let array = this.#arrays.get(name);
    if (!array) {
      array = this.#wire.array(name);
      this.#arrays.set(name, array);
      // A failed request may be tried again: the kernel may have been busy dying or coming back.
      array.catch(() => this.#arrays.delete(name));
    }
    return array as Promise<NdArray<ArrayTypes[K]>>;
  }

  image(index: number): Promise<string> {
    let url = this.#images.get(index);
    if (!url) {
      url = this.#wire.array(`image/${index}`).then(({ data }) => {
        const made = URL.createObjectURL(new Blob([data as Uint8Array<ArrayBuffer>]));
        this.#urls.push(made);
        return made;
      });
      this.#images.set(index, url);
      url.catch(() => this.#images.delete(index));
    }
    return url;
  }

  paint(): Promise<Paint> {
    const heat = this.heatNodes();
    const layer = this.get("layer");
    const key = [
      layer,
      layer === "eigenvector" && this.get("eigenvector"),
      layer === "clusters" && this.get("n_clusters"),
      layer === "heatmap" && heat.join(),
    ].join("|");
    if (this.#paint?.key !== key) {
      const value = this.#compute(heat);
      const entry = { key, value };
      this.#paint = entry;
      value.catch(() => {
        if (this.#paint === entry) this.#paint = null;
      });
    }
    return this.#paint!.value;
  }

  async #compute(heat: readonly number[]): Promise<Paint> {
    switch (this.get("layer")) {
      case "image":
        return null;
      case "ncut":
        return paintRgb((await this.array("rgb")).data);
      case "eigenvector": {
        const column = this.get("eigenvector");
        const { data, shape } = await this.array("eigenvectors");
        return paintEigenvector(data, shape[1]!, column);
      }
      case "clusters": {
        const count = this.get("n_clusters");
        const [labels, rgb] = await Promise.all([this.#labels(count), this.array("rgb")]);
        // While these were computed the number has moved on.
        if (!labels) return this.paint();
        return paintClusters(labels.data, rgb.data);
      }
      case "heatmap": {
        await this.prepare();
        return this.heatColors(heat);
      }
    }
  }

  /** One cut at a time, or a drag of the slider would queue all that it passes; null if it has moved on meanwhile. */
  async #labels(count: number): Promise<NdArray<Uint8Array> | null> {
    while (this.#cutting) {
      await this.#cutting.catch(() => undefined);
      if (this.get("n_clusters") !== count) return null;
    }
    const labels = this.array(`labels/${count}`);
    this.#cutting = labels;
    try {
      return await labels;
    } finally {
      this.#cutting = null;
    }
  }

  async prepare(): Promise<void> {
    if (this.#eigenvectors) return;
    const { data, shape } = await this.array("eigenvectors");
    const columns = shape[1]!;
    this.#eigenvectors = { values: data, columns, norms: rowNorms(data, columns) };
  }

  heat(nodes: readonly number[]): Float32Array | null {
    const loaded = this.#eigenvectors;
    if (!loaded || nodes.length === 0) return null;
    const key = nodes.join();
    if (this.#heat?.key !== key) {
      const [first, ...rest] = nodes;
      const value = heatmap(loaded.values, loaded.columns, loaded.norms, first!);
      for (const node of rest) {
        const other = heatmap(loaded.values, loaded.columns, loaded.norms, node);
        for (let i = 0; i < value.length; i++) value[i] = Math.max(value[i]!, other[i]!);
      }
      this.#heat = { key, value, colors: paintTable(value, 0, 1, palettes.heat) };
    }
    return this.#heat.value;
  }

  heatColors(nodes: readonly number[]): Uint8ClampedArray | null {
    return this.heat(nodes) && this.#heat!.colors;
  }

  heatNodes(): readonly number[] {
    const selection = this.get("selection");
    if (selection.length) return selection;
    const hover = this.get("hover");
    const wanted = this.get("hover_heatmap") || this.get("layer") === "heatmap";
    return hover !== null && wanted ? [hover] : [];
  }

  pin(node: number, { toggle = false } = {}): void {
    const pinned = this.get("selection");
    if (!toggle) this.set("selection", [node]);
    else this.set("selection", pinned.includes(node) ? pinned.filter((n) => n !== node) : [...pinned, node]);
  }

  unpin(): void {
    this.set("selection", []);
  }

  #refresh(): void {
    const { version, embedding } = this.get("meta");
    if (version === this.#version) return;
    this.#version = version;
    if (embedding !== this.#embedding) {
      this.#embedding = embedding;
      this.#forgetArrays();
      return;
    }
    // What was computed from the same eigenvectors holds, so that a heatmap under the pointer goes on.
    for (const name of ["rgb", "coords"]) this.#arrays.delete(name);
    this.#paint = null;
  }

  #forgetArrays(): void {
    this.#arrays.clear();
    this.#paint = null;
    this.#eigenvectors = null;
    this.#heat = null;
  }

  #release(): void {
    this.#forgetArrays();
    this.#images.clear();
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
  }
}

/** One column, on a scale that is symmetric about zero and ends at the 99 % quantile of |value|. */
function paintEigenvector(values: Float32Array, columns: number, column: number): Uint8ClampedArray {
  const n = values.length / columns;
  const one = new Float32Array(n);
  for (let i = 0; i < n; i++) one[i] = values[i * columns + column]!;
  const limit = quantileInPlace(one.map(Math.abs), 0.99) || 1;
  return paintTable(one, -limit, limit, palettes.diverging);
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
