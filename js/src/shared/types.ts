/** Types shared by the session's store and the views; mirrors the traits and arrays of the Python session. */
import type { AnyModel, Host } from "@anywidget/types";
import type { Embedding } from "./embedding.ts";
import type { ArrayTypes } from "./resources.ts";

export type Layer = "image" | "ncut" | "eigenvector" | "clusters" | "heatmap" | "masks" | "channels";

/** In pixels of the original image, from the top left corner. */
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

/** A named mask over all images: its prompts and settings. */
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
  /** Minimum component size in patches; smaller components are removed. */
  min_area: number;
  /** Number of leading eigenvectors; fewer eigenvectors select larger parts. */
  n_eig: number;
  /** "similarity" is computed in the page; "ncut" adds the clicks to the graph, which the kernel cuts. */
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

/** The patches of one image under one source, row by row from the top left. */
export interface MapMeta {
  image: number;
  rows: number;
  columns: number;
  source: string;
}

/** Description of the session's data, without the arrays. A new version means that arrays must be fetched again. */
export interface Meta {
  version: number;
  /** Incremented when the eigenvectors change; anything derived from them stays valid until then. */
  embedding: number;
  images: ImageMeta[];
  maps: MapMeta[];
  n_nodes: number;
  n_eig: number;
  /** Number of nodes far from all others, which the scatter can hide: 1 in the array `outliers`. */
  n_outliers?: number;
  /** Number of leading eigenvectors for clicks and hover, unless an object overrides it. */
  click_eig: number;
  eigenvalues: number[] | null;
  /** Numbers of clusters with available labels: all with a kernel, the exported ones without. */
  cluster_counts: number[];
  /** In an exported file with channels: the numbers of clusters with attributions. */
  traced_counts?: number[];
  /** Channel names of the features; null if the session has no features. */
  channel_names: string[] | null;
  /** Kernel features available besides arrays; empty without a kernel. */
  abilities: string[];
}

/** Status of the colors requested from Python; the method is null if the colors were passed in. */
export interface RecolorStatus {
  method: string | null;
  status: "ready" | "running" | "failed";
  error: string | null;
}

/** The traits of the Python session, synchronized in both directions. */
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
  recolor_status: RecolorStatus;
  objects: MaskObject[];
  /** Index of the active object, which receives clicks. */
  active_object: number | null;
  /** Refinement of patch masks to pixel masks; null shows patches. */
  refine: "guided" | "crf" | null;
  /** The selected cluster. */
  selected_cluster: number | null;
  cluster_names: Record<string, string>;
  hidden_clusters: number[];
  /** Merged clusters; each group is shown under its smallest id. */
  cluster_groups: number[][];
  /** The previewed channel; its map is shown in every layer. */
  hovered_channel: number | null;
  /** Pinned channels, shown by the layer "channels": one as a heatmap, two or three as red, green and blue. */
  pinned_channels: number[];
}

/** All traits of a session. */
export const STATE_KEYS: readonly (keyof SessionState)[] = [
  "meta", "hover", "selection", "layer", "source", "blend", "smooth", "eigenvector", "n_clusters", "hover_heatmap", "hide_outliers",
  "point_size", "camera", "recolor_status", "objects", "active_object", "refine", "selected_cluster", "cluster_names",
  "hidden_clusters", "cluster_groups", "hovered_channel", "pinned_channels",
];

export type NumericArray = Float32Array | Float64Array | Uint8Array | Uint16Array | Int16Array | Int32Array;

export interface NdArray<T extends NumericArray = NumericArray> {
  data: T;
  shape: number[];
}

export type { ArrayTypes };

/**
 * "waiting": a reply is overdue, but the kernel is known to be connected or has replied before. "none": there is no
 * kernel, for example in a saved page.
 */
export type Kernel = "connected" | "waiting" | "none";

/** The connection of a model to the kernel, as exposed by ipywidgets (anywidget wraps this model). */
export interface KernelConnection {
  readonly comm_live: boolean;
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
}

/** A running kernel request, with progress. */
export interface Task {
  label: string;
  /** From 0 to 1; null if unknown. */
  fraction: number | null;
  cancel(): void;
}

