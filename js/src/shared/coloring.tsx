/** Better colours are on their way, or could not be had: said once on the page, wherever several views of it stand together. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { Kernel } from "./types.ts";
import type { ViewContext } from "./view.tsx";

const NAMES: Record<string, string> = {
  tsne: "t-SNE", umap: "UMAP", umap_sphere: "UMAP on the sphere", pca: "principal axes", mspace: "M-space",
};

interface Props extends Pick<ViewContext, "root" | "state"> {
  kernel: ReadonlySignal<Kernel>;
}

export function ColoringStatus({ root, state, kernel }: Props) {
  const dismissed = useSignal<unknown>(null);
  const coloring = state.coloring.value;
  // A saved page keeps the status at the time of saving, but without a kernel nothing is computed.
  if (kernel.value === "none") return null;
  if (coloring.status === "ready" || root.parentElement?.closest("[data-ncut-view]")) return null;
  const name = NAMES[coloring.method!] ?? coloring.method;
  if (coloring.status === "running") return <div class="ncut-status" role="status">Colouring by {name}…</div>;
  if (dismissed.value === coloring) return null;
  return (
    <div class="ncut-error" role="alert">
      <span>No colours by {name}: {coloring.error}</span>
      <button type="button" aria-label="Dismiss" onClick={() => { dismissed.value = coloring; }}>×</button>
    </div>
  );
}
