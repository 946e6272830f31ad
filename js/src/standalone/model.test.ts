import { expect, it, vi } from "vitest";
import { LocalModel } from "./model.ts";

interface Proxy {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  on(name: string, listener: (...args: unknown[]) => void): void;
  off(name: string, listener: (...args: unknown[]) => void): void;
  send(message: unknown): void;
}

it("notifies listeners once per change, until they are removed", () => {
  const model = new LocalModel({ hover: null }).proxy<Proxy>();
  const listener = vi.fn();
  model.on("change:hover", listener);
  model.set("hover", 3);
  model.set("hover", 3);
  expect(model.get("hover")).toBe(3);
  expect(listener).toHaveBeenCalledTimes(1);
  model.off("change:hover", listener);
  model.set("hover", 4);
  expect(listener).toHaveBeenCalledTimes(1);
});

it("passes messages to `answer` and replies to listeners", () => {
  const model = new LocalModel({});
  model.answer = (message, reply) => reply({ echo: message }, []);
  const listener = vi.fn();
  const proxy = model.proxy<Proxy>();
  proxy.on("msg:custom", listener);
  proxy.send("hello");
  expect(listener).toHaveBeenCalledWith({ echo: "hello" }, []);
});
