/** A grid of images with overlays; hover shows similar patches, a click pins them. */
import { useMemo } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { createTilePainter } from "../../shared/images/draw.ts";
import { Images, leaveZoom, pointFromEvent } from "../../shared/images/images.tsx";
import { imagesState } from "../../shared/images/state.ts";
import { Bar } from "./bar.tsx";

export function ImageGrid(view: ViewContext) {
  const { state, store } = view;
  const [ui, tiles] = useMemo(() => {
    const ui = imagesState(view);
    return [ui, createTilePainter(view, ui, {
      dependsOn: [...store.painting, "meta", "selection", "source", "hover_heatmap", "hover"],
      colors: () => (state.hovered_channel.peek() === null && store.heatColors(store.heatNodes())) || store.paint(),
      name: () => {
        if (state.hovered_channel.peek() !== null) return "channels";
        return store.heat(store.heatNodes()) ? "heatmap" : state.layer.peek();
      },
    })] as const;
  }, []);
  view.escape(() => {
    if (ui.zoomed.peek() !== null) leaveZoom(view, ui);
    else if (state.selection.peek().length) store.unpin();
    else if (state.hover.peek() !== null) store.set("hover", null);
    else return false;
    return true;
  });

  return (
    <>
      <Bar view={view} ui={ui} />
      <Images
        {...{ view, ui, tiles }}
        label={
          `${state.meta.value.images.length} images. Arrow keys move between patches, Page Up and Page Down ` +
          "between images, Enter pins a patch, Escape unpins, Z enlarges an image."
        }
        onKey={(event, node) => {
          const pin = (event.key === "Enter" || event.key === " ") && !(event.target as Element).matches("button");
          if (!pin || node === null || event.ctrlKey || event.metaKey || event.altKey) return false;
          store.pin(node, { toggle: event.shiftKey });
          return true;
        }}
        on={{
          onClick: (event: MouseEvent) => {
            const node = pointFromEvent(event, view, ui)?.node ?? null;
            if (node !== null) store.pin(node, { toggle: event.shiftKey });
          },
          onDblClick: (event: MouseEvent) => {
            const tile = (event.target as Element).closest<HTMLElement>("[data-image]");
            if (!tile || ui.enlarged.peek()) return;
            ui.zoomed.value = Number(tile.dataset.image);
            // The two clicks of the double click have pinned the patch.
            store.unpin();
          },
        }}
      />
    </>
  );
}
