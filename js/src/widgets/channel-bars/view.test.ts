import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { MaskObject, SessionModel, SessionState } from "../../shared/types.ts";
import { LocalModel } from "../../standalone/model.ts";
import { Store } from "../session/store.ts";
import widget from "./index.ts";

const META = {
  version: 1, embedding: 0,
  images: [{ name: "one.png", width: 400, height: 300 }, { name: "two.png", width: 400, height: 300 }],
  maps: [{ image: 0, rows: 3, columns: 4, source: "a" }, { image: 1, rows: 3, columns: 4, source: "a" }],
  n_nodes: 24, n_eig: 2, click_eig: 2, eigenvalues: null, cluster_counts: [2, 4],
  channel_names: ["luma", "chroma a", "chroma b"] as string[] | null, abilities: ["attribution"] as string[],
};
const CUP: MaskObject = {
  name: "cup", color: "#0a141e", visible: true, clicks: [{ image: 0, x: 50, y: 50, positive: true }], boxes: [], threshold: 0.5,
  gamma: 1, negative_threshold: 0.7, denoise: 0, n_eig: 2, method: "similarity", click_weight: 0.1,
};
const STATE: SessionState = {
  meta: META, hover: null, selection: [], layer: "clusters", source: "a", blend: 0.7, smooth: false, eigenvector: 1,
  n_clusters: 2, hover_heatmap: true, point_size: 5, camera: null, coloring: { method: "pca", status: "ready", error: null },
  objects: [], active: null, refine: "none", cluster: null, cluster_names: {}, hidden_clusters: [], cluster_groups: [],
  channel: null, channels: [],
};
const IN_FILE = { meta: { ...META, abilities: [] } };
const column = (node: number) => node % 4;
/** Two clusters are the left and the right half, four the columns. */
const IDS: Record<number, number[]> = { 2: [0, 0, 1, 1], 4: [0, 2, 1, 3] };
type Answered = [ArrayBufferView, string, number[]];
const floats = (rows: number[][]): Answered => [Float32Array.from(rows.flat()), "float32", [rows.length, rows[0]!.length]];
const ARRAYS: Record<string, Answered> = {
  eigenvectors: [Float32Array.from({ length: 48 }, (_, i) => Number(i % 2 === Number(column(i >> 1) >= 2))), "float32", [24, 2]],
  "image/0": [Uint8Array.of(1), "uint8", [1]],
  "image/1": [Uint8Array.of(1), "uint8", [1]],
  channel_ranges: floats([[0, 100], [-1.25, 8], [0, 1]]),
  "attribution/gradient/clusters/2": floats([[0.2, -0.5, 0.3], [0.6, 0.3, -0.1]]),
  "attribution/ablation/clusters/2": floats([[0.9, 0.1, 0], [0, 0.4, 0.6]]),
  "attribution/gradient/clusters/4": floats([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]]),
  "attribution/gradient/nodes": floats([[0, 0, 1]]),
  "attribution/gradient/mask/cup": floats([[0, 1, 0]]),
  "evidence/gradient/clusters/2/0": floats([[0, 1, 2], [1, 0.5, 0.25], [1, 1, 0.75], [1, 0.75, 0.5]]),
};
for (const [count, ids] of Object.entries(IDS)) {
  ARRAYS[`labels/${count}`] = [Uint8Array.from({ length: 24 }, (_, node) => ids[column(node)]!), "uint8", [24]];
  ARRAYS[`cluster_colors/${count}`] = [Uint8Array.from({ length: 3 * +count }, (_, i) => 20 * i + 10), "uint8", [+count, 3]];
}
for (const channel of [0, 1, 2]) {
  ARRAYS[`channel_map/${channel}`] = [Uint8Array.from({ length: 24 }, (_, node) => 10 * node + channel), "uint8", [24]];
}

interface Painted { data: Uint8ClampedArray; width: number; height: number }
interface Request { id: string; name: string; params: unknown; kind: string }

const mounted: AbortController[] = [];
let painted: Map<HTMLCanvasElement, Painted>;

