import { signal } from "@preact/signals";
import { render } from "preact";
import { afterEach, expect, test, vi } from "vitest";
import { ColoringStatus } from "./coloring.tsx";
import type { Coloring, Kernel } from "./types.ts";

afterEach(() => { document.body.replaceChildren(); });

function show(coloring: Coloring, parent: HTMLElement = document.body) {
  const root = document.createElement("div");
  root.dataset.ncutView = "a";
  parent.append(root);
  const state = { coloring: signal(coloring) };
  const kernel = signal<Kernel>("connected");
  render(<ColoringStatus root={root} state={state as never} kernel={kernel} />, root);
  return { root, state, kernel };
}

const RUNNING: Coloring = { method: "tsne", status: "running", error: null };
const FAILED: Coloring = { method: "umap", status: "failed", error: "MemoryError: no room" };

test("shows which colors are computed until they are ready", async () => {
  const { root, state } = show(RUNNING);
  expect(root.querySelector("[role=status]")!.textContent).toBe("Computing t-SNE colors…");
  state.coloring.value = { ...RUNNING, status: "ready" };
  await vi.waitFor(() => expect(root.textContent).toBe(""));
});

test("shows a failure until it is dismissed or retried", async () => {
  const { root, state } = show(FAILED);
  expect(root.querySelector("[role=alert]")!.textContent).toContain("Could not compute UMAP colors: MemoryError: no room");
  root.querySelector("button")!.click();
  await vi.waitFor(() => expect(root.textContent).toBe(""));
  state.coloring.value = { ...FAILED };
  await vi.waitFor(() => expect(root.querySelector("[role=alert]")).not.toBeNull());
});

test("is shown once for nested views", () => {
  const { root } = show(RUNNING);
  expect(show(RUNNING, root).root.textContent).toBe("");
});

test("shows nothing without a kernel", async () => {
  const { root, kernel } = show(RUNNING);
  kernel.value = "none";
  await vi.waitFor(() => expect(root.textContent).toBe(""));
});
