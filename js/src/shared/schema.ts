/** The JSON values that the page and the Python session exchange. */

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
