/** Borders between clusters over an image. */
import { useComputed } from "@preact/signals";
import type { ViewContext } from "../../shared/context.ts";
import { borderPath } from "../../shared/images/borders.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import type { PanelState } from "./state.ts";

interface Props {
  image: number;
  view: ViewContext;
  ui: ImagesState;
  panel: PanelState;
}

export function Borders({ image, view: { state }, ui, panel }: Props) {
  const lines = useComputed(() => {
    const labels = panel.outlined.value;
    const map = ui.grid.value.find(image, state.source.value);
    if (!panel.borders.value || !labels || map < 0) return null;
    const { rows, columns } = ui.grid.value.maps[map]!;
    const [start, end] = [ui.grid.value.offsets[map]!, ui.grid.value.offsets[map + 1]!];
    const all = borderPath(labels, start, rows, columns);
    const id = panel.focus.value;
    if (id === null) return { rows, columns, path: all };
    const region = labels.slice(start, end).map((label) => Number(label === id));
    return { rows, columns, path: borderPath(region, 0, rows, columns), faint: all };
  });
  return lines.value && <Lines {...lines.value} />;
}

interface LinesProps {
  rows: number;
  columns: number;
  path: string;
  faint?: string;
  color?: string;
}

/** A path in patch units, stretched over its container: light with a dark edge, visible on any background. */
export function Lines({ rows, columns, path, faint, color }: LinesProps) {
  return (
    <svg class="ncut-lines" viewBox={`0 0 ${columns} ${rows}`} preserveAspectRatio="none" aria-hidden="true">
      {faint !== undefined && <path class="ncut-line-faint" d={faint} />}
      <path class="ncut-line-edge" d={path} />
      <path class="ncut-line" d={path} style={color === undefined ? undefined : { stroke: color }} />
    </svg>
  );
}
