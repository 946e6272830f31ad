import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LocalModel } from "../standalone/model.ts";
import type { Link, SessionModel } from "./types.ts";
import { NO_KERNEL, PATIENCE, Wire } from "./wire.ts";

const REPLY = { kind: "reply", ok: true, part: 0, parts: 1, dtype: "uint8", shape: [1] };
const BYTES = [new DataView(Uint8Array.of(7).buffer)];

/** What ipywidgets would tell of a connection. */
function linkOf(comm_live: boolean) {
  const events = new EventTarget();
  const link = {
    comm_live,
    on: (name: string, run: () => void) => events.addEventListener(name, run),
    off: (name: string, run: () => void) => events.removeEventListener(name, run),
  };
  const becomes = (live: boolean) => {
    link.comm_live = live;
    events.dispatchEvent(new Event("comm_live_update"));
  };
  return { link: link as Link, becomes };
}

/** A wire to a kernel that answers when it is told to. */
function wire() {
  const local = new LocalModel({ meta: { version: 1, embedding: 0 } });
  const asked: { id: string; kind: string; name?: string }[] = [];
  let reply: (content: unknown, buffers: DataView[]) => void = () => undefined;
  local.answer = (message, back) => {
    asked.push(message as never);
    reply = back;
  };
  const states: string[] = [];
  const gone = new AbortController();
  const made = new Wire(local.proxy<SessionModel>(), gone.signal, () => states.push(made.kernel));
  return { made, asked, states, gone, local, answer: (at: number) => reply({ ...REPLY, id: asked[at]!.id }, BYTES), tell: (m: object) => reply(m, []) };
}

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });
const pass = (share: number) => vi.advanceTimersByTimeAsync(share * PATIENCE);

it("says within 5 s that nobody answers, and takes an answer that comes late", async () => {
  const { made, states, answer } = wire();
  const array = made.array("rgb");
  await pass(0.9);
  expect(states).toEqual([]);
  await pass(0.2);
  expect(1.1 * PATIENCE).toBeLessThan(5000);
  expect(states).toEqual(["none"]);
  await pass(10);
  answer(0);
  expect([...(await array).data]).toEqual([7]);
  expect(states).toEqual(["none", "there"]);
});

it.each<[string, (made: ReturnType<typeof wire>) => void]>([
  ["that is connected", ({ made }) => made.connect(linkOf(true).link)],
  ["that answered before", ({ made, answer }) => {
    void made.array("coords");
    answer(0);
  }],
])("waits for a kernel %s, which may be busy", async (_, before) => {
  const made = wire();
  before(made);
  const array = made.made.array("rgb");
  await pass(100);
  expect(made.states).toEqual(["waiting"]);
  made.answer(made.asked.length - 1);
  expect([...(await array).data]).toEqual([7]);
  expect(made.states).toEqual(["waiting", "there"]);
});

it("waits anew after each part or sign of progress", async () => {
  const { made, states, asked, answer, tell } = wire();
  const task = made.request("labels", null, {});
  const array = made.array("rgb");
  for (let i = 0; i < 5; i++) {
    await pass(0.8);
    tell({ kind: "progress", id: asked[0]!.id, fraction: i / 5 });
  }
  expect(states).toEqual([]);
  answer(1);
  await array;
  // A task has its own place on the page, and may take as long as it takes.
  await pass(10);
  expect(states).toEqual([]);
  answer(0);
  await task;
});

it.each<[string, (link: ReturnType<typeof linkOf>) => void]>([
  ["there is none", () => undefined],
  ["it restarts", ({ becomes }) => becomes(false)],
])("knows at once of a kernel that is gone: %s", async (what, lose) => {
  const { made, states, asked, answer } = wire();
  const task = made.request("export", null, {});
  const link = linkOf(what === "it restarts");
  made.connect(link.link);
  lose(link);
  expect(states).toEqual(["none"]);
  await expect(task).rejects.toThrow(NO_KERNEL);
  await expect(made.request("export", null, {})).rejects.toThrow(NO_KERNEL);
  const array = made.array("rgb");
  await pass(2);
  expect(states).toEqual(["none"]);
  expect(asked).toHaveLength(1);
  link.becomes(true);
  expect(states).toEqual(["none", "there"]);
  answer(1);
  expect([...(await array).data]).toEqual([7]);
});

it("takes a message that cannot be sent for the end of the kernel", async () => {
  const { made, states, local, tell } = wire();
  const task = made.request("export", null, {});
  local.answer = () => { throw new Error("Cannot send"); };
  void made.array("rgb");
  expect(states).toEqual(["none"]);
  await expect(task).rejects.toThrow(NO_KERNEL);
  // A kernel that answers is connected.
  tell({ kind: "reply", id: "of another page", ok: true });
  expect(states).toEqual(["none", "there"]);
});

it("is quiet once the session is closed", async () => {
  const { made, states, gone } = wire();
  void made.array("rgb");
  const { link, becomes } = linkOf(true);
  made.connect(link);
  gone.abort();
  becomes(false);
  await pass(10);
  expect(states).toEqual([]);
});
