import { signal } from "@preact/signals";
import { render } from "preact";
import { afterEach, expect, test, vi } from "vitest";
import { ColoringStatus } from "./coloring.tsx";
import type { Kernel, RecolorStatus } from "./types.ts";

afterEach(() => { document.body.replaceChildren(); });

function show(status: RecolorStatus, parent: HTMLElement = document.body) {
  const root = document.createElement("div");
  root.dataset.ncutView = "a";
  parent.append(root);
  const state = { recolor_status: signal(status) };
  const kernel = signal<Kernel>("connected");
  render(<ColoringStatus root={root} state={state as never} kernel={kernel} />, root);
  return { root, state, kernel };
}

const RUNNING: RecolorStatus = { method: "tsne", status: "running", error: null };
const FAILED: RecolorStatus = { method: "umap", status: "failed", error: "MemoryError: no room" };

test("shows which colors are computed until they are ready", async () => {
  const { root, state } = show(RUNNING);
  expect(root.querySelector("[role=status]")!.textContent).toBe("Computing t-SNE colors…");
  state.recolor_status.value = { ...RUNNING, status: "ready" };
  await vi.waitFor(() => expect(root.textContent).toBe(""));
});

test("shows a failure until it is dismissed or retried", async () => {
  const { root, state } = show(FAILED);
  expect(root.querySelector("[role=alert]")!.textContent).toContain("Could not compute UMAP colors: MemoryError: no room");
  root.querySelector("button")!.click();
  await vi.waitFor(() => expect(root.textContent).toBe(""));
  state.recolor_status.value = { ...FAILED };
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
