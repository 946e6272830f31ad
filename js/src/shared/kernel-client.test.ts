import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { OutdatedError } from "./errors.ts";
import { KernelClient } from "./kernel-client.ts";

interface Sent {
  signal: AbortSignal;
  resolve(value: string): void;
  reject(error: unknown): void;
}

/** A client whose requests are settled by the test. */
function setUp(cacheSize = 8) {
  const sent: (Sent & { key: string })[] = [];
  const onSettled = vi.fn();
  const onFailure = vi.fn();
  const lifetime = new AbortController();
  const client = new KernelClient<string>({ cacheSize, signal: lifetime.signal, onSettled, onFailure });
  const request = (key: string) => ({
    key,
    send: (signal: AbortSignal) => new Promise<string>((resolve, reject) => { sent.push({ key, signal, resolve, reject }); }),
  });
  const settle = async (act: () => void) => {
    act();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { client, request, sent, onSettled, onFailure, lifetime, settle };
}

const debounced = () => vi.advanceTimersByTimeAsync(1000);

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

it("sends only the latest request of a slot, once it rests", async () => {
  const { client, request, sent } = setUp();
  for (const key of ["a", "b", "c"]) client.want("slot", request(key));
  expect(sent).toEqual([]);
  await debounced();
  expect(sent.map(({ key }) => key)).toEqual(["c"]);
});

it("sends immediately without debouncing", () => {
  const { client, request, sent } = setUp();
  client.want("slot", request("a"), { debounce: false });
  expect(sent).toHaveLength(1);
});

it("returns a cached result without another request", async () => {
  const { client, request, sent, settle, onSettled } = setUp();
  client.want("slot", request("a"));
  await debounced();
  await settle(() => sent[0]!.resolve("result"));
  client.want("slot", null);
  client.want("slot", request("a"));
  await debounced();
  expect(client.get("a")).toEqual({ status: "ready", value: "result" });
  expect(sent).toHaveLength(1);
  expect(onSettled).toHaveBeenCalledOnce();
});

it("cancels a shared request only when no slot wants it", async () => {
  const { client, request, sent } = setUp();
  client.want("first", request("a"));
  client.want("second", request("a"));
  await debounced();
  expect(sent).toHaveLength(1);
  client.want("first", request("b"));
  expect(sent[0]!.signal.aborted).toBe(false);
  client.want("second", null);
  expect(sent[0]!.signal.aborted).toBe(true);
  expect(client.get("a")).toBeUndefined();
});

it("repeats a failure only on retry, or after another request", async () => {
  const { client, request, sent, settle, onFailure } = setUp();
  client.want("slot", request("a"));
  await debounced();
  await settle(() => sent[0]!.reject(new Error("no memory")));
  expect(onFailure).toHaveBeenLastCalledWith({ slot: "slot", outcome: { status: "failed", message: "no memory" } });
  client.want("slot", request("a"));
  await debounced();
  expect(sent).toHaveLength(1);
  client.retry("slot", request("a"));
  expect(onFailure).toHaveBeenLastCalledWith(null);
  await debounced();
  await settle(() => sent[1]!.reject(new DOMException("cancelled", "AbortError")));
  expect(client.get("a")).toEqual({ status: "cancelled" });
  client.want("slot", request("b"));
  client.want("slot", request("a"));
  await debounced();
  expect(sent.map(({ key }) => key)).toEqual(["a", "a", "a"]);
});

it("retries for one slot without releasing another", async () => {
  const { client, request, sent, settle } = setUp();
  client.want("first", request("a"));
  client.want("second", request("a"));
  await debounced();
  await settle(() => sent[0]!.reject(new Error("no memory")));
  client.retry("first", request("a"));
  await debounced();
  client.want("first", null);
  expect(sent[1]!.signal.aborted).toBe(false);
});

it("requests outdated results again", async () => {
  const { client, request, sent, settle, onFailure } = setUp();
  client.want("slot", request("a"));
  await debounced();
  await settle(() => sent[0]!.reject(new OutdatedError("replaced")));
  expect(onFailure).not.toHaveBeenCalled();
  expect(client.want("slot", request("a"))).toBe(true);
  await debounced();
  expect(sent).toHaveLength(2);
});

it("evicts the oldest results that no slot wants", async () => {
  const { client, request, sent, settle } = setUp(2);
  client.want("kept", request("a"));
  for (const key of ["b", "c", "d"]) {
    client.want("slot", request(key));
    await debounced();
    for (const one of sent) await settle(() => one.resolve(one.key));
  }
  expect(["a", "b", "c", "d"].filter((key) => client.get(key))).toEqual(["a", "d"]);
});

it("cancels everything when its signal aborts", async () => {
  const { client, request, sent, lifetime, onSettled } = setUp();
  client.want("sent", request("a"));
  await debounced();
  client.want("debounced", request("b"));
  lifetime.abort();
  await debounced();
  expect(sent.map(({ key, signal }) => [key, signal.aborted])).toEqual([["a", true]]);
  expect(onSettled).not.toHaveBeenCalled();
});