beforeEach(() => {
  painted = new Map();
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockImplementation(function (this: HTMLCanvasElement) {
    return { putImageData: (image: Painted) => painted.set(this, image), clearRect: () => painted.delete(this) } as never;
  } as never);
  vi.stubGlobal("ImageData", class {
    constructor(readonly data: Uint8ClampedArray, readonly width: number, readonly height: number) {}
  });
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(600);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(500);
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, 400, 300));
  vi.stubGlobal("ResizeObserver", class {
    constructor(private readonly run: () => void) {}
    observe() { this.run(); }
    disconnect() {}
  });
});
afterEach(() => {
  for (const view of mounted.splice(0)) view.abort();
  document.body.replaceChildren();
});

async function shown(change: Partial<SessionState> = {}, { lacks = [] as string[], bars = true } = {}) {
  const local = new LocalModel({ ...STATE, ...change });
  const asked: Request[] = [];
  const held: Request[] = [];
  let silent = false;
  const answer = ({ id, name }: Request, found = ARRAYS[name]) => {
    if (!found || lacks.includes(name)) send({ kind: "reply", id, ok: false, error: `no ${name}` }, []);
    else send({ kind: "reply", id, ok: true, part: 0, parts: 1, dtype: found[1], shape: found[2] }, [new DataView(found[0].buffer)]);
  };
  let send: (content: object, buffers: DataView[]) => void = () => undefined;
  local.answer = (message, reply) => {
    const request = message as Request;
    asked.push(request);
    send = reply;
    if (request.kind !== "request") return;
    if (silent && /^(attribution|evidence)/.test(request.name)) held.push(request);
    else answer(request);
  };
  const store = new Store(local.proxy<SessionModel>(), new AbortController().signal);
  const gone = new AbortController();
  mounted.push(gone);
  const el = document.createElement("div");
  document.body.append(el);
  await widget.render({
    el, signal: gone.signal, model: new LocalModel({ session: "s", height: 400 }).proxy(),
    host: { getWidget: async () => ({ exports: { store } }) },
  } as never);
  const root = el.querySelector<HTMLElement>("[data-ncut-view='channel-bars']")!;
  const rows = () => [...root.querySelectorAll<HTMLElement>("[role='option']")];
  await vi.waitFor(() => {
    expect(root.querySelectorAll("[data-image]")).toHaveLength(2);
    // No picture is ever loaded here.
    for (const picture of root.querySelectorAll("img")) picture.dispatchEvent(new Event("load"));
    expect(root.dataset.ready).toBe("true");
    if (bars) expect(rows().length).toBeGreaterThan(0);
  });
  const find = <E extends HTMLElement>(selector: string) => root.querySelector<E>(selector)!;
  const named = <E extends HTMLElement>(label: string) => find<E>(`[aria-label='${label}']`);
  const row = (channel: number) => find(`[data-channel='${channel}']`);
  const order = () => rows().map((one) => Number(one.dataset.channel));
  const values = () => rows().map((one) => one.querySelector(".ncut-value")!.textContent);
  const button = (text: string) => [...root.querySelectorAll("button")].find((one) => one.textContent === text)!;
  const choose = (label: string, value: unknown) => {
    const menu = named<HTMLSelectElement>(label);
    menu.value = typeof value === "string" ? value : JSON.stringify(value);
    menu.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const enter = (target: Element, type = "pointerenter") => target.dispatchEvent(new Event(type));
  const key = (target: Element, name: string) =>
    target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, composed: true }));
  /** A click on a patch of the first image. */
  const click = (row: number, column: number, more: object = {}) => find("[data-image='0']").dispatchEvent(
    Object.assign(new Event("click", { bubbles: true }), { clientX: (column + 0.5) * 100, clientY: (row + 0.5) * 100, ...more }));
  /** The colours of the first row of patches of the first image. */
  const overlay = () => {
    const { data } = painted.get(find<HTMLCanvasElement>("[data-image='0'] canvas"))!;
    return [0, 1, 2, 3].map((at) => [...data.slice(at * 4, at * 4 + 4)]);
  };
  const heat = (channel: number) => [0, 1, 2, 3].map((node) => {
    const at = (10 * node + channel) * 4;
    return [...store.palettes.sequential.slice(at, at + 3), 255];
  });
  const questions = () => asked.map(({ name }) => name).filter((name) => /^(attribution|evidence)/.test(name ?? ""));
  return {
    root, store, asked, held, gone, find, named, rows, row, order, values, button, choose, enter, key, click, overlay, heat, questions,
    answer, hold: () => { silent = true; }, tell: (content: object) => send(content, []),
  };
}

