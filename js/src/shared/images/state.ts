/** Display state of one image view: its size, tile layout, scroll position and enlarged image. */
import { computed, signal } from "@preact/signals";
import type { ViewContext } from "../context.ts";
import { PatchGrid, type Tile, justify } from "../geometry.ts";

export const GAP = 4;
export const ROW_HEIGHT = { min: 56, max: 640 };

export function imagesState({ state }: Pick<ViewContext, "state">) {
  const size = signal({ width: 0, height: 0 });
  const scroll = signal(0);
  const chosenHeight = signal<number | null>(null);
  const zoomed = signal<number | null>(null);

  const grid = computed(() => new PatchGrid(state.meta.value));
  const aspects = computed(() => state.meta.value.images.map((image) => image.width / image.height));
  /** Row height: chosen by the user, or the largest one at which all images fit, within limits. */
  const rowHeight = computed(() => {
    const { width, height } = size.value;
    return chosenHeight.value ?? fittingHeight(aspects.value, width, height);
  });
  const layout = computed(() => justify(aspects.value, size.value.width, rowHeight.value, GAP));

  /** The range of tiles on screen and half a screen around it; only these are rendered. */
  const first = computed(() => {
    const edge = scroll.value - size.value.height / 2;
    return layout.value.tiles.findIndex((tile) => tile.y + tile.height > edge);
  });
  const end = computed(() => {
    const edge = scroll.value + 1.5 * size.value.height;
    const below = layout.value.tiles.findIndex((tile) => tile.y >= edge);
    return below < 0 ? layout.value.tiles.length : below;
  });
  // Derived from two indices, so that scrolling within a row changes nothing.
  const visible = computed<Tile[]>(() => {
    const { width, height } = size.value;
    return width && height ? layout.value.tiles.slice(Math.max(0, first.value), end.value) : [];
  });
  /** The enlarged image as a single centered tile. */
  const enlarged = computed<Tile | null>(() => {
    const image = zoomed.value;
    if (image === null || image >= aspects.value.length) return null;
    const { width, height } = size.value;
    const aspect = aspects.value[image]!;
    const tileHeight = Math.max(1, Math.min(height, width / aspect));
    const tileWidth = tileHeight * aspect;
    return { image, x: (width - tileWidth) / 2, y: (height - tileHeight) / 2, width: tileWidth, height: tileHeight };
  });
  const shown = computed(() => (enlarged.value ? [enlarged.value] : visible.value));
  return { size, scroll, chosenHeight, zoomed, grid, rowHeight, layout, visible, enlarged, shown };
}

export type ImagesState = ReturnType<typeof imagesState>;

function fittingHeight(aspects: readonly number[], width: number, height: number): number {
  if (!width || !height || !aspects.length) return ROW_HEIGHT.min;
  let low = 88;
  let high = Math.min(ROW_HEIGHT.max, height);
  if (justify(aspects, width, low, GAP).height > height) return low;
  while (high - low > 1) {
    const middle = (low + high) / 2;
    if (justify(aspects, width, middle, GAP).height <= height) low = middle;
    else high = middle;
  }
  return low;
}
