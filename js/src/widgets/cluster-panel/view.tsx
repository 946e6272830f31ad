/** Images cut into clusters, a legend to name, hide and merge them, and a patch's region at different levels. */
import { useMemo } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { createTilePainter } from "../../shared/images/draw.ts";
import { Images, leaveZoom, pointFromEvent } from "../../shared/images/images.tsx";
import { imagesState } from "../../shared/images/state.ts";
import { Bar } from "./bar.tsx";
import { Borders } from "./borders.tsx";
import { clusterKey, stopEditing } from "./keys.ts";
import { Legend } from "./legend.tsx";
import { Levels } from "./levels.tsx";
import { panelState } from "./state.ts";

/** Keys that do not count as using the panel. */
const PASSING = ["Tab", "Shift", "Control", "Alt", "Meta", "Escape"];

export function ClusterPanel(view: ViewContext) {
  const { state, store, root, signal } = view;
  const [ui, panel, tiles] = useMemo(() => {
    const ui = imagesState(view);
    const panel = panelState(view, ui);
    const masks = () => state.layer.peek() === "masks" && panel.createdMask.peek() !== null;
    const tiles = createTilePainter(view, ui, {
      dependsOn: ["meta", "source", "objects"],
      colors: () => (masks() ? store.maskColors() : (panel.painted.peek() ?? panel.first.then(() => panel.painted.peek()))),
      name: () => (masks() ? "masks" : "clusters"),
    });
    view.effect(() => {
      void [panel.painted.value, panel.createdMask.value];
      tiles.request();
    });
    const activate = (event: Event) => {
      if (!(event instanceof KeyboardEvent && PASSING.includes(event.key))) panel.activate();
    };
    root.addEventListener("pointerdown", activate, { signal, capture: true });
    root.addEventListener("keydown", activate, { signal, capture: true });
    return [ui, panel, tiles] as const;
  }, []);
  view.escape(() => {
    if (panel.editing.peek() !== null) stopEditing(view, panel);
    else if (ui.zoomed.peek() !== null) leaveZoom(view, ui);
    else if (panel.selected.peek() !== null) store.set("selected_cluster", null);
    else if (panel.marks.peek().length) panel.unmark();
    else if (state.selection.peek().length) store.unpin();
    else if (state.hover.peek() !== null) store.set("hover", null);
    else return false;
    return true;
  });
  const clusterAt = (node: number | null) => (node === null ? null : (panel.clusters.peek()?.labels[node] ?? null));

  return (
    <>
      <Bar {...{ view, ui, panel }} />
      <div class="ncut-clusters">
        <Images
          {...{ view, ui, tiles }}
          label={
            `${state.meta.value.images.length} images in ${state.n_clusters.value} clusters. Arrow keys move between ` +
            "patches, Page Up and Page Down between images, Enter selects the cluster of a patch, H hides it, S shows only it, " +
            "M creates a mask from it, Z enlarges an image."
          }
          marks={(image) => <Borders key={image} {...{ image, view, ui, panel }} />}
          onKey={(event, node) => {
            const id = clusterAt(node);
            if (id === null || event.ctrlKey || event.metaKey || event.altKey) return false;
            if ((event.target as Element).matches("button")) return false;
            return clusterKey(event, id, panel);
          }}
          on={{
            onClick: (event: MouseEvent) => {
              const node = pointFromEvent(event, view, ui)?.node ?? null;
              const id = clusterAt(node);
              if (id === null) return;
              // Touch input does not hover.
              panel.patch.value = node;
              panel.choose(id, event);
            },
          }}
        />
        <Legend {...{ view, panel }} />
      </div>
      <Levels {...{ view, ui, panel }} />
    </>
  );
}