describe("the bars", () => {
  it("are of what made the selected cluster, signed and in order, and follow the selection at no further cost", async () => {
    const { store, order, values, row, questions } = await shown({ cluster: 1 });
    expect([order(), values()]).toEqual([[0, 1, 2], ["+60.0", "+30.0", "−10.0"]]);
    expect(row(2).querySelector<HTMLElement>("[data-sign]")!.dataset.sign).toBe("-");
    const [long, short] = [row(0), row(2)].map((one) => one.querySelector<HTMLElement>("[data-sign]")!.style);
    expect([long!.left, long!.width]).toEqual(["50%", "50%"]);
    expect(parseFloat(short!.left) + parseFloat(short!.width)).toBeCloseTo(50);
    store.set("cluster", 0);
    await vi.waitFor(() => expect(order()).toEqual([2, 0, 1]));
    expect(questions()).toEqual(["attribution/gradient/clusters/2"]);
  });

  it("are sorted, searched and as many as was asked for", async () => {
    const { choose, order, named, root } = await shown({ cluster: 0 });
    choose("Sort by", "absolute");
    await vi.waitFor(() => expect(order()).toEqual([1, 2, 0]));
    const search = named<HTMLInputElement>("Search channels by name or number");
    const type = (text: string) => {
      search.value = text;
      search.dispatchEvent(new Event("input", { bubbles: true }));
    };
    type("CHROMA");
    await vi.waitFor(() => expect(order()).toEqual([1, 2]));
    type("0");
    await vi.waitFor(() => expect(order()).toEqual([0]));
    type("hue");
    await vi.waitFor(() => expect(root.textContent).toContain("No channel has that name or number."));
    const slider = named<HTMLInputElement>("Number of bars");
    expect([slider.min, slider.max]).toEqual(["5", "50"]);
  });

  it("follow the number of clusters and the method", async () => {
    const { store, choose, values, questions } = await shown({ cluster: 1 });
    store.set("n_clusters", 4);
    await vi.waitFor(() => expect(values()).toEqual(["+100.0", "0.0", "0.0"]));
    store.set("n_clusters", 2);
    choose("Method", "ablation");
    await vi.waitFor(() => expect(values()).toEqual(["+60.0", "+40.0", "0.0"]));
    expect(questions()).toEqual(["attribution/gradient/clusters/2", "attribution/gradient/clusters/4", "attribution/ablation/clusters/2"]);
  });

  it("of two targets stand side by side on one scale", async () => {
    const { button, row, named, find, choose } = await shown({ cluster: 1, cluster_names: { 0: "sky" } });
    button("Compare").click();
    await vi.waitFor(() => expect(row(0).querySelectorAll("[data-sign]")).toHaveLength(2));
    expect([...find(".ncut-heads").querySelectorAll(".ncut-head")].map((one) => one.textContent)).toEqual(["Cluster 1", "sky"]);
    const [one, two] = [...row(0).querySelectorAll<HTMLElement>("[data-sign]")].map(({ style }) => parseFloat(style.width));
    expect(two! / one!).toBeCloseTo(0.2 / 0.6);
    expect(row(0).getAttribute("aria-label")).toBe("luma, Cluster 1 +60.0 %, sky +20.0 %");
    choose("Sort by", "difference");
    await vi.waitFor(() => expect(row(1).previousElementSibling).toBe(row(0)));
    named("Compare no more").click();
    await vi.waitFor(() => expect(row(0).querySelectorAll("[data-sign]")).toHaveLength(1));
  });

  it("of a session without features are none, and it is said why", async () => {
    const { root, questions } = await shown({ meta: { ...META, channel_names: null } }, { bars: false });
    expect(root.textContent).toContain("This session has no features");
    expect(questions()).toEqual([]);
  });

  it("of a file without them are none, and it is said how to have them", async () => {
    const { root } = await shown({ meta: { ...IN_FILE.meta, channel_names: null } }, { bars: false });
    expect(root.textContent).toContain("to_html(path, attributions=True)");
  });
});

