/** What the panel says of clusters, and what its gestures make of the session's state: pure functions of both. */
import type { Clusters, SessionState } from "../../shared/types.ts";

type Groups = readonly (readonly number[])[];
type Names = Readonly<Record<string, string>>;

/** One line of the legend: a cluster, or several that count as one. */
export interface Row {
  /** Of several, the smallest number. */
  id: number;
  /** What was merged, as far as it exists at this number of clusters; just the id where nothing was. */
  members: readonly number[];
  name: string;
  /** #rrggbb */
  color: string;
  /** Of all nodes, in [0, 1]. */
  share: number;
  hidden: boolean;
}

/** How far a region fades that is not the one in question. */
const UNSELECTED_ALPHA = 70;
/** The numbers of clusters at which the region of a patch is shown: each twice the one before. */
const PREVIEW_COUNTS = [2, 4, 8, 16, 32, 64];

/** By number, which stays, so that a row keeps its place when the number of clusters changes. */
export function legendRows(
  { sizes, labels, colors, count }: Clusters,
  { cluster_names: names, hidden_clusters: hidden, cluster_groups: groups }:
    Pick<SessionState, "cluster_names" | "hidden_clusters" | "cluster_groups">,
): Row[] {
  return [...sizes.keys()].filter((id) => sizes[id]! > 0).map((id) => ({
    id,
    members: (groupOf(id, groups) ?? [id]).filter((member) => member < count),
    name: nameOf(id, names),
    color: hex(colors, id),
    share: sizes[id]! / labels.length,
    hidden: hidden.includes(id),
  }));
}

export function nameOf(id: number, names: Names): string {
  return names[id] ?? `Cluster ${id}`;
}

/** An empty name is none. */
export function renamed(names: Names, id: number, name: string): Record<string, string> {
  const next: Record<string, string> = { ...names };
  if (name.trim()) next[id] = name.trim();
  else delete next[id];
  return next;
}

export function toggled(ids: readonly number[], id: number): number[] {
  return ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id].sort(ascending);
}

/**
 * All but one hidden, those also that only more clusters would bring; none if it is alone already.
 */
export function hiddenForSolo(rows: readonly Row[], id: number, most: number, groups: Groups): number[] {
  if (isSolo(rows, id)) return [];
  const kept = groupOf(id, groups) ?? [id];
  return Array.from({ length: most }, (_, other) => other).filter((other) => !kept.includes(other));
}

export function isSolo(rows: readonly Row[], id: number): boolean {
  return rows.length > 1 && rows.every((row) => row.hidden === (row.id !== id));
}

type Merging = Pick<SessionState, "cluster_names" | "hidden_clusters" | "cluster_groups" | "cluster">;

/** Several as one from now on, at every number of clusters. It takes the first name that one of them was given. */
export function merged(ids: readonly number[], state: Merging): Merging {
  const groups = state.cluster_groups;
  const members = [...new Set(ids.flatMap((id) => groupOf(id, groups) ?? [id]))].sort(ascending);
  const [first] = members as [number];
  const name = [...ids].sort(ascending).map((id) => state.cluster_names[id]).find((one) => one !== undefined);
  const hidden = ids.every((id) => state.hidden_clusters.includes(id));
  return {
    cluster_groups: [...groups.filter((group) => !group.some((id) => members.includes(id))), members],
    cluster_names: name === undefined ? state.cluster_names : { ...state.cluster_names, [first]: name },
    hidden_clusters: [...state.hidden_clusters.filter((id) => !members.includes(id)), ...(hidden ? [first] : [])].sort(ascending),
    cluster: state.cluster !== null && members.includes(state.cluster) ? first : state.cluster,
  };
}

/** What was merged apart again, hidden where the whole was. */
export function split(id: number, state: Merging): Pick<Merging, "cluster_groups" | "hidden_clusters"> {
  const group = groupOf(id, state.cluster_groups) ?? [id];
  const hidden = state.hidden_clusters.includes(id) ? [...state.hidden_clusters, ...group] : state.hidden_clusters;
  return {
    cluster_groups: state.cluster_groups.filter((other) => !other.includes(id)),
    hidden_clusters: [...new Set(hidden)].sort(ascending),
  };
}

/** The patches of one map that are in the same cluster as a node of it, merged ones as one: 1 there, else 0. */
export function regionOf(labels: Uint8Array, node: number, start: number, end: number, groups: Groups): Uint8Array {
  const id = labels[node]!;
  const members = groupOf(id, groups) ?? [id];
  return labels.slice(start, end).map((other) => Number(members.includes(other)));
}

/** The number that a cluster is shown under. */
export function displayId(id: number, groups: Groups): number {
  return Math.min(...(groupOf(id, groups) ?? [id]));
}

function groupOf(id: number, groups: Groups): readonly number[] | undefined {
  return groups.find((group) => group.includes(id));
}

/** The numbers of clusters at which the region of a patch is shown, the present one among them. */
export function previewCounts(counts: readonly number[], present: number): number[] {
  return counts.filter((count) => PREVIEW_COUNTS.includes(count) || count === present);
}

/** The number of clusters at which a cluster first appears; undefined if it never does. */
export function firstCount(id: number, counts: readonly number[]): number | undefined {
  return counts.find((count) => count > id);
}

/** (4 n) RGBA: each cluster in its colour, hidden ones clear, and all but the one in question pale. */
export function paintClusters({ labels, colors }: Clusters, hidden: readonly number[], highlighted: number | null): Uint8ClampedArray {
  const table = new Uint8Array(256 * 4);
  for (let id = 0; id < colors.length / 3; id++) {
    table.set(colors.subarray(id * 3, id * 3 + 3), id * 4);
    table[id * 4 + 3] = hidden.includes(id) ? 0 : highlighted === null || highlighted === id ? 255 : UNSELECTED_ALPHA;
  }
  const words = new Uint32Array(table.buffer);
  const out = new Uint32Array(labels.length);
  for (let i = 0; i < labels.length; i++) out[i] = words[labels[i]!]!;
  return new Uint8ClampedArray(out.buffer);
}

function hex(colors: Uint8Array, id: number): string {
  return `#${[...colors.subarray(id * 3, id * 3 + 3)].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function ascending(a: number, b: number): number {
  return a - b;
}
