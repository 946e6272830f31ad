/** The contract between the Python session, the store that stands for it on the page, and the views. */
import type { AnyModel, Host } from "@anywidget/types";

export type Layer = "image" | "ncut" | "eigenvector" | "clusters" | "heatmap";

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
  eigenvalues: number[] | null;
  /** The numbers of clusters whose labels can be had: all of them with a kernel, the exported ones without. */
  cluster_counts: number[];
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
  point_size: number;
  camera: Camera | null;
  coloring: Coloring;
}

export type NumericArray = Float32Array | Float64Array | Uint8Array | Uint16Array | Int32Array;

export interface NdArray<T extends NumericArray = NumericArray> {
  data: T;
  shape: number[];
}

/** Arrays by name. `labels/K` are the labels of K clusters. */
export interface ArrayTypes {
  eigenvectors: Float32Array;
  rgb: Uint8Array;
  coords: Float32Array;
  /** Mean colour of the pixels under each patch. */
  patch_rgb: Uint8Array;
  [labels: `labels/${number}`]: Uint8Array;
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
  /** Count a view as watching. When the last one goes, the arrays are let go; a new view fetches them again. */
  watch(signal: AbortSignal): void;
  /** Fetch what `heat` needs. */
  prepare(): Promise<void>;
  /** A URL for an image element. */
  image(index: number): Promise<string>;
  /** (4 n) RGBA of every node under the present layer, or null where the layer paints nothing. */
  paint(): Promise<Uint8ClampedArray | null>;
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