describe("a target", () => {
  it("is chosen by a click on its region, for all views", async () => {
    const { click, store, overlay, values } = await shown();
    await vi.waitFor(() => expect(overlay()).toEqual([[10, 30, 50, 255], [10, 30, 50, 255], [0, 0, 0, 0], [0, 0, 0, 0]]));
    click(1, 3);
    expect(store.get("cluster")).toBe(1);
    await vi.waitFor(() => expect(values()).toEqual(["+60.0", "+30.0", "−10.0"]));
    await vi.waitFor(() => expect(overlay()[3]).toEqual([70, 90, 110, 255]));
  });

  it("is what was pinned in any view, until it is let go", async () => {
    const { store, values, asked, overlay, named, click, order } = await shown({ cluster: 1 });
    store.set("selection", [0, 3]);
    await vi.waitFor(() => expect(values()[0]).toBe("+100.0"));
    expect(asked.find(({ name }) => name === "attribution/gradient/nodes")!.params).toEqual({ nodes: [0, 3] });
    expect(named<HTMLSelectElement>("Target").selectedOptions[0]!.textContent).toBe("2 pinned patches");
    await vi.waitFor(() => expect(overlay().map(([red]) => red)).toEqual([255, 0, 0, 255]));
    click(0, 1, { shiftKey: true });
    expect(store.get("selection")).toEqual([0, 3, 1]);
    click(0, 2);
    expect(store.get("selection")).toEqual([]);
    await vi.waitFor(() => expect(order()).toEqual([0, 1, 2]));
  });

  it("is an object's mask as it is now", async () => {
    const { store, choose, order, overlay, questions, values } = await shown({ objects: [CUP] });
    choose("Target", { kind: "mask", name: "cup" });
    await vi.waitFor(() => expect(values()).toEqual(["+100.0", "0.0", "0.0"]));
    expect(order()[0]).toBe(1);
    await vi.waitFor(() => expect(overlay()[0]).toEqual([10, 20, 30, 255]));
    store.set("objects", [{ ...CUP, clicks: [...CUP.clicks, { image: 1, x: 150, y: 50, positive: true }] }]);
    await vi.waitFor(() => expect(questions().filter((name) => name.endsWith("mask/cup"))).toHaveLength(2));
    store.set("objects", []);
    await vi.waitFor(() => expect(order()[0]).toBe(2));
  });

  it("is a whole image", async () => {
    const { choose, values, asked } = await shown();
    choose("Target", { kind: "image", image: 1 });
    await vi.waitFor(() => expect(values()[0]).toBe("+100.0"));
    expect(asked.find(({ name }) => name.endsWith("/nodes"))!.params).toEqual({ nodes: Array.from({ length: 12 }, (_, i) => 12 + i) });
  });

  it("of merged clusters is their nodes", async () => {
    const { asked } = await shown({ n_clusters: 4, cluster: 1, cluster_groups: [[1, 3, 9]] });
    expect(asked.find(({ name }) => name?.endsWith("/nodes"))!.params).toEqual({ nodes: [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23] });
  });
});

