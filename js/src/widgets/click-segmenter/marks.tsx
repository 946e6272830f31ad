/** Marks over an image in addition to its overlay: mask outlines, and the prompts of the active object. */
import { useComputed } from "@preact/signals";
import type { ViewContext } from "../../shared/context.ts";
import { borderPath } from "../../shared/images/borders.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import type { BoxPrompt } from "../../shared/types.ts";
import type { SegmenterState } from "./state.ts";

interface Props {
  image: number;
  view: ViewContext;
  ui: ImagesState;
  segmenter: SegmenterState;
}

export function Marks(props: Props) {
  return (
    <>
      <Outlines {...props} />
      <Prompts {...props} />
      <DraftBox {...props} />
    </>
  );
}

function Outlines({ image, view: { state }, ui, segmenter }: Props) {
  // Serialized, so that a tile with unchanged outlines is not rerendered.
  const drawn = useComputed(() => {
    const masks = segmenter.masks.value;
    const grid = ui.grid.value;
    const map = grid.find(image, state.source.value);
    // Refined masks are not outlined along patch edges.
    if (!masks || map < 0 || segmenter.refined.value.includes(image)) return "";
    const { rows, columns } = grid.maps[map]!;
    return masks
      .filter(({ object }) => object.visible)
      .map(({ object, nodes }) => `${object.color} ${borderPath(nodes, grid.offsets[map]!, rows, columns)}`)
      .filter((line) => line.length > 8)
      .join("\n");
  });
  if (!drawn.value) return null;
  const { rows, columns } = ui.grid.value.maps[ui.grid.value.find(image, state.source.value)]!;
  return (
    <svg class="ncut-outlines" viewBox={`0 0 ${columns} ${rows}`} preserveAspectRatio="none" aria-hidden="true">
      {drawn.value.split("\n").map((line, index) => {
        const d = line.slice(8);
        return <g key={index}><path d={d} /><path d={d} style={{ stroke: line.slice(0, 7) }} /></g>;
      })}
    </svg>
  );
}

function Prompts({ image, view: { state }, segmenter }: Props) {
  const drawn = useComputed(() => {
    const object = segmenter.active.value;
    const here = object && {
      color: object.color,
      clicks: object.clicks.map((click, index) => ({ ...click, index })).filter((click) => click.image === image),
      boxes: object.boxes.map((box, index) => ({ ...box, index })).filter((box) => box.image === image),
    };
    return here && here.clicks.length + here.boxes.length ? JSON.stringify(here) : "";
  });
  const chosen = useComputed(() => (drawn.value && segmenter.selected.value ? promptName(segmenter.selected.value) : ""));
  if (!drawn.value) return null;
  const { color, clicks, boxes } = JSON.parse(drawn.value) as {
    color: string; clicks: { index: number; x: number; y: number; positive: boolean }[]; boxes: (BoxPrompt & { index: number })[];
  };
  const { width, height } = state.meta.value.images[image]!;
  const mark = (kind: "clicks" | "boxes", index: number, x: number, y: number, positive: boolean) => {
    const name = promptName({ kind, index });
    return (
      <span key={name} class="ncut-prompt" data-prompt={name} data-sign={positive ? "+" : "-"} data-selected={chosen.value === name}
        style={{ "--x": percent(x / width), "--y": percent(y / height), "--ncut-mark": color }} />
    );
  };
  return (
    <>
      {boxes.map((box) => (
        <div key={`${box.index}`} class="ncut-box" data-sign={box.positive ? "+" : "-"} style={{ ...place(box, width, height), "--ncut-mark": color }} />
      ))}
      {boxes.map(({ index, x0, y0, positive }) => mark("boxes", index, x0, y0, positive))}
      {clicks.map(({ index, x, y, positive }) => mark("clicks", index, x, y, positive))}
    </>
  );
}

function DraftBox({ image, view: { state }, segmenter }: Props) {
  const box = segmenter.draftBox.value;
  if (box?.image !== image) return null;
  const { width, height } = state.meta.value.images[image]!;
  return <div class="ncut-box" data-sign={box.positive ? "+" : "-"} style={place(box, width, height)} />;
}

function promptName({ kind, index }: { kind: string; index: number }): string {
  return `${kind} ${index}`;
}

function place({ x0, y0, x1, y1 }: BoxPrompt, width: number, height: number) {
  return {
    left: percent(x0 / width), top: percent(y0 / height), width: percent((x1 - x0) / width), height: percent((y1 - y0) / height),
  };
}

function percent(value: number): string {
  return `${value * 100}%`;
}
