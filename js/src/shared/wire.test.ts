import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LocalModel } from "../standalone/model.ts";
import type { KernelConnection, SessionModel } from "./types.ts";
import { NO_KERNEL, REPLY_TIMEOUT_MS, Wire } from "./wire.ts";

const REPLY = { kind: "reply", ok: true, part: 0, parts: 1, dtype: "uint8", shape: [1] };
const BYTES = [new DataView(Uint8Array.of(7).buffer)];

/** A fake ipywidgets connection. */
function fakeConnection(comm_live: boolean) {
  const events = new EventTarget();
  const connection = {
    comm_live,
    on: (name: string, run: () => void) => events.addEventListener(name, run),
    off: (name: string, run: () => void) => events.removeEventListener(name, run),
  };
  const setLive = (live: boolean) => {
    connection.comm_live = live;
    events.dispatchEvent(new Event("comm_live_update"));
  };
  return { connection: connection as KernelConnection, setLive };
}

/** A wire to a kernel that replies when the test says so. */
function wire() {
  const local = new LocalModel({ meta: { version: 1, embedding: 0 } });
  const received: { id: string; kind: string; name?: string }[] = [];
  let reply: (content: unknown, buffers: DataView[]) => void = () => undefined;
  local.answer = (message, back) => {
    received.push(message as never);
    reply = back;
  };
  const states: string[] = [];
  const lifetime = new AbortController();
  const made = new Wire(local.proxy<SessionModel>(), lifetime.signal, () => states.push(made.kernel));
  return { made, received, states, lifetime, local, answer: (at: number) => reply({ ...REPLY, id: received[at]!.id }, BYTES), tell: (m: object) => reply(m, []) };
}

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });
const pass = (share: number) => vi.advanceTimersByTimeAsync(share * REPLY_TIMEOUT_MS);

it("reports a missing kernel within 5 s and accepts a late reply", async () => {
  const { made, states, answer } = wire();
  const array = made.array("rgb");
  await pass(0.9);
  expect(states).toEqual([]);
  await pass(0.2);
  expect(1.1 * REPLY_TIMEOUT_MS).toBeLessThan(5000);
  expect(states).toEqual(["none"]);
  await pass(10);
  answer(0);
  expect([...(await array).data]).toEqual([7]);
  expect(states).toEqual(["none", "connected"]);
});

it.each<[string, (made: ReturnType<typeof wire>) => void]>([
  ["with a connection", ({ made }) => made.connect(fakeConnection(true).connection)],
  ["that has replied before", ({ made, answer }) => {
    void made.array("coords");
    answer(0);
  }],
])("waits for a busy kernel %s", async (_, before) => {
  const made = wire();
  before(made);
  const array = made.made.array("rgb");
  await pass(100);
  expect(made.states).toEqual(["waiting"]);
  made.answer(made.received.length - 1);
  expect([...(await array).data]).toEqual([7]);
  expect(made.states).toEqual(["waiting", "connected"]);
});

it("restarts the timeout after each message", async () => {
  const { made, states, received, answer, tell } = wire();
  const task = made.request("labels", null, {});
  const array = made.array("rgb");
  for (let i = 0; i < 5; i++) {
    await pass(0.8);
    tell({ kind: "progress", id: received[0]!.id, fraction: i / 5 });
  }
  expect(states).toEqual([]);
  answer(1);
  await array;
  // Tasks have no timeout.
  await pass(10);
  expect(states).toEqual([]);
  answer(0);
  await task;
});

it.each<[string, (connection: ReturnType<typeof fakeConnection>) => void]>([
  ["not connected", () => undefined],
  ["restarted", ({ setLive }) => setLive(false)],
])("detects a lost kernel immediately: %s", async (what, lose) => {
  const { made, states, received, answer } = wire();
  const task = made.request("export", null, {});
  const connection = fakeConnection(what === "restarted");
  made.connect(connection.connection);
  lose(connection);
  expect(states).toEqual(["none"]);
  await expect(task).rejects.toThrow(NO_KERNEL);
  await expect(made.request("export", null, {})).rejects.toThrow(NO_KERNEL);
  const array = made.array("rgb");
  await pass(2);
  expect(states).toEqual(["none"]);
  expect(received).toHaveLength(1);
  connection.setLive(true);
  expect(states).toEqual(["none", "connected"]);
  answer(1);
  expect([...(await array).data]).toEqual([7]);
});

it("treats a failed send as a lost kernel", async () => {
  const { made, states, local, tell } = wire();
  const task = made.request("export", null, {});
  local.answer = () => { throw new Error("Cannot send"); };
  void made.array("rgb");
  expect(states).toEqual(["none"]);
  await expect(task).rejects.toThrow(NO_KERNEL);
  // A kernel that replies is connected.
  tell({ kind: "reply", id: "of another page", ok: true });
  expect(states).toEqual(["none", "connected"]);
});

it("reports nothing after the session is closed", async () => {
  const { made, states, lifetime } = wire();
  void made.array("rgb");
  const { connection, setLive } = fakeConnection(true);
  made.connect(connection);
  lifetime.abort();
  setLive(false);
  await pass(10);
  expect(states).toEqual([]);
});