describe("a channel", () => {
  it("is looked at in all images while the pointer is on its bar", async () => {
    const { row, enter, find, store, overlay, heat, root } = await shown({ cluster: 1 });
    enter(row(1));
    expect(store.get("channel")).toBe(1);
    await vi.waitFor(() => expect(overlay()).toEqual(heat(1)));
    expect(root.dataset.shows).toBe("channel");
    await vi.waitFor(() => expect(find(".ncut-readout").textContent).toContain("chroma a channel 1"));
    expect(find(".ncut-readout").textContent).toContain("+30.0 %, rank 2 of 3");
    await vi.waitFor(() => expect(find(".ncut-legend").textContent).toBe("−1.258"));
    enter(find(".ncut-bars"), "pointerleave");
    expect(store.get("channel")).toBeNull();
    await vi.waitFor(() => expect(root.dataset.shows).toBe("target"));
  });

  it("that Python looks at is marked and shown as well", async () => {
    const { store, row, overlay, heat } = await shown();
    store.set("channel", 2);
    await vi.waitFor(() => expect(row(2).hasAttribute("data-looked")).toBe(true));
    await vi.waitFor(() => expect(overlay()).toEqual(heat(2)));
  });

  it("is let go when the view goes", async () => {
    const { row, enter, store, gone } = await shown();
    enter(row(1));
    gone.abort();
    expect(store.get("channel")).toBeNull();
  });

  it("is pinned by a click: one as its map, two as red and green, each with a small map, until it is unpinned", async () => {
    const { row, store, overlay, heat, find, named, root } = await shown({ cluster: 1, layer: "ncut" });
    row(0).click();
    await vi.waitFor(() => expect(store.get("channels")).toEqual([0]));
    expect(store.get("layer")).toBe("channels");
    await vi.waitFor(() => expect(overlay()).toEqual(heat(0)));
    row(2).click();
    await vi.waitFor(() => expect(overlay()[1]).toEqual([10, 12, 0, 255]));
    await vi.waitFor(() => expect(row(2).querySelector<HTMLElement>(".ncut-pin")!.dataset.part).toBe("g"));
    const small = () => painted.get(find<HTMLCanvasElement>("[data-pinned-channel='2'] canvas"))!;
    await vi.waitFor(() => expect([...small().data.slice(4, 8)]).toEqual(heat(2)[1]));
    store.set("hover", 13);
    await vi.waitFor(() => expect([...small().data.slice(0, 3)]).toEqual([...store.palettes.sequential.slice(122 * 4, 122 * 4 + 3)]));
    named("Unpin luma").click();
    await vi.waitFor(() => expect(store.get("channels")).toEqual([2]));
    row(2).click();
    expect([store.get("channels"), store.get("layer")]).toEqual([[], "ncut"]);
    await vi.waitFor(() => expect(root.dataset.shows).toBe("target"));
  });

  it("is reached, looked at and pinned by keys, and Escape lets go of one thing after another", async () => {
    const { row, key, store, root } = await shown({ cluster: 1 });
    vi.spyOn(HTMLElement.prototype, "matches").mockImplementation(function (this: HTMLElement, selector: string) {
      return selector === ":focus-visible" || Element.prototype.matches.call(this, selector);
    });
    expect([row(0).tabIndex, row(1).tabIndex]).toEqual([0, -1]);
    row(0).focus();
    key(row(0), "ArrowDown");
    expect(document.activeElement).toBe(row(1));
    expect(store.get("channel")).toBe(1);
    key(row(1), "End");
    key(row(2), "Enter");
    await vi.waitFor(() => expect(store.get("channels")).toEqual([2]));
    await vi.waitFor(() => expect(row(2).getAttribute("aria-label")).toBe("chroma b, −10.0 %, pinned"));
    key(root, "Escape");
    expect([store.get("channel"), store.get("channels")]).toEqual([null, [2]]);
    key(root, "Escape");
    expect(store.get("channels")).toEqual([]);
  });
});

