/** The session's state, arrays and derived values in the page, shared by all of its views. */
import { applyColormap } from "../../shared/color.ts";
import { type Embedding, embeddingFromRows, leadingEigenvectors } from "../../shared/embedding.ts";
import { PatchGrid } from "../../shared/geometry.ts";
import { heatmap } from "../../shared/similarity.ts";
import type {
  ArrayTypes, Clusters, Kernel, KernelConnection, MaskObject, NdArray, NodeMask, NumericArray, SessionModel, SessionState, SessionStore, Task,
} from "../../shared/types.ts";
import { Wire } from "../../shared/wire.ts";
import { followPage } from "./appearance.ts";
import { Edits, sameJson } from "./edits.ts";
import { KernelMasks } from "./kernel-masks.ts";
import { Layers, type Paint } from "./layers.ts";
import { Masks } from "./masks.ts";
import { palettes } from "./palettes.ts";
import { Tasks } from "./tasks.ts";

/** Event name for kernel status changes; trait names are the other events. */
const KERNEL_EVENT = "its kernel";
/** Debounce delay for trait updates sent to Python. */
const SAVE_DELAY_MS = 40;

export class Store implements SessionStore {
  readonly palettes = palettes;
  readonly followPage = followPage;
  readonly closed: AbortSignal;
  #model: SessionModel;
  #wire: Wire;
  #signal: AbortSignal;
  #arrays = new Map<string, Promise<NdArray>>();
  #images = new Map<number, Promise<string>>();
  #urls: string[] = [];
  #eigenvectors: Embedding | null = null;
  /** Truncated embeddings by number of eigenvectors. */
  #truncated = new Map<number, Embedding>();
  #heat: { key: string; value: Float32Array; colors: Uint8ClampedArray } | null = null;
  #grid: PatchGrid;
  #tasks: Tasks;
  #layers = new Layers(this);
  #masks = new Masks();
  #kernel: KernelMasks;
  #edits: Edits;
  #version: number;
  #embeddingVersion: number;
  #saving = 0;
  /**
   * Values set here and not yet sent to Python. They are not written to the model earlier, because a delayed echo from
   * Python would overwrite them.
   */
  #unsent = new Map<keyof SessionState, unknown>();
  #changes = new EventTarget();
  #watching = 0;

  constructor(model: SessionModel, signal: AbortSignal) {
    this.#model = model;
    this.#signal = signal;
    this.closed = signal;
    this.#wire = new Wire(model, signal, () => this.#changes.dispatchEvent(new Event(KERNEL_EVENT)));
    this.#version = model.get("meta").version;
    this.#embeddingVersion = model.get("meta").embedding;
    this.#grid = new PatchGrid(model.get("meta"));
    this.#tasks = new Tasks(this.#wire);
    this.#kernel = new KernelMasks(this, this.#tasks, signal);
    this.#edits = new Edits(this, signal);
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
    return this.#unsent.has(key) ? (this.#unsent.get(key) as SessionState[K]) : this.#model.get(key);
  }

