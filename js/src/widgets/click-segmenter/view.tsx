/** Interactive segmentation: prompts on the images, objects and their settings next to them. */
import { useMemo } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { createTilePainter } from "../../shared/images/draw.ts";
import { Images, leaveZoom } from "../../shared/images/images.tsx";
import { imagesState } from "../../shared/images/state.ts";
import { Tasks } from "../../shared/tasks.tsx";
import { Bar } from "./bar.tsx";
import { attachGestures } from "./gestures.ts";
import { handlePatchKey, handleShortcut } from "./keys.ts";
import { endRename } from "./list.tsx";
import { Marks } from "./marks.tsx";
import { Panel } from "./panel.tsx";
import { segmenterState } from "./state.ts";

const LABEL =
  "Arrow keys move between patches, Page Up and Page Down between images. Enter adds a point to the active " +
  "object, Alt+Enter a negative point. Enter on a point selects it, Shift and arrow keys move it, Delete removes it. " +
  "N creates an object, Control+Z undoes, Z enlarges an image.";

/** Discard an unfinished rename; false if there is none. */
function cancelRename({ root, store }: ViewContext): boolean {
  const field = root.querySelector<HTMLInputElement>(".ncut-name:focus");
  if (!field) return false;
  field.value = store.get("objects")[Number(field.closest<HTMLElement>("[data-object]")!.dataset.object)]!.name;
  endRename(field);
  return true;
}

export function ClickSegmenter(view: ViewContext) {
  const { state, store } = view;
  const [ui, segmenter, tiles, gestures] = useMemo(() => {
    const images = imagesState(view);
    const segmenter = segmenterState(view);
    const overlay = createTilePainter(view, images, {
      dependsOn: ["meta", "objects", "source", "refine"],
      colors() {
        const colors = store.maskColors();
        segmenter.masks.value = store.masks();
        return colors;
      },
      raster(image) {
        const raster = state.meta.peek().abilities.includes("refine") ? store.refined(image) : null;
        segmenter.noteRefined(image, raster !== null);
        return raster;
      },
      name: () => "masks",
    });
    return [images, segmenter, overlay, attachGestures(view, images, segmenter)] as const;
  }, []);
  useMemo(() => {
    view.effect(() => {
      void state.objects.value;
      segmenter.steps.value = { ...store.history };
    });
    let lastMessage: string | null = null;
    store.onKernelError((message) => {
      if (message !== null || view.error.peek() === lastMessage) view.error.value = message;
      lastMessage = message;
    }, view.signal);
  }, []);
  view.escape(() => {
    if (gestures.cancel() || cancelRename(view)) return true;
    if (segmenter.selected.peek()) segmenter.select(null);
    else if (ui.zoomed.peek() !== null) leaveZoom(view, ui);
    else if (state.hover.peek() !== null) store.set("hover", null);
    else return false;
    return true;
  });

  return (
    <div class="ncut-segmenter" data-tool={segmenter.tool.value} data-sign={segmenter.positive.value ? "+" : "-"}
      onKeyDown={(event) => handleShortcut(event, segmenter)}>
      <div class="ncut-segmenter-images">
        <Bar {...{ view, ui, segmenter }} />
        <Images
          {...{ view, ui, tiles }}
          label={`${state.meta.value.images.length} images. ${LABEL}`}
          marks={(image) => <Marks key={image} {...{ image, view, ui, segmenter }} />}
          onKey={(event, node) => handlePatchKey(event, node, view, ui, segmenter)}
          on={gestures.on}
        >
          <Tasks {...view} />
        </Images>
      </div>
      <Panel {...{ view, ui, segmenter }} />
    </div>
  );
}
