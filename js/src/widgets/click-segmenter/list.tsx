/** The object list: active object, colors, names and coverage. */
import { useComputed } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Hint } from "../../shared/controls.tsx";
import { scrollToShow } from "../../shared/scroll.ts";
import type { MaskObject, NodeMask } from "../../shared/types.ts";
import { nameError } from "./objects.ts";
import type { PanelProps, SegmenterState } from "./state.ts";

export function ObjectList({ view, ui, segmenter }: PanelProps) {
  const { state } = view;
  // Not `useId`, whose ids are unique within a view only: radio groups of two views would share a name.
  const group = useMemo(() => `active ${Math.random()}`, []);
  const objects = state.objects.value;
  const active = state.active_object.value;
  const list = useRef<HTMLDivElement>(null);
  // In an effect after the frame, because measuring positions now would force a second layout for every new object.
  useEffect(() => { scrollToActive(list.current!); }, [active, objects.length]);
  const shares = useComputed(() => {
    const grid = ui.grid.value;
    const spans = grid.maps.flatMap(({ source }, map) => (
      source === state.source.value ? [[grid.offsets[map]!, grid.offsets[map + 1]!] as const] : []
    ));
    return (segmenter.masks.value ?? []).map((mask) => (mask.missing ? undefined : share(mask, spans)));
  });
  return (
    <section class="ncut-objects" aria-label="Objects">
      <Actions {...{ segmenter }} active={segmenter.active.value && active} />
      <div ref={list} class="ncut-object-list" role="radiogroup" aria-label="Active object">
        {objects.length === 0 && (
          <p class="ncut-no-objects">
            <Hint mouse="Click an image to begin. Alt-click or right-click to remove from the mask."
              touch="Tap an image to begin. Choose − Remove to remove from the mask." />
          </p>
        )}
        {objects.map((object, index) => (
          <Row key={index} {...{ object, index, segmenter, group }} active={index === active} share={shares.value[index]}
            rename={(name) => {
              view.error.value = nameError(objects, index, name);
              if (view.error.value === null && name !== object.name) segmenter.change(index, { name });
              return view.error.value === null;
            }} />
        ))}
      </div>
    </section>
  );
}

/** Scrolls the list and the panel, one of which is scrollable depending on the width of the view. */
function scrollToActive(list: HTMLElement): void {
  const row = list.querySelector("[data-active=true]");
  scrollToShow(list, row);
  scrollToShow(list.closest(".ncut-panel")!, row);
}

/** Move the focus from a name field to its row, so that keys still reach this view. */
export function endRename(field: HTMLElement): void {
  field.parentElement!.querySelector<HTMLElement>("[type=radio]")!.focus();
}

/** Fraction of the nodes in some ranges that a mask covers. */
function share({ nodes }: NodeMask, spans: readonly (readonly [number, number])[]): number {
  let covered = 0;
  let all = 0;
  for (const [start, end] of spans) {
    all += end - start;
    for (let i = start; i < end; i++) covered += nodes[i]!;
  }
  return covered / (all || 1);
}

interface RowProps {
  object: MaskObject;
  index: number;
  active: boolean;
  share: number | undefined;
  group: string;
  segmenter: SegmenterState;
  rename: (name: string) => boolean;
}

function Row({ object, index, active, share, group, segmenter, rename }: RowProps) {
  const { name, color, visible } = object;
  return (
    <div class="ncut-object" data-object={index} data-active={active}
      onPointerDown={(event) => { if (event.target === event.currentTarget) segmenter.activate(index); }}>
      <input type="radio" name={group} checked={active} aria-label={name} title="Make this the active object" onChange={() => segmenter.activate(index)} />
      <input type="color" value={color} aria-label={`Color of ${name}`} title="Color"
        onInput={(event) => segmenter.change(index, { color: event.currentTarget.value }, `color ${index}`)} />
      <input type="text" class="ncut-name" value={name} aria-label={`Name of ${name}`} spellcheck={false} autocomplete="off"
        onFocus={() => segmenter.activate(index)}
        onChange={(event) => {
          if (!rename(event.currentTarget.value.trim())) event.currentTarget.value = name;
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") endRename(event.currentTarget);
        }} />
      <output title="Covered share of all patches">{share === undefined ? "" : percentage(share)}</output>
      <button type="button" class="ncut-eye" aria-pressed={visible} aria-label={`Show ${name}`} title={visible ? "Hide" : "Show"}
        onClick={() => segmenter.change(index, { visible: !visible })}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8Z" />
          <circle cx="8" cy="8" r="2" />
          {!visible && <path d="M2.5 13.5l11-11" />}
        </svg>
      </button>
    </div>
  );
}

function Actions({ active, segmenter }: { active: number | null; segmenter: SegmenterState }) {
  const on = (run: (index: number) => void) => () => { if (active !== null) run(active); };
  const disabled = active === null;
  return (
    <div class="ncut-actions">
      <button type="button" title="New object (N)" onClick={() => segmenter.addObject()}>New</button>
      <button type="button" title="Duplicate the active object" aria-disabled={disabled} onClick={on((i) => segmenter.duplicate(i))}>Copy</button>
      <button type="button" title="Remove all points and boxes from the active object" aria-disabled={disabled}
        onClick={on((i) => segmenter.clear(i))}>Clear</button>
      <button type="button" title="Delete the active object" aria-disabled={disabled} onClick={on((i) => segmenter.remove(i))}>Delete</button>
    </div>
  );
}

function percentage(share: number): string {
  return share > 0 && share < 0.001 ? "<0.1%" : `${(share * 100).toFixed(1)}%`;
}
