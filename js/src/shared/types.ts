/** The contract between the Python session, the store that stands for it on the page, and the views. */
import type { AnyModel, Host } from "@anywidget/types";
import type { Embedding } from "./embedding.ts";

export type Layer = "image" | "ncut" | "eigenvector" | "clusters" | "heatmap" | "masks" | "channels";

/** In pixels of the original image, x to the right and y down from the top left. */
export interface Click {
  image: number;
  x: number;
  y: number;
  positive: boolean;
}

export interface BoxPrompt {
  image: number;
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  positive: boolean;
}

/** A named mask over all images: its prompts, and how they become a mask. */
export interface MaskObject {
  name: string;
  /** #rrggbb */
  color: string;
  visible: boolean;
  clicks: Click[];
  boxes: BoxPrompt[];
  threshold: number;
  gamma: number;
  negative_threshold: number;
  /** Components of fewer patches are dropped. */
  denoise: number;
  /** How many of the leading eigenvectors are looked at: fewer mean larger parts. */
  n_eig: number;
  /** From eigenvectors in the page, or with the clicks in the graph, which the kernel cuts. */
  method: "similarity" | "ncut";
  click_weight: number;
}

export interface Camera {
  position: [number, number, number];
  target: [number, number, number];
  zoom: number;
}

export interface ImageMeta {
  name: string;
  width: number;
  height: number;
}

/** One image seen by one source: rows x columns nodes, row by row from the top left. */
export interface MapMeta {
  image: number;
  rows: number;
  columns: number;
  source: string;
}

/** What the session holds, without the arrays themselves. A new version means: fetch again. */
export interface Meta {
  version: number;
  /** Counts the eigenvectors that there have been: what comes from them stays while it stays. */
  embedding: number;
  images: ImageMeta[];
  maps: MapMeta[];
  n_nodes: number;
  n_eig: number;
  /** Nodes far from all others, which the scatter can leave out: the array `outliers` has 1 for them. */
  n_outliers?: number;
  /** How many of them a click and the pointer look at, unless an object says otherwise. */
  click_eig: number;
  eigenvalues: number[] | null;
  /** The numbers of clusters whose labels can be had: all of them with a kernel, the exported ones without. */
  cluster_counts: number[];
  /** In an exported file with channels: the numbers of clusters that it traces to them. */
  traced_counts?: number[];
  /** Of the features that the embedding came from; null where the session has none. */
  channel_names: string[] | null;
  /** What the kernel can be asked for beside arrays; nothing where there is none. */
  abilities: string[];
}

/** What becomes of the colours that Python was asked for; the method is null where they were given. */
export interface Coloring {
  method: string | null;
  status: "ready" | "running" | "failed";
  error: string | null;
}

/** The small state: traits of the Python session, each way in sync. */
export interface SessionState {
  meta: Meta;
  hover: number | null;
  selection: number[];
  layer: Layer;
  source: string;
  blend: number;
  smooth: boolean;
  eigenvector: number;
  n_clusters: number;
  hover_heatmap: boolean;
  hide_outliers: boolean;
  point_size: number;
  camera: Camera | null;
  coloring: Coloring;
  objects: MaskObject[];
  /** Which of the objects the clicks go to. */
  active: number | null;
  /** How masks are carried to the pixels. */
  refine: "none" | "guided" | "crf";
  /** The selected cluster. */
  cluster: number | null;
  cluster_names: Record<string, string>;
  hidden_clusters: number[];
  /** Clusters that count as one, each under its smallest number. */
  cluster_groups: number[][];
  /** The channel that is looked at: its map is shown, whatever the layer. */
  channel: number | null;
  /** Those whose maps the layer "channels" shows: one as it is, two or three as red, green and blue. */
  channels: number[];
}

/** Every trait of a session, for who follows them all. */
export const STATE_KEYS: readonly (keyof SessionState)[] = [
  "meta", "hover", "selection", "layer", "source", "blend", "smooth", "eigenvector", "n_clusters", "hover_heatmap", "hide_outliers",
  "point_size", "camera", "coloring", "objects", "active", "refine", "cluster", "cluster_names", "hidden_clusters",
  "cluster_groups", "channel", "channels",
];

export type NumericArray = Float32Array | Float64Array | Uint8Array | Uint16Array | Int16Array | Int32Array;

export interface NdArray<T extends NumericArray = NumericArray> {
  data: T;
  shape: number[];
}

/**
 * Arrays by name. `labels/K` are the labels of K clusters, numbered so that a cluster keeps its number when K changes;
 * `parents/K` which of K - 1 clusters covers most of each; `cluster_colors/K` the (K, 3) colours by number.
 */
export interface ArrayTypes {
  eigenvectors: Float32Array;
  rgb: Uint8Array;
  coords: Float32Array;
  /** 1 for the nodes far from all others. */
  outliers: Uint8Array;
  /** Mean colour of the pixels under each patch. */
  patch_rgb: Uint8Array;
  [labels: `labels/${number}`]: Uint8Array;
  /** The values of a channel between the two of `channel_ranges` (c, 2), as 0 to 255. */
  [map: `channel_map/${number}`]: Uint8Array;
  channel_ranges: Float32Array;
  [colors: `cluster_colors/${number}`]: Uint8Array;
  [parents: `parents/${number}`]: Int16Array;
}

/**
 * "waiting": an answer is overdue from a kernel that is known to be connected, or was heard before. "none": there is no
 * kernel, as in a saved page.
 */
export type Kernel = "connected" | "waiting" | "none";

