/** Sessions for tests: default state, and a kernel that returns arrays from a table. */
import type { Meta, SessionModel, SessionState } from "../shared/types.ts";
import { LocalModel } from "../standalone/model.ts";
import { Store } from "../widgets/session/store.ts";

/** Two images of 400 x 300 pixels and 3 x 4 patches: nodes 0 to 11 in the first, 12 to 23 in the second. */
export const META: Meta = {
  version: 1, embedding: 0,
  images: [{ name: "one.png", width: 400, height: 300 }, { name: "two.png", width: 400, height: 300 }],
  maps: [{ image: 0, rows: 3, columns: 4, source: "a" }, { image: 1, rows: 3, columns: 4, source: "a" }],
  n_nodes: 24, n_eig: 2, click_eig: 2, eigenvalues: null, cluster_counts: [2], channel_names: null, abilities: [],
};

/** The patch column of a node of `META`. */
export const column = (node: number) => node % 4;

/** Default state with some changes. */
export function sessionState(change: Partial<SessionState> = {}): SessionState {
  return {
    meta: META, hover: null, selection: [], layer: "ncut", source: "a", blend: 0.7, smooth: false, eigenvector: 1, n_clusters: 2,
    hover_heatmap: true, hide_outliers: false, point_size: 5, camera: null, recolor_status: { method: "pca", status: "ready", error: null },
    objects: [], active_object: null, refine: null, selected_cluster: null, cluster_names: {}, hidden_clusters: [], cluster_groups: [],
    hovered_channel: null, pinned_channels: [], ...change,
  };
}

/** A reply: data, dtype and shape. */
export type Answer = [numbers: ArrayBufferView, dtype: string, shape: number[]];
export type Arrays = Record<string, Answer>;

/** Placeholder images of one byte. */
export const IMAGE_ARRAYS: Arrays = {
  "image/0": [Uint8Array.of(1), "uint8", [1]],
  "image/1": [Uint8Array.of(1), "uint8", [1]],
};

/** Labels and colors of clusters of `META`; `ids` assigns patch columns to clusters. */
export function clusterArrays(ids: Record<number, number[]>): Arrays {
  return Object.fromEntries(Object.entries(ids).flatMap(([count, columns]): [string, Answer][] => [
    [`labels/${count}`, [Uint8Array.from({ length: META.n_nodes }, (_, node) => columns[column(node)]!), "uint8", [META.n_nodes]]],
    [`cluster_colors/${count}`, [Uint8Array.from({ length: 3 * +count }, (_, i) => 20 * i + 10), "uint8", [+count, 3]]],
  ]));
}

export interface Request {
  kind: string;
  id: string;
  name: string;
  params: unknown;
}

/** Takes the place of Python: replies immediately, except for requests that it holds. */
export class FakeKernel {
  /** All messages received, cancellations included. */
  readonly received: Request[] = [];
  /** Requests that wait for `answer` or `fail`. */
  readonly held: Request[] = [];
  /** Names of requests to hold. */
  holds: RegExp | null = null;
  #reply: (content: object, buffers: DataView[]) => void = () => undefined;

  /** With several `parts`, the last one is sent first, because messages may arrive in any order. */
  constructor(readonly arrays: Arrays, readonly parts = 1) {}

  receive = (message: unknown, reply: (content: unknown, buffers: DataView[]) => void): void => {
    const request = message as Request;
    this.received.push(request);
    this.#reply = reply;
    if (request.kind !== "request") return;
    if (this.holds?.test(request.name)) this.held.push(request);
    else if (this.arrays[request.name]) this.answer(request);
    else this.fail(request, `no ${request.name} here`);
  };

  answer({ id, name }: Request, [numbers, dtype, shape]: Answer = this.arrays[name]!): void {
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    const size = Math.ceil(bytes.length / this.parts);
    for (let part = this.parts - 1; part >= 0; part--) {
      const piece = bytes.slice(part * size, (part + 1) * size);
      this.tell({ kind: "reply", id, ok: true, part, parts: this.parts, dtype, shape }, [new DataView(piece.buffer)]);
    }
  }

  fail({ id }: Request, error: string): void {
    this.tell({ kind: "reply", id, ok: false, error });
  }

  tell(content: object, buffers: DataView[] = []): void {
    this.#reply(content, buffers);
  }

  /** Names of the matching requests so far. */
  names(wanted = /^/): string[] {
    return this.received.filter(({ kind, name }) => kind === "request" && wanted.test(name)).map(({ name }) => name);
  }
}

/** A store for a session with this state, whose kernel has these arrays. */
export function fakeSession(state: SessionState, arrays: Arrays, { parts = 1 } = {}) {
  const kernel = new FakeKernel(arrays, parts);
  const local = new LocalModel({ ...state });
  local.answer = kernel.receive;
  const model = local.proxy<SessionModel>();
  return { store: new Store(model, new AbortController().signal), model, local, kernel };
}