/** RGBA pixels. */
export interface Raster {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

/** The mask of one object: 1 for nodes inside. */
export interface NodeMask {
  /** Index of the object. */
  index: number;
  object: MaskObject;
  nodes: Uint8Array;
  /** True if the kernel has not computed the graph cut for these clicks, or there is no kernel. */
  missing: boolean;
}

/** Labels of all nodes after merging, with colors and sizes by cluster id. */
export interface Clusters {
  count: number;
  labels: Uint8Array;
  /** (k, 3) */
  colors: Uint8Array;
  sizes: Uint32Array;
}

/**
 * The session's state, data and derived values in the page, created by the session widget: one per session and page. It
 * uses no UI framework, because every widget has its own copy of its modules, and signals do not work across copies.
 */
export interface SessionStore {
  get<K extends keyof SessionState>(key: K): SessionState[K];
  /** Notifies views immediately and Python after a short delay. */
  set<K extends keyof SessionState>(key: K, value: SessionState[K]): void;
  subscribe(key: keyof SessionState, listener: () => void, signal: AbortSignal): void;
  array<K extends keyof ArrayTypes>(name: K): Promise<NdArray<ArrayTypes[K]>>;
  /** Aborted when Python closes the session. */
  readonly closed: AbortSignal;
  readonly kernel: Kernel;
  onKernel(listener: () => void, signal: AbortSignal): void;
  /** Set the host's connection to the kernel. */
  connect(link: KernelConnection): void;
  /** Register a view. Arrays are released when the last view is removed. */
  watch(signal: AbortSignal): void;
  /** Keep `data-theme` ("light" or "dark") and `data-pointer` ("mouse" or "touch") of a root up to date. */
  followPage(root: HTMLElement, signal: AbortSignal): void;
  /** Fetch the arrays that `heat` and `masks` need. */
  prepare(): Promise<void>;
  /** The embedding restricted to the first `columns` eigenvectors, or all of them if there are fewer. */
  embedding(columns: number): Promise<Embedding>;
  /** A slow request: listed in `tasks` until it settles; cancelled when `signal` aborts. */
  ask<T extends NumericArray>(
    name: string, params: unknown, options: { label: string; signal?: AbortSignal },
  ): Promise<NdArray<T>>;
  readonly tasks: readonly Task[];
  /** Subscribe to changes of `tasks` and to their results. */
  onTasks(listener: () => void, signal: AbortSignal): void;
  /** Subscribe to errors of mask requests; null clears the error. */
  onKernelError(listener: (message: string | null) => void, signal: AbortSignal): void;
  /** Repeat mask requests that failed or were cancelled. */
  retryKernelRequests(): void;
  /** URL of an image. */
  image(index: number): Promise<string>;
  /** (4 n) RGBA of every node in the current layer, or null if the layer has no overlay. */
  paint(): Promise<Uint8ClampedArray | null>;
  /** The map of the previewed channel, or else of the pinned channels, as (4 n) RGBA; null if there is none. */
  channelColors(): Promise<Uint8ClampedArray | null>;
  /** The state that `paint` depends on. */
  readonly painting: readonly (keyof SessionState)[];
  /** Masks of all objects; null until `prepare` has resolved. The same array until a mask changes. */
  masks(): readonly NodeMask[] | null;
  /** Masks of all visible objects as (4 n) RGBA, later objects on top; null like `masks`. */
  maskColors(): Uint8ClampedArray | null;
  /** Refined masks of an image as RGBA pixels; null until the kernel has computed them. Starts the request. */
  refined(image: number): Raster | null;
  /** Clusters for the current number of clusters, after merging; null if the number changed in the meantime. */
  clusters(): Promise<Clusters | null>;
  /** Change objects as an undoable edit. Edits of one `gesture` are undone together. */
  edit(change: { objects?: MaskObject[]; active_object?: number | null }, gesture?: string): void;
  /** False if there is nothing to undo. */
  undo(): boolean;
  redo(): boolean;
  /** Number of edits that can be undone and redone. */
  readonly history: { undo: number; redo: number };
  /** Similarity in [0, 1] of every node to the closest of `nodes`; null until `prepare` has resolved. */
  heat(nodes: readonly number[]): Float32Array | null;
  /** `heat` as (4 n) RGBA, more transparent for low values. */
  heatColors(nodes: readonly number[]): Uint8ClampedArray | null;
  /** Colormaps of eigenvectors and heatmaps for legends, 256 RGBA entries each. */
  readonly palettes: { diverging: Uint8ClampedArray; sequential: Uint8ClampedArray };
  /** Nodes whose heatmap is shown: the pinned nodes, else the hovered one; may be empty. */
  heatNodes(): readonly number[];
  /** Pin a single node, or with `toggle` add it to the pinned nodes or remove it. */
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