/** What ipywidgets knows of a model's connection to the kernel: its own model, which anywidget wraps. */
export interface KernelConnection {
  readonly comm_live: boolean;
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
}

/** Something that the kernel is at, for this page. */
export interface Task {
  label: string;
  /** From 0 to 1; null where it is not known. */
  fraction: number | null;
  cancel(): void;
}

/** One object's mask, 1 where a node belongs to it. */
export interface NodeMask {
  /** Which of the objects. */
  index: number;
  object: MaskObject;
  nodes: Uint8Array;
  /** Nothing, for the kernel has not cut the graph with these clicks, or there is none to cut it. */
  missing: boolean;
}

/** The labels of all nodes with merged clusters as one, their colours and how many nodes each has, by number. */
export interface Clusters {
  count: number;
  labels: Uint8Array;
  /** (k, 3) */
  colors: Uint8Array;
  sizes: Uint32Array;
}

/**
 * The session as the views see it. One store per session and page, made by the session widget; it uses no
 * framework, because every widget's module is its own copy and signals of one copy are not seen by another.
 */
export interface SessionStore {
  get<K extends keyof SessionState>(key: K): SessionState[K];
  /** Views hear of it at once, Python a moment later. */
  set<K extends keyof SessionState>(key: K, value: SessionState[K]): void;
  subscribe(key: keyof SessionState, listener: () => void, signal: AbortSignal): void;
  array<K extends keyof ArrayTypes>(name: K): Promise<NdArray<ArrayTypes[K]>>;
  /** Aborts when Python has closed the session. */
  readonly closed: AbortSignal;
  readonly kernel: Kernel;
  onKernel(listener: () => void, signal: AbortSignal): void;
  /** Tell the store what the host knows of its connection to the kernel. */
  connect(link: KernelConnection): void;
  /** Count a view as watching. When the last one goes, the arrays are let go; a new view fetches them again. */
  watch(signal: AbortSignal): void;
  /** Keep `data-theme` of a view's root "light" or "dark", as the page is, and `data-pointer` "mouse" or "touch". */
  followPage(root: HTMLElement, signal: AbortSignal): void;
  /** Fetch what `heat` and `masks` need. */
  prepare(): Promise<void>;
  /** The nodes by so many leading eigenvectors, or by all where there are no more. */
  embedding(columns: number): Promise<Embedding>;
  /** An answer of the kernel that takes it a while: it is in `tasks` until then, and ends when `signal` aborts. */
  ask<T extends NumericArray>(
    name: string, params: unknown, options: { label: string; signal?: AbortSignal },
  ): Promise<NdArray<T>>;
  readonly tasks: readonly Task[];
  /** Be told when `tasks`, or what comes of them, has changed. */
  onTasks(listener: () => void, signal: AbortSignal): void;
  /** Be told why masks could not be had from the kernel, and by null that this holds no longer. */
  onKernelError(tell: (message: string | null) => void, signal: AbortSignal): void;
  /** Ask once more for the masks that the kernel has refused or the user has cancelled. */
  retryKernelRequests(): void;
  /** A URL for an image element. */
  image(index: number): Promise<string>;
  /** (4 n) RGBA of every node under the present layer, or null where the layer paints nothing. */
  paint(): Promise<Uint8ClampedArray | null>;
  /** The maps of the channel that is looked at, else of the pinned ones, as (4 n) RGBA; null where there is none. */
  channelColors(): Promise<Uint8ClampedArray | null>;
  /** The state that `paint` depends on. */
  readonly painting: readonly (keyof SessionState)[];
  /** The masks of all objects; null until `prepare` has resolved. The same array until one of them changes. */
  masks(): readonly NodeMask[] | null;
  /** The masks of all visible objects as (4 n) RGBA, later ones over earlier ones; null as `masks`. */
  maskColors(): Uint8ClampedArray | null;
  /** The refined masks as a picture of an image; null until the kernel has made it, which this asks for. */
  refined(image: number): { data: Uint8ClampedArray; width: number; height: number } | null;
  /** The clusters at the present number, merged ones as one; null if the number has moved on meanwhile. */
  clusters(): Promise<Clusters | null>;
  /** Change objects so that it can be undone. Edits of one `gesture` are undone together. */
  edit(change: { objects?: MaskObject[]; active?: number | null }, gesture?: string): void;
  /** False where there is nothing to undo. */
  undo(): boolean;
  redo(): boolean;
  /** How many edits can be undone and redone. */
  readonly history: { undo: number; redo: number };
  /** Similarity in [0, 1] of every node to the nearest of `nodes`; null until `prepare` has resolved. */
  heat(nodes: readonly number[]): Float32Array | null;
  /** The same as (4 n) RGBA, clear where it is cold. */
  heatColors(nodes: readonly number[]): Uint8ClampedArray | null;
  /** The colour tables of eigenvectors and heatmaps, 256 RGBA each, for legends. */
  readonly palettes: { diverging: Uint8ClampedArray; sequential: Uint8ClampedArray };
  /** The nodes whose heatmap is on show: the pinned ones, else the hovered one; empty for none. */
  heatNodes(): readonly number[];
  /** Put a node in focus: pin it alone, or add it to the pinned and take it away again. */
  pin(node: number, options?: { toggle?: boolean }): void;
  unpin(): void;
}

export type SessionModel = AnyModel<SessionState>;

export interface ViewModel {
  session: string;
  /** CSS pixels. */
  height: number;
  [key: string]: unknown;
}

export type { AnyModel, Host };
