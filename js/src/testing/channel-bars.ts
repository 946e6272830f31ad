/** Channel bars on a session with three channels, whose kernel has attributions for two and four clusters. */
import { expect, vi } from "vitest";
import type { MaskObject, Meta, SessionState } from "../shared/types.ts";
import widget from "../widgets/channel-bars/index.ts";
import { META as TWO_IMAGES, type Answer, type Arrays, IMAGE_ARRAYS, clusterArrays, column, fakeSession, sessionState } from "./session.ts";
import { userActions, imagesShown, mountView } from "./view.ts";

export const META: Meta = {
  ...TWO_IMAGES, cluster_counts: [2, 4], channel_names: ["luma", "chroma a", "chroma b"], abilities: ["attribution"],
};
export const IN_FILE = { meta: { ...META, abilities: [] } };
export const CUP: MaskObject = {
  name: "cup", color: "#0a141e", visible: true, clicks: [{ image: 0, x: 50, y: 50, positive: true }], boxes: [], threshold: 0.5,
  gamma: 1, negative_threshold: 0.7, min_area: 0, n_eig: 2, method: "similarity", click_weight: 0.1,
};

const floats = (rows: number[][]): Answer => [Float32Array.from(rows.flat()), "float32", [rows.length, rows[0]!.length]];
const ARRAYS: Arrays = {
  ...IMAGE_ARRAYS,
  eigenvectors: [Float32Array.from({ length: 48 }, (_, i) => Number(i % 2 === Number(column(i >> 1) >= 2))), "float32", [24, 2]],
  channel_ranges: floats([[0, 100], [-1.25, 8], [0, 1]]),
  "attribution/gradient/clusters/2": floats([[0.2, -0.5, 0.3], [0.6, 0.3, -0.1]]),
  "attribution/ablation/clusters/2": floats([[0.9, 0.1, 0], [0, 0.4, 0.6]]),
  "attribution/gradient/clusters/4": floats([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]]),
  "attribution/gradient/nodes": floats([[0, 0, 1]]),
  "attribution/gradient/mask/cup": floats([[0, 1, 0]]),
  "evidence/gradient/clusters/2/0": floats([[0, 1, 2], [1, 0.5, 0.25], [1, 1, 0.75], [1, 0.75, 0.5]]),
  // Two clusters: the left and the right half; four clusters: the columns.
  ...clusterArrays({ 2: [0, 0, 1, 1], 4: [0, 2, 1, 3] }),
};
for (const channel of [0, 1, 2]) {
  ARRAYS[`channel_map/${channel}`] = [Uint8Array.from({ length: 24 }, (_, node) => 10 * node + channel), "uint8", [24]];
}
const SLOW = /^(attribution|evidence)/;

/** Mounts the view and waits for its bars, unless `bars` is false. The kernel fails to return the arrays in `missing`. */
export async function shown(change: Partial<SessionState> = {}, { missing = [] as string[], bars = true } = {}) {
  const arrays = Object.fromEntries(Object.entries(ARRAYS).filter(([name]) => !missing.includes(name)));
  const { store, kernel } = fakeSession(sessionState({ meta: META, layer: "clusters", ...change }), arrays);
  const { root, lifetime } = await mountView(widget, store);
  await imagesShown(root);
  const rows = () => [...root.querySelectorAll<HTMLElement>("[role='option']")];
  if (bars) await vi.waitFor(() => expect(rows().length).toBeGreaterThan(0));

  const actions = userActions(root);
  const { find, named } = actions;
  const row = (channel: number) => find(`[data-channel='${channel}']`);
  const order = () => rows().map((one) => Number(one.dataset.channel));
  const values = () => rows().map((one) => one.querySelector(".ncut-value")!.textContent);
  const choose = (label: string, value: unknown) =>
    actions.commit(named<HTMLSelectElement>(label), typeof value === "string" ? value : JSON.stringify(value));
  /** Colors of a channel's map in the first row of patches. */
  const heat = (channel: number) => [0, 1, 2, 3].map((node) => {
    const at = (10 * node + channel) * 4;
    return [...store.palettes.sequential.slice(at, at + 3), 255];
  });
  return {
    root, store, lifetime, kernel, ...actions, row, order, values, choose, heat,
    requests: () => kernel.names(SLOW), hold: () => { kernel.holds = SLOW; },
  };
}
