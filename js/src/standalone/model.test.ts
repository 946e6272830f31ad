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
  const heard = vi.fn();
  model.on("change:hover", heard);
  model.set("hover", 3);
  model.set("hover", 3);
  expect(model.get("hover")).toBe(3);
  expect(heard).toHaveBeenCalledTimes(1);
  model.off("change:hover", heard);
  model.set("hover", 4);
  expect(heard).toHaveBeenCalledTimes(1);
});

it("passes messages to `answer` and replies to listeners", () => {
  const model = new LocalModel({});
  model.answer = (message, reply) => reply({ echo: message }, []);
  const heard = vi.fn();
  const proxy = model.proxy<Proxy>();
  proxy.on("msg:custom", heard);
  proxy.send("hello");
  expect(heard).toHaveBeenCalledWith({ echo: "hello" }, []);
});
