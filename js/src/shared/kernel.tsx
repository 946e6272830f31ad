/** The connection status of a view, and its appearance without a kernel. */
import type { ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { OUTER_VIEW, STILL } from "./stills.ts";
import type { Kernel, KernelConnection } from "./types.ts";

interface Manager {
  get_model?(id: string): Promise<Partial<KernelConnection>>;
}

/** The ipywidgets connection of a model, or null in hosts that do not expose one. */
export async function findConnection({ widget_manager: manager }: { widget_manager?: Manager }, reference: string): Promise<KernelConnection | null> {
  const found = await manager?.get_model?.(reference.replace(/^anywidget:/, "")).catch(() => null);
  return typeof found?.comm_live === "boolean" ? (found as KernelConnection) : null;
}

interface Props {
  root: HTMLElement;
  kernel: ReadonlySignal<Kernel>;
  children: ComponentChildren;
}

/** The content of a view, inert while there is no kernel. In nested views only the outermost one shows the status. */
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
  const text = "No kernel is connected, so this view is not interactive. Run the cell again to use it.";
  const isEmpty = root.dataset.ready === undefined;
  return isEmpty && hasStill(root) ? `${text} A static image is shown below.` : text;
}

/** Whether the closest static image belongs to this view: an output area may contain several views. */
function hasStill(root: HTMLElement): boolean {
  let around = root.parentElement;
  while (around && !around.querySelector(STILL)) around = around.parentElement;
  return around?.querySelectorAll(OUTER_VIEW).length === 1;
}