  set<K extends keyof SessionState>(key: K, value: SessionState[K]): void {
    if (this.#signal.aborted || sameJson(this.get(key), value)) return;
    this.#unsent.set(key, value);
    this.#saving ||= window.setTimeout(() => this.#save(), SAVE_DELAY_MS);
    this.#changes.dispatchEvent(new Event(key));
  }

  #save(): void {
    this.#saving = 0;
    for (const [key, value] of this.#unsent) this.#model.set(key, value as never);
    this.#unsent.clear();
    this.#model.save_changes();
  }

  subscribe(key: keyof SessionState, listener: () => void, signal: AbortSignal): void {
    const both = AbortSignal.any([signal, this.#signal]);
    if (both.aborted) return;
    this.#changes.addEventListener(key, listener, { signal: both });
    this.#model.on(`change:${key}`, listener);
    both.addEventListener("abort", () => this.#model.off(`change:${key}`, listener));
  }

  array<K extends keyof ArrayTypes>(name: K): Promise<NdArray<ArrayTypes[K]>> {
    let array = this.#arrays.get(name);
    if (!array) {
      array = this.#wire.array(name);
      this.#arrays.set(name, array);
      // Failed requests can be repeated: the kernel may be restarting.
      array.catch(() => this.#arrays.delete(name));
    }
    return array as Promise<NdArray<ArrayTypes[K]>>;
  }

  image(index: number): Promise<string> {
    let url = this.#images.get(index);
    if (!url) {
      url = this.#wire.array(`image/${index}`).then(({ data }) => {
        const objectUrl = URL.createObjectURL(new Blob([data as Uint8Array<ArrayBuffer>]));
        this.#urls.push(objectUrl);
        return objectUrl;
      });
      this.#images.set(index, url);
      url.catch(() => this.#images.delete(index));
    }
    return url;
  }

  get kernel(): Kernel {
    return this.#wire.kernel;
  }

  onKernel(listener: () => void, signal: AbortSignal): void {
    this.#changes.addEventListener(KERNEL_EVENT, listener, { signal: AbortSignal.any([signal, this.#signal]) });
  }

  connect(connection: KernelConnection): void {
    this.#wire.connect(connection);
  }

  get painting(): readonly (keyof SessionState)[] {
    return this.#layers.painting;
  }

  paint(): Promise<Paint> {
    return this.#layers.paint();
  }

  channelColors(): Promise<Paint> {
    return this.#layers.channelColors();
  }

  clusters(): Promise<Clusters | null> {
    return this.#layers.clusters();
  }

  masks(): readonly NodeMask[] | null {
    if (!this.#eigenvectors) return null;
    return this.#masks.of(this.get("objects"), {
      embedding: (columns) => this.#leadingEmbedding(columns), grid: this.#grid, meta: this.get("meta"), source: this.get("source"),
      kernelHeat: (object, prompts) => this.#kernel.heat(object, prompts),
    });
  }

  maskColors(): Uint8ClampedArray | null {
    return this.masks() && this.#masks.colors(this.#grid.nodes);
  }

  refined(image: number) {
    return this.get("refine") === null ? null : this.#kernel.refined(image);
  }

  get tasks(): readonly Task[] {
    return this.#tasks.list;
  }

  onTasks(listener: () => void, signal: AbortSignal): void {
    this.#tasks.listen(listener, AbortSignal.any([signal, this.#signal]));
  }

  onKernelError(listener: (message: string | null) => void, signal: AbortSignal): void {
    this.#kernel.onError(listener, signal);
  }

  retryKernelRequests(): void {
    this.#kernel.retry();
  }

  ask<T extends NumericArray>(
    name: string, params: unknown, options: { label: string; signal?: AbortSignal },
  ): Promise<NdArray<T>> {
    return this.#tasks.ask<T>(name, params, options);
  }

  get history(): { undo: number; redo: number } {
    return this.#edits.length;
  }

  edit(change: { objects?: MaskObject[]; active_object?: number | null }, gesture?: string): void {
    this.#edits.edit(change, gesture);
  }

  undo(): boolean {
    return this.#edits.undo();
  }

  redo(): boolean {
    return this.#edits.redo();
  }

  async prepare(): Promise<void> {
    while (!this.#eigenvectors) {
      const request = this.array("eigenvectors");
      const { data, shape } = await request;
      // Unless the eigenvectors changed in the meantime, or another call has stored them.
      if (this.#arrays.get("eigenvectors") !== request) continue;
      this.#eigenvectors = embeddingFromRows(data, shape[1]!);
      this.#arrays.delete("eigenvectors");
    }
  }

  async embedding(columns: number): Promise<Embedding> {
    await this.prepare();
    return this.#leadingEmbedding(columns);
  }

  heat(nodes: readonly number[]): Float32Array | null {
    if (!this.#eigenvectors || nodes.length === 0) return null;
    // The same eigenvectors as for clicks, so that the heatmap shows what a click would select.
    const embedding = this.#leadingEmbedding(this.get("meta").click_eig);
    const key = nodes.join();
    if (this.#heat?.key !== key) {
      const [first, ...rest] = nodes;
      const value = heatmap(embedding, first!);
      for (const node of rest) {
        const other = heatmap(embedding, node);
        for (let i = 0; i < value.length; i++) value[i] = Math.max(value[i]!, other[i]!);
      }
      this.#heat = { key, value, colors: applyColormap(value, 0, 1, palettes.heat) };
    }
    return this.#heat.value;
  }

  /** The embedding restricted to the first `columns` eigenvectors; requires `prepare`. */
  #leadingEmbedding(columns: number): Embedding {
    let embedding = this.#truncated.get(columns);
    if (!embedding) {
      embedding = leadingEigenvectors(this.#eigenvectors!, columns);
      this.#truncated.set(columns, embedding);
    }
    return embedding;
  }

  heatColors(nodes: readonly number[]): Uint8ClampedArray | null {
    return this.heat(nodes) && this.#heat!.colors;
  }

  heatNodes(): readonly number[] {
    const layer = this.get("layer");
    // In this layer pinned patches select the attribution target, not a heatmap.
    if (layer === "channels") return [];
    const selection = this.get("selection");
    if (selection.length) return selection;
    const hover = this.get("hover");
    // Masks stay visible while the user looks for the next click position.
    const wanted = layer === "heatmap" || (this.get("hover_heatmap") && layer !== "masks");
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
    this.#grid = new PatchGrid(this.get("meta"));
    if (embedding !== this.#embeddingVersion) {
      this.#embeddingVersion = embedding;
      this.#forgetArrays();
      return;
    }
    // Arrays derived from the same eigenvectors stay valid, so the hover heatmap does not flicker.
    for (const name of this.#arrays.keys()) if (/^(rgb|coords|cluster_colors)/.test(name)) this.#arrays.delete(name);
    this.#layers.repaint();
  }

  #forgetArrays(): void {
    this.#arrays.clear();
    this.#layers.clear();
    this.#eigenvectors = null;
    this.#truncated.clear();
    this.#heat = null;
    this.#masks.clear();
    this.#kernel.clear();
  }

  #release(): void {
    this.#forgetArrays();
    this.#images.clear();
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
  }
}
