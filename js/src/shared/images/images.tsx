/** A justified grid of images with overlays; one image can be enlarged. Shared by all image views. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import type { ViewContext } from "../context.ts";
import type { TilePainter } from "./draw.ts";
import { handleImageKey } from "./keyboard.ts";
import { GAP, type ImagesState } from "./state.ts";
import { ImageTile } from "./tile.tsx";

/** A point on an image in pixels of the original, and its node (null if the source does not cover the image). */
export interface ImagePoint {
  image: number;
  x: number;
  y: number;
  node: number | null;
}

interface Props {
  view: ViewContext;
  ui: ImagesState;
  tiles: TilePainter;
  /** Description of the images and keyboard controls for screen readers. */
  label: string;
  /** Marks drawn over an image in addition to its overlay. */
  marks?: (image: number) => ComponentChildren;
  /** Handles a key at the node reached by keyboard; returns whether it handled the key. */
  onKey: (event: KeyboardEvent, node: number | null) => boolean;
  /** Listeners on the image area: click, pointerdown and so on. Hover is handled here. */
  on: Record<string, (event: never) => void>;
  children?: ComponentChildren;
}

export function Images({ view, ui, tiles, label, marks, onKey, on, children }: Props) {
  const { state, store } = view;
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
    <div class="ncut-images" onKeyDown={(event) => handleImageKey(event, view, ui, onKey)}>
      <div
        class="ncut-tiles"
        ref={attach}
        tabIndex={0}
        role="application"
        aria-label={label}
        onScroll={(event) => { ui.scroll.value = event.currentTarget.scrollTop; }}
        onPointerMove={(event) => {
          const node = pointFromEvent(event, view, ui)?.node ?? null;
          // In the gap between two tiles keep the last patch, to avoid flicker.
          if (node !== null && event.pointerType !== "touch") store.set("hover", node);
        }}
        onPointerLeave={() => store.set("hover", null)}
        {...on}
      >
        <div class="ncut-canvas" style={{ height: `${ui.layout.value.height}px` }} hidden={enlarged !== null}>
          {!enlarged && ui.visible.value.map((tile) => (
            <ImageTile key={tile.image} {...{ tile, view, ui, tiles, marks }} />
          ))}
        </div>
        {enlarged && (
          <div class="ncut-canvas">
            <ImageTile key={enlarged.image} tile={enlarged} {...{ view, ui, tiles, marks }} />
          </div>
        )}
      </div>
      <div class="ncut-focus" />
      {enlarged && <EnlargedControls view={view} ui={ui} />}
      {children}
      <div class="ncut-hidden" aria-live="polite">{announcement(state, ui)}</div>
    </div>
  );
}

/** The point on the images of an event; null outside the images and on buttons. */
export function pointFromEvent(event: MouseEvent, { state }: ViewContext, ui: ImagesState): ImagePoint | null {
  const target = event.target as Element;
  const tile = target.closest<HTMLElement>("[data-image]");
  if (!tile || target.closest("button")) return null;
  const box = tile.getBoundingClientRect();
  return pointAtFraction(Number(tile.dataset.image), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height,
    { state }, ui);
}

/** The point at fractions of an image; null outside the image. */
export function pointAtFraction(
  image: number, right: number, down: number, { state }: Pick<ViewContext, "state">, ui: ImagesState,
): ImagePoint | null {
  if (!(right >= 0 && right < 1 && down >= 0 && down < 1)) return null;
  const { width, height } = state.meta.peek().images[image]!;
  const map = ui.grid.peek().find(image, state.source.peek());
  const node = map < 0 ? null : ui.grid.peek().nodeAt(map, right, down);
  return { image, x: right * width, y: down * height, node };
}

/** The pressed button disappears with the enlarged image, so the focus moves to the image area. */
export function leaveZoom({ root }: ViewContext, ui: ImagesState): void {
  ui.zoomed.value = null;
  root.querySelector<HTMLElement>(".ncut-tiles")?.focus();
}

function EnlargedControls({ view, ui }: { view: ViewContext; ui: ImagesState }) {
  const count = view.state.meta.value.images.length;
  const step = (by: number) => { ui.zoomed.value = (ui.zoomed.value! + by + count) % count; };
  return (
    <div class="ncut-enlarged">
      <button type="button" aria-label="Previous image" onClick={() => step(-1)}>‹</button>
      <button type="button" aria-label="Next image" onClick={() => step(1)}>›</button>
      <button type="button" aria-label="Back to all images" onClick={() => leaveZoom(view, ui)}>×</button>
    </div>
  );
}

/** Scroll to a node that was pinned in another view. */
function scrollToPinned({ state, root }: ViewContext, ui: ImagesState, area: HTMLElement): void {
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

function announcement(state: ViewContext["state"], ui: ImagesState): string {
  const node = state.hover.value;
  const patch = node === null ? null : ui.grid.value.locate(node);
  if (!patch) return "";
  return `${state.meta.value.images[patch.image]!.name}, row ${patch.row}, column ${patch.column}`;
}
