/** Thumbnails of one patch's region at different numbers of clusters; each one switches to its number. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { Hint } from "../../shared/controls.tsx";
import { errorMessage } from "../../shared/errors.ts";
import type { Patch } from "../../shared/geometry.ts";
import { borderPath } from "../../shared/images/borders.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import { Lines } from "./borders.tsx";
import { nameOf, regionOf, displayId } from "./clusters.ts";
import type { PanelState } from "./state.ts";

/** RGBA overlay outside the region. */
const DIM = [14, 17, 22, 176];

interface Props {
  view: ViewContext;
  ui: ImagesState;
  panel: PanelState;
}

export function Levels({ view, ui, panel }: Props) {
  const { state, store } = view;
  const node = panel.patch.value;
  const patch = node === null ? null : ui.grid.value.locate(node);
  const image = patch?.image ?? null;
  const [picture, setPicture] = useState<{ image: number; url: string } | null>(null);
  useEffect(() => {
    if (image === null) return undefined;
    let cancelled = false;
    store.image(image).then(
      (url) => { if (!cancelled) setPicture({ image, url }); },
      (error) => { view.error.value = errorMessage(error); },
    );
    return () => { cancelled = true; };
  }, [image, state.meta.value.version]);

  const counts = panel.shownLevels.value;
  const size = state.meta.value.images[image ?? 0]!;
  const style = { "--count": counts.length, "--aspect": size.width / size.height };
  return (
    <div class="ncut-strip ncut-levels" role="group" aria-label="Region of the last patch at different numbers of clusters" style={style}>
      {node !== null && patch && counts.map((count) => (
        <Level key={count} {...{ view, ui, panel, count, node, patch }} url={picture?.image === image ? picture.url : null} />
      ))}
      <p>
        {patch === null
          ? <Hint mouse={`Hover a patch to see its region at ${list(counts)} clusters`} touch={`Tap a patch to see its region at ${list(counts)} clusters`} />
          : "Region of this patch at different numbers of clusters"}
      </p>
    </div>
  );
}

function Level({ view, ui, panel, count, node, patch, url }: Props & { count: number; node: number; patch: Patch; url: string | null }) {
  const { state } = view;
  const canvas = useRef<HTMLCanvasElement>(null);
  const present = panel.clusters.value;
  const { labels, colors } = (present?.count === count ? present : panel.levels.value.get(count)) ?? {};
  const groups = state.cluster_groups.value;
  const { rows, columns } = ui.grid.value.maps[patch.map]!;
  const start = ui.grid.value.offsets[patch.map]!;
  const id = labels === undefined ? null : displayId(labels[node]!, groups);
  const region = useMemo(
    () => labels && regionOf(labels, node, start, start + rows * columns, groups),
    [labels, id, start, groups],
  );
  const path = useMemo(() => region && borderPath(region, 0, rows, columns), [region]);
  useEffect(() => { if (region) dim(canvas.current!, region, rows, columns); }, [region]);

  const name = id === null ? "" : nameOf(id, state.cluster_names.value);
  return (
    <button type="button" class="ncut-thumbnail ncut-level" data-level={count} aria-label={`${count} clusters: ${name}`} title={`${count} clusters: ${name}`}
      data-pending={region === undefined} aria-current={count === state.n_clusters.value} onClick={() => panel.setCount(count)}>
      {url !== null && <img src={url} alt="" draggable={false} />}
      <canvas ref={canvas} aria-hidden="true" />
      {path !== undefined && <Lines {...{ rows, columns, path }} color={colorOf(colors!, id!)} />}
      <span>{count}</span>
    </button>
  );
}

function dim(canvas: HTMLCanvasElement, region: Uint8Array, rows: number, columns: number): void {
  Object.assign(canvas, { width: columns, height: rows });
  const pixels = new Uint8ClampedArray(region.length * 4);
  region.forEach((inside, i) => { if (!inside) pixels.set(DIM, i * 4); });
  canvas.getContext("2d")!.putImageData(new ImageData(pixels, columns, rows), 0, 0);
}

function colorOf(colors: Uint8Array, id: number): string {
  return `rgb(${colors.subarray(id * 3, id * 3 + 3).join(" ")})`;
}

function list(numbers: readonly number[]): string {
  return new Intl.ListFormat("en").format(numbers.map(String));
}
