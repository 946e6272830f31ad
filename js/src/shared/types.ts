/** Types shared by the session's store and the views; mirrors the traits and arrays of the Python session. */
import type { AnyModel, Host } from "@anywidget/types";
import type { Embedding } from "./embedding.ts";
import type { ArrayTypes } from "./resources.ts";
import type { MaskObject } from "./schema.ts";
import { STATE_KEYS, type SessionState } from "./traits.ts";

export type Layer = SessionState["layer"];

export type NumericArray = Float32Array | Float64Array | Uint8Array | Uint16Array | Int16Array | Int32Array;

export interface NdArray<T extends NumericArray = NumericArray> {
  data: T;
  shape: number[];
}

export { STATE_KEYS };
export type { ArrayTypes, SessionState };
export type * from "./schema.ts";

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
