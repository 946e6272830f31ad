/** Status of the color computation in Python: running or failed. The explorer shows it once for all of its views. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { ViewContext } from "./context.ts";
import type { Kernel } from "./types.ts";

const NAMES: Record<string, string> = {
  tsne: "t-SNE", umap: "UMAP", umap_sphere: "spherical UMAP", pca: "PCA", mspace: "M-space",
};

interface Props extends Pick<ViewContext, "root" | "state"> {
  kernel: ReadonlySignal<Kernel>;
}

export function ColoringStatus({ root, state, kernel }: Props) {
  const dismissed = useSignal<unknown>(null);
  const coloring = state.recolor_status.value;
  // A saved page keeps the status at the time of saving, but without a kernel nothing is computed.
  if (kernel.value === "none") return null;
  if (coloring.status === "ready" || root.parentElement?.closest("[data-ncut-view]")) return null;
  const name = NAMES[coloring.method!] ?? coloring.method;
  if (coloring.status === "running") return <div class="ncut-status" role="status">Computing {name} colors…</div>;
  if (dismissed.value === coloring) return null;
  return (
    <div class="ncut-error" role="alert">
      <span>Could not compute {name} colors: {coloring.error}</span>
      <button type="button" aria-label="Dismiss" onClick={() => { dismissed.value = coloring; }}>×</button>
    </div>
  );
}
