/** Better colours are on their way, or could not be had: said once on the page, wherever several views of it stand together. */
import { useSignal } from "@preact/signals";
import type { ViewContext } from "./view.tsx";

const NAMES: Record<string, string> = {
  tsne: "t-SNE", umap: "UMAP", umap_sphere: "UMAP on the sphere", pca: "principal axes", mspace: "M-space",
};

export function ColoringNote({ root, state }: Pick<ViewContext, "root" | "state">) {
  const dismissed = useSignal<unknown>(null);
  const coloring = state.coloring.value;
  // The explorer speaks for the views in it.
  if (coloring.status === "ready" || root.parentElement?.closest("[data-ncut-view]")) return null;
  const name = NAMES[coloring.method!] ?? coloring.method;
  if (coloring.status === "running") return <div class="ncut-coloring" role="status">Colouring by {name}…</div>;
  if (dismissed.value === coloring) return null;
  return (
    <div class="ncut-error" role="alert">
      <span>No colours by {name}: {coloring.error}</span>
      <button type="button" aria-label="Dismiss" onClick={() => { dismissed.value = coloring; }}>×</button>
    </div>
  );
}
