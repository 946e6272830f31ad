/** One image with its overlay of one canvas pixel per patch, and rings around hovered and pinned patches. */
import { useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ViewContext } from "../context.ts";
import { errorMessage } from "../errors.ts";
import type { Tile } from "../geometry.ts";
import type { TilePainter } from "./draw.ts";
import type { ImagesState } from "./state.ts";

interface Props {
  tile: Tile;
  view: ViewContext;
  ui: ImagesState;
  tiles: TilePainter;
  /** Marks drawn over the image in addition to its overlay, in fractions of the tile. */
  marks?: ((image: number) => ComponentChildren) | undefined;
}

export function ImageTile({ tile, view, ui, tiles, marks }: Props) {
  const { state, store } = view;
  const canvas = useRef<HTMLCanvasElement>(null);
  const element = useRef<HTMLImageElement>(null);
  const { image } = tile;
  const { name } = state.meta.value.images[image]!;

  useEffect(() => tiles.mount(image, canvas.current!), [image]);
  useEffect(() => {
    let cancelled = false;
    store.image(image).then(
      (url) => { if (!cancelled && element.current) element.current.src = url; },
      (error) => { view.error.value = `${name}: ${errorMessage(error)}`; },
    );
    return () => { cancelled = true; };
  }, [image, state.meta.value.version]);

  return (
    <figure
      class="ncut-tile"
      data-image={image}
      style={{ left: `${tile.x}px`, top: `${tile.y}px`, width: `${tile.width}px`, height: `${tile.height}px` }}
    >
      <img ref={element} alt={name} draggable={false} onLoad={() => tiles.loaded(image)} />
      <canvas
        ref={canvas}
        aria-hidden="true"
        class={state.smooth.value ? "ncut-smooth" : undefined}
        style={{ opacity: state.blend.value }}
      />
      {marks?.(image)}
      <Rings image={image} view={view} ui={ui} />
      <figcaption>{name}</figcaption>
      {ui.zoomed.value === null && (
        <button
          type="button"
          class="ncut-zoom"
          tabIndex={-1}
          aria-label={`Enlarge ${name}`}
          title="Enlarge"
          onClick={() => { ui.zoomed.value = image; }}
        >
          ⤢
        </button>
      )}
    </figure>
  );
}

function Rings({ image, view: { state }, ui }: { image: number; view: ViewContext; ui: ImagesState }) {
  // Serialized, so that hovering another image does not rerender this tile.
  const here = useComputed(() => {
    const nodes: [number, boolean][] = state.selection.value.map((node) => [node, true]);
    if (state.hover.value !== null) nodes.push([state.hover.value, false]);
    const inside = nodes.filter(([node]) => {
      const patch = ui.grid.value.locate(node);
      return patch?.image === image;
    });
    return JSON.stringify(inside);
  });
  const nodes = JSON.parse(here.value) as [number, boolean][];
  return (
    <>
      {nodes.map(([node, pinned]) => {
        const box = ui.grid.value.box(ui.grid.value.locate(node)!);
        const percent = (value: number) => `${value * 100}%`;
        return (
          <div
            key={`${node} ${pinned}`}
            class={pinned ? "ncut-ring ncut-pinned" : "ncut-ring"}
            data-node={node}
            style={{ left: percent(box.left), top: percent(box.top), width: percent(box.width), height: percent(box.height) }}
          />
        );
      })}
    </>
  );
}
