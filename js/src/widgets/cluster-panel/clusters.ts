/** Rows of the legend and edits of the clusters: pure functions of the session's state. */
import { rgbToHex } from "../../shared/color.ts";
import type { Clusters, SessionState } from "../../shared/types.ts";

type Groups = readonly (readonly number[])[];
type Names = Readonly<Record<string, string>>;

/** One row of the legend: a cluster, or several merged ones. */
export interface Row {
  /** The smallest id if clusters are merged. */
  id: number;
  /** Merged clusters that exist at the current number of clusters; just `id` if nothing was merged. */
  members: readonly number[];
  name: string;
  /** #rrggbb */
  color: string;
  /** Fraction of all nodes, in [0, 1]. */
  share: number;
  hidden: boolean;
}

/** Numbers of clusters at which the region of a patch is previewed. */
const PREVIEW_COUNTS = [2, 4, 8, 16, 32, 64];

/** Sorted by id, so that a row keeps its position when the number of clusters changes. */
export function legendRows(
  { sizes, labels, colors, count }: Clusters,
  { cluster_names: names, hidden_clusters: hidden, cluster_groups: groups }:
    Pick<SessionState, "cluster_names" | "hidden_clusters" | "cluster_groups">,
): Row[] {
  return [...sizes.keys()].filter((id) => sizes[id]! > 0).map((id) => ({
    id,
    members: (groupOf(id, groups) ?? [id]).filter((member) => member < count),
    name: nameOf(id, names),
    color: rgbToHex(colors, id),
    share: sizes[id]! / labels.length,
    hidden: hidden.includes(id),
  }));
}

export function nameOf(id: number, names: Names): string {
  return names[id] ?? `Cluster ${id}`;
}

/** An empty name restores the default. */
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
 * The hidden clusters that leave only one visible, including clusters that appear only at higher counts; none if it is the
 * only visible cluster already.
 */
export function hiddenForSolo(rows: readonly Row[], id: number, maxCount: number, groups: Groups): number[] {
  if (isSolo(rows, id)) return [];
  const kept = groupOf(id, groups) ?? [id];
  return Array.from({ length: maxCount }, (_, other) => other).filter((other) => !kept.includes(other));
}

export function isSolo(rows: readonly Row[], id: number): boolean {
  return rows.length > 1 && rows.every((row) => row.hidden === (row.id !== id));
}

type Merging = Pick<SessionState, "cluster_names" | "hidden_clusters" | "cluster_groups" | "selected_cluster">;

/** Merges clusters at every number of clusters. The result gets the first custom name among them. */
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
    selected_cluster: state.selected_cluster !== null && members.includes(state.selected_cluster) ? first : state.selected_cluster,
  };
}

/** Reverts a merge; the parts are hidden if the merged cluster was. */
export function split(id: number, state: Merging): Pick<Merging, "cluster_groups" | "hidden_clusters"> {
  const group = groupOf(id, state.cluster_groups) ?? [id];
  const hidden = state.hidden_clusters.includes(id) ? [...state.hidden_clusters, ...group] : state.hidden_clusters;
  return {
    cluster_groups: state.cluster_groups.filter((other) => !other.includes(id)),
    hidden_clusters: [...new Set(hidden)].sort(ascending),
  };
}

/** The patches of one map in the same (merged) cluster as a node: 1 inside, else 0. */
export function regionOf(labels: Uint8Array, node: number, start: number, end: number, groups: Groups): Uint8Array {
  const id = labels[node]!;
  const members = groupOf(id, groups) ?? [id];
  return labels.slice(start, end).map((other) => Number(members.includes(other)));
}

/** The id under which a cluster is displayed. */
export function displayId(id: number, groups: Groups): number {
  return Math.min(...(groupOf(id, groups) ?? [id]));
}

function groupOf(id: number, groups: Groups): readonly number[] | undefined {
  return groups.find((group) => group.includes(id));
}

/** The numbers of clusters to preview, including the current one. */
export function previewCounts(counts: readonly number[], present: number): number[] {
  return counts.filter((count) => PREVIEW_COUNTS.includes(count) || count === present);
}

/** The smallest number of clusters at which a cluster exists; undefined if there is none. */
export function firstCount(id: number, counts: readonly number[]): number | undefined {
  return counts.find((count) => count > id);
}

function ascending(a: number, b: number): number {
  return a - b;
}