describe("the kernel", () => {
  const waiting = ({ find }: { find: (selector: string) => HTMLElement }) => find(".ncut-waiting")?.textContent ?? "";

  it("says how far it is and can be told to stop and asked again; the last bars stay meanwhile", async () => {
    const view = await shown({ cluster: 1 });
    const { hold, choose, held, find, tell, order, answer, values, asked, button } = view;
    hold();
    choose("Method", "ablation");
    await vi.waitFor(() => expect(held).toHaveLength(1));
    tell({ kind: "progress", id: held[0]!.id, fraction: 0.25 });
    await vi.waitFor(() => expect(find<HTMLProgressElement>("progress")?.value).toBe(0.25));
    expect(order()).toEqual([0, 1, 2]);
    expect(find(".ncut-bars").getAttribute("aria-busy")).toBe("true");
    find(".ncut-task button").click();
    await vi.waitFor(() => expect(waiting(view)).toContain("Cancelled."));
    expect(asked.some(({ kind, id }) => kind === "cancel" && id === held[0]!.id)).toBe(true);
    button("Ask again").click();
    await vi.waitFor(() => expect(held).toHaveLength(2));
    answer(held[1]!);
    await vi.waitFor(() => expect(values()).toEqual(["+60.0", "+40.0", "0.0"]));
    expect(waiting(view)).toBe("");
  });

  it("drops what nobody waits for any more", async () => {
    const { hold, choose, held, asked, values } = await shown({ cluster: 1 });
    hold();
    choose("Method", "ablation");
    await vi.waitFor(() => expect(held).toHaveLength(1));
    choose("Method", "gradient");
    await vi.waitFor(() => expect(asked.some(({ kind, id }) => kind === "cancel" && id === held[0]!.id)).toBe(true));
    await vi.waitFor(() => expect(values()[0]).toBe("+60.0"));
  });

  it("says why it could not", async () => {
    const view = await shown({}, { lacks: ["attribution/gradient/clusters/2"], bars: false });
    await vi.waitFor(() => expect(waiting(view)).toContain("no attribution/gradient/clusters/2"));
  });

  it("measures the evidence when it is asked to", async () => {
    const { button, find, questions, store, named } = await shown({ cluster: 0 });
    expect(questions()).toEqual(["attribution/gradient/clusters/2"]);
    button("Show the evidence").click();
    await vi.waitFor(() => expect(find("figure.ncut-evidence")).not.toBeNull());
    expect(questions()).toContain("evidence/gradient/clusters/2/0");
    expect([...find(".ncut-evidence svg").querySelectorAll("polyline")].map(({ dataset }) => dataset.line)).toEqual(["top", "random", "bottom"]);
    expect(find("figcaption:last-child").textContent).toBe("toprandombottomarea 0.188");
    store.set("cluster", 1);
    await vi.waitFor(() => expect(button("Show the evidence")).toBeDefined());
    store.set("cluster", 0);
    await vi.waitFor(() => expect(named("Hide the evidence")).not.toBeNull());
    named("Hide the evidence").click();
    await vi.waitFor(() => expect(find("figure.ncut-evidence")).toBeNull());
    button("Show the evidence").click();
    await vi.waitFor(() => expect(find("figure.ncut-evidence")).not.toBeNull());
    expect(questions().filter((name) => name.startsWith("evidence"))).toHaveLength(1);
  });
});

describe("a file without a kernel", () => {
  it("offers what is in it", async () => {
    const { named, button, values, find } = await shown({ ...IN_FILE, cluster: 1, selection: [3], objects: [CUP] });
    expect(values()).toEqual(["+60.0", "+30.0", "−10.0"]);
    expect([...named("Target").querySelectorAll("option")].map(({ textContent }) => textContent)).toEqual(["Cluster 0", "Cluster 1"]);
    expect(named<HTMLSelectElement>("Method").disabled).toBe(true);
    expect(button("Show the evidence").disabled).toBe(true);
    expect(find("[role=alert]")).toBeNull();
  });

  it("says where bars are missing", async () => {
    const { root, store, values } = await shown({ ...IN_FILE, cluster: 1 }, { lacks: ["attribution/gradient/clusters/4"] });
    store.set("n_clusters", 4);
    await vi.waitFor(() => expect(root.textContent).toContain("What made Cluster 1 is not in this file."));
    store.set("n_clusters", 2);
    await vi.waitFor(() => expect(values()[0]).toBe("+60.0"));
    expect(root.querySelector("[role=alert]")).toBeNull();
  });

  it("marks a bar whose map is missing, and shows it nowhere", async () => {
    const { row, enter, store, root } = await shown({ ...IN_FILE, cluster: 1 }, { lacks: ["channel_map/1", "channel_ranges"] });
    enter(row(1));
    await vi.waitFor(() => expect(row(1).getAttribute("aria-label")).toContain("not in this file"));
    expect(store.get("channel")).toBeNull();
    row(1).click();
    enter(row(0));
    await vi.waitFor(() => expect(store.get("channel")).toBe(0));
    expect(store.get("channels")).toEqual([]);
    expect(root.querySelector("[role=alert]")).toBeNull();
  });
});
