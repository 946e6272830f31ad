/** Outlines of the targets over an image, to compare with a channel's map. */
import { useComputed } from "@preact/signals";
import type { ViewContext } from "../../shared/context.ts";
import { borderPath } from "../../shared/images/borders.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import type { ChannelsState } from "./state.ts";

interface Props {
  image: number;
  view: ViewContext;
  ui: ImagesState;
  channels: ChannelsState;
}

export function Outline({ image, view: { state }, ui, channels }: Props) {
  const lines = useComputed(() => {
    const map = ui.grid.value.find(image, state.source.value);
    if (!channels.outline.value || map < 0) return null;
    const { rows, columns } = ui.grid.value.maps[map]!;
    const paths = channels.regions.value.map(({ nodes }) => borderPath(nodes, ui.grid.value.offsets[map]!, rows, columns));
    return { rows, columns, paths };
  });
  if (!lines.value) return null;
  const { rows, columns, paths } = lines.value;
  return (
    <svg class="ncut-lines" viewBox={`0 0 ${columns} ${rows}`} preserveAspectRatio="none" aria-hidden="true">
      {paths.map((path, i) => (
        <g key={i} data-target={i}>
          <path class="ncut-line-edge" d={path} />
          <path class="ncut-line" d={path} />
        </g>
      ))}
    </svg>
  );
}
