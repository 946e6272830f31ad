/** Every image with an overlay; hover shows what is alike everywhere, click pins it. */
import { useMemo } from "preact/hooks";
import type { PatchGrid } from "../../shared/geometry.ts";
import { type ViewContext, message } from "../../shared/view.tsx";
import { Bar } from "./bar.tsx";
import { keyboard } from "./keyboard.ts";
import { GAP, type GridState, gridState } from "./state.ts";
import { ImageTile, type Tiles } from "./tile.tsx";

export function ImageGrid(view: ViewContext) {
  const [ui, tiles] = useMemo(() => {
    const made = gridState(view);
    return [made, drawTiles(view, made)] as const;
  }, []);
  const { state, store } = view;
  view.escape(() => {
    if (ui.zoomed.peek() !== null) leaveZoom(view, ui);
    else if (state.selection.peek().length) store.unpin();
    else if (state.hover.peek() !== null) store.set("hover", null);
    else return false;
    return true;
  });

  /** The node under the pointer; null beside the images. */
  const nodeUnder = (event: MouseEvent): number | null => {
    const tile = (event.target as Element).closest<HTMLElement>("[data-image]");
    if (!tile || (event.target as Element).closest("button")) return null;
    const map = ui.grid.value.find(Number(tile.dataset.image), state.source.value);
    if (map < 0) return null;
    const box = tile.getBoundingClientRect();
    return ui.grid.value.nodeAt(map, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };

  const attach = useMemo(() => {
    let area: HTMLElement | null = null;
    const observer = new ResizeObserver(() => {
      if (area) ui.size.value = { width: area.clientWidth - 2 * GAP, height: area.clientHeight - 2 * GAP };
    });
    view.signal.addEventListener("abort", () => observer.disconnect());
    return (element: HTMLElement | null) => {
      if (!element || element === area) return;
      area = element;
      observer.observe(element);
      view.effect(() => scrollToPinned(view, ui, element));
    };
  }, []);

  const enlarged = ui.enlarged.value;
  return (
    <>
      <Bar view={view} ui={ui} />
      <div class="ncut-grid-body" onKeyDown={(event) => keyboard(event, view, ui)}>
        <div
          class="ncut-tiles"
          ref={attach}
          tabIndex={0}
          role="application"
          aria-label={
            `${state.meta.value.images.length} images. Arrow keys move from patch to patch, Page Up and Page Down ` +
            "from image to image, Enter pins the similarity of a patch, Escape lets go, Z enlarges an image."
          }
          onScroll={(event) => { ui.scroll.value = event.currentTarget.scrollTop; }}
          onPointerMove={(event) => {
            const node = nodeUnder(event);
            // Between two tiles the last patch stays, or crossing the gap would flash.
            if (node !== null && event.pointerType !== "touch") store.set("hover", node);
          }}
          onPointerLeave={() => store.set("hover", null)}
          onClick={(event) => {
            const node = nodeUnder(event);
            if (node !== null) store.pin(node, { toggle: event.shiftKey });
          }}
          onDblClick={(event) => {
            const tile = (event.target as Element).closest<HTMLElement>("[data-image]");
            if (!tile || enlarged) return;
            ui.zoomed.value = Number(tile.dataset.image);
            // The two clicks that made it were not meant to pin.
            store.unpin();
          }}
        >
          <div class="ncut-canvas" style={{ height: `${ui.layout.value.height}px` }} hidden={enlarged !== null}>
            {!enlarged && ui.visible.value.map((tile) => (
              <ImageTile key={tile.image} tile={tile} view={view} ui={ui} tiles={tiles} />
            ))}
          </div>
          {enlarged && (
            <div class="ncut-canvas">
              <ImageTile key={enlarged.image} tile={enlarged} view={view} ui={ui} tiles={tiles} />
            </div>
          )}
        </div>
        <div class="ncut-focus" />
        {enlarged && <Enlarged view={view} ui={ui} />}
      </div>
      <div class="ncut-hidden" aria-live="polite">{spoken(view, ui)}</div>
    </>
  );
}

/** The button that was pressed goes with the zoom, so the focus would be nowhere. */
function leaveZoom({ root }: ViewContext, ui: GridState): void {
  ui.zoomed.value = null;
  root.querySelector<HTMLElement>(".ncut-tiles")?.focus();
}

function Enlarged({ view, ui }: { view: ViewContext; ui: GridState }) {
  const count = view.state.meta.value.images.length;
  const turn = (by: number) => { ui.zoomed.value = (ui.zoomed.value! + by + count) % count; };
  return (
    <div class="ncut-enlarged">
      <button type="button" aria-label="Previous image" onClick={() => turn(-1)}>‹</button>
      <button type="button" aria-label="Next image" onClick={() => turn(1)}>›</button>
      <button type="button" aria-label="Back to all images" onClick={() => leaveZoom(view, ui)}>×</button>
    </div>
  );
}

/** Paints the overlays of the tiles on screen, at most once a frame, whenever something they show has changed. */
function drawTiles(view: ViewContext, ui: GridState): Tiles {
  const { state, store } = view;
  const canvases = new Map<number, HTMLCanvasElement>();
  /** Images whose picture, and whose overlay, is not there yet. */
  const loading = new Set<number>();
  const unpainted = new Set<number>();
  let frame = 0;
  let latest = 0;
  /** What the painted overlays show; a tile that comes into sight later needs no other to be painted again. */
  let shown: { colors: Uint8ClampedArray | null; grid: PatchGrid; source: string } | null = null;

  const announce = () => { if (canvases.size && !loading.size && !unpainted.size) view.ready(); };

  const draw = async () => {
    frame = 0;
    const turn = ++latest;
    try {
      const heat = store.heatColors(store.heatNodes());
      const colors = heat ?? (await store.paint());
      // A newer change may have come while this one was waiting for an array.
      if (turn !== latest || view.signal.aborted || !canvases.size) return;
      const now = { colors, grid: ui.grid.peek(), source: state.source.peek() };
      const same = shown?.colors === colors && shown.grid === now.grid && shown.source === now.source;
      for (const [image, canvas] of canvases) {
        if (!same || unpainted.has(image)) paintTile(canvas, image, now);
      }
      shown = now;
      unpainted.clear();
      view.root.dataset.shows = heat ? "heatmap" : state.layer.peek();
      announce();
    } catch (error) {
      view.error.value = message(error);
    }
  };
  const paintTile = (canvas: HTMLCanvasElement, image: number, { colors, grid, source }: NonNullable<typeof shown>) => {
    const index = grid.find(image, source);
    const context = canvas.getContext("2d")!;
    if (index < 0 || !colors) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      return;
    }
    const { rows, columns } = grid.maps[index]!;
    if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
    const part = colors.subarray(grid.offsets[index]! * 4, grid.offsets[index + 1]! * 4);
    context.putImageData(new ImageData(part as Uint8ClampedArray<ArrayBuffer>, columns, rows), 0, 0);
  };
  const request = () => { frame ||= requestAnimationFrame(() => void draw()); };

  view.effect(() => {
    for (const key of ["meta", "selection", "layer", "source", "eigenvector", "n_clusters", "hover_heatmap", "hover"] as const) {
      void state[key].value;
    }
    request();
  });
  view.signal.addEventListener("abort", () => cancelAnimationFrame(frame));
  // Hovering must answer at once, so the eigenvectors are on their way before anybody does.
  view.effect(() => {
    void state.meta.value;
    store.prepare().then(request, (error) => { view.error.value = message(error); });
  });

  return {
    mount(image, canvas) {
      canvases.set(image, canvas);
      loading.add(image);
      unpainted.add(image);
      request();
      return () => {
        if (canvases.get(image) !== canvas) return;
        for (const images of [canvases, loading, unpainted]) images.delete(image);
      };
    },
    loaded(image) {
      loading.delete(image);
      announce();
    },
  };
}

/** A node pinned in another view comes into sight here. */
function scrollToPinned({ state, root }: ViewContext, ui: GridState, area: HTMLElement): void {
  const node = state.selection.value.at(-1);
  if (node === undefined || root.matches(":hover")) return;
  const patch = ui.grid.peek().locate(node);
  const tile = patch && ui.layout.peek().tiles[patch.image];
  if (!tile) return;
  if (ui.zoomed.peek() !== null) {
    ui.zoomed.value = tile.image;
    return;
  }
  const above = tile.y < area.scrollTop;
  if (above || tile.y + tile.height > area.scrollTop + area.clientHeight) {
    area.scrollTo({ top: above ? tile.y : tile.y + tile.height + 2 * GAP - area.clientHeight });
  }
}

function spoken({ state }: ViewContext, ui: GridState): string {
  const node = state.hover.value;
  const patch = node === null ? null : ui.grid.value.locate(node);
  if (!patch) return "";
  return `${state.meta.value.images[patch.image]!.name}, row ${patch.row}, column ${patch.column}`;
}
