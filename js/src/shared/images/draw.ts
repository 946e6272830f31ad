/** Paints the overlays of visible images: one canvas pixel per patch, or a raster that the view provides. */
import type { ViewContext } from "../context.ts";
import { errorMessage } from "../errors.ts";
import type { PatchGrid } from "../geometry.ts";
import type { Raster, SessionState } from "../types.ts";
import type { ImagesState } from "./state.ts";

/** The overlay of a view. */
export interface Overlay {
  /** State that the overlay depends on; a change repaints the tiles. */
  dependsOn: readonly (keyof SessionState)[];
  /** (4 n) RGBA of all nodes, or null for no overlay. */
  colors(): Uint8ClampedArray | null | Promise<Uint8ClampedArray | null>;
  /** Pixels for an image, in place of its patches. */
  raster?(image: number): Raster | null;
  /** Name of the displayed overlay, for `data-shows`. */
  name(): string;
}

export interface TilePainter {
  /** Paint the canvas until the returned function is called. */
  mount(image: number, canvas: HTMLCanvasElement): () => void;
  loaded(image: number): void;
  /** Repaint in the next frame. */
  request(): void;
}

/** Repaints the visible tiles at most once per frame, when something they depend on has changed. */
export function createTilePainter(view: ViewContext, ui: ImagesState, overlay: Overlay): TilePainter {
  const { state, store } = view;
  const canvases = new Map<number, HTMLCanvasElement>();
  /** Images that have not loaded, and overlays that have not been painted. */
  const loading = new Set<number>();
  const unpainted = new Set<number>();
  let frame = 0;
  let latest = 0;
  /** What the painted tiles show, so that a tile that scrolls into view does not repaint the others. */
  let shown: { colors: Uint8ClampedArray | null; grid: PatchGrid; source: string } | null = null;
  const rasters = new WeakMap<HTMLCanvasElement, Uint8ClampedArray>();

  const signalReady = () => { if (canvases.size && !loading.size && !unpainted.size) view.ready(); };

  const draw = async () => {
    frame = 0;
    const drawId = ++latest;
    // The view is hidden, for example behind another tab.
    if (!canvases.size) return;
    try {
      const result = overlay.colors();
      const colors = result instanceof Promise ? await result : result;
      // A newer change may have arrived while this one waited for an array.
      if (drawId !== latest || view.signal.aborted || !canvases.size) return;
      const current = { colors, grid: ui.grid.peek(), source: state.source.peek() };
      const same = shown?.colors === colors && shown.grid === current.grid && shown.source === current.source;
      for (const [image, canvas] of canvases) {
        const raster = overlay.raster?.(image) ?? null;
        if (raster) paintRaster(canvas, raster);
        else if (!same || unpainted.has(image) || rasters.has(canvas)) paintPatches(canvas, image, current);
      }
      shown = current;
      unpainted.clear();
      view.root.dataset.shows = overlay.name();
      signalReady();
    } catch (error) {
      view.error.value = errorMessage(error);
    }
  };
  const paintPatches = (canvas: HTMLCanvasElement, image: number, { colors, grid, source }: NonNullable<typeof shown>) => {
    rasters.delete(canvas);
    const index = grid.find(image, source);
    if (index < 0 || !colors) {
      canvas.getContext("2d")!.clearRect(0, 0, canvas.width, canvas.height);
      return;
    }
    const { rows: height, columns: width } = grid.maps[index]!;
    putPixels(canvas, { data: colors.subarray(grid.offsets[index]! * 4, grid.offsets[index + 1]! * 4), width, height });
  };
  const paintRaster = (canvas: HTMLCanvasElement, raster: Raster) => {
    if (rasters.get(canvas) === raster.data) return;
    rasters.set(canvas, raster.data);
    putPixels(canvas, raster);
  };
  const request = () => { frame ||= requestAnimationFrame(() => void draw()); };

  view.effect(() => {
    for (const key of overlay.dependsOn) void state[key].value;
    request();
  });
  // Masks may also arrive from the kernel.
  store.onTasks(request, view.signal);
  view.signal.addEventListener("abort", () => cancelAnimationFrame(frame));
  // Prefetch the eigenvectors, so that hover and clicks respond immediately.
  view.effect(() => {
    void state.meta.value;
    store.prepare().then(request, (error) => { view.error.value = errorMessage(error); });
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
      signalReady();
    },
    request,
  };
}

function putPixels(canvas: HTMLCanvasElement, { data, width, height }: Raster): void {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pixels = new ImageData(data as Uint8ClampedArray<ArrayBuffer>, width, height);
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
}
