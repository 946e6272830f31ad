/** What a view status of its kernel, and how it looks without one. */
import type { ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { STILL } from "./stills.ts";
import type { Kernel, KernelConnection } from "./types.ts";

interface Manager {
  get_model?(id: string): Promise<Partial<KernelConnection>>;
}

/** What ipywidgets knows of the connection of a model; null in other hosts, which do not tell. */
export async function findConnection({ widget_manager: manager }: { widget_manager?: Manager }, reference: string): Promise<KernelConnection | null> {
  const found = await manager?.get_model?.(reference.replace(/^anywidget:/, "")).catch(() => null);
  return typeof found?.comm_live === "boolean" ? (found as KernelConnection) : null;
}

interface Props {
  root: HTMLElement;
  kernel: ReadonlySignal<Kernel>;
  children: ComponentChildren;
}

/** A view, in which nothing can be pressed while there is no kernel. Of views in one another the outermost one status so. */
export function Content({ root, kernel, children }: Props) {
  const status = root.parentElement?.closest("[data-ncut-view]") ? null : kernel.value;
  root.dataset.kernel = kernel.value;
  return (
    <>
      {status === "none" && <p class="ncut-no-kernel" role="alert">{noKernelMessage(root)}</p>}
      <div class="ncut-content" inert={kernel.value === "none"}>{children}</div>
      {status === "waiting" && <div class="ncut-status" role="status">Waiting for the kernel…</div>}
    </>
  );
}

function noKernelMessage(root: HTMLElement): string {
  const text = "No kernel answers, so this view cannot respond. Open the notebook and run its cell to use it.";
  const isEmpty = root.dataset.ready === undefined;
  return isEmpty && root.dataset.ncutView === "explorer" && hasStill(root) ? `${text} Below is a still image of it.` : text;
}

/** Whether the nearest still is that of this explorer: an output area may hold several. */
function hasStill(root: HTMLElement): boolean {
  let around = root.parentElement;
  while (around && !around.querySelector(STILL)) around = around.parentElement;
  return around?.querySelectorAll("[data-ncut-view=explorer]").length === 1;
}
