/** The legend: a row for each cluster with checkbox, name, share and actions. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { scrollToShow } from "../../shared/scroll.ts";
import { type Row, isSolo } from "./clusters.ts";
import { EyeIcon, MaskIcon, SoloIcon, SplitIcon } from "./icons.tsx";
import { rowKey, stopEditing } from "./keys.ts";
import type { PanelState } from "./state.ts";

interface Props {
  view: ViewContext;
  panel: PanelState;
}

export function Legend({ view, panel }: Props) {
  const { state } = view;
  const rows = panel.rows.value;
  const marks = panel.marks.value;
  const createdMask = panel.createdMask.value;
  const last = useRef(0);
  const list = useRef<HTMLDivElement>(null);
  const selected = panel.selected.value;
  useEffect(() => { scrollToShow(list.current!, list.current!.querySelector(`[data-cluster="${selected}"]`)); }, [selected]);
  // The row in the tab order: the last focused one, else the selected one, else the first.
  const entry = [last.current, selected].find((id) => rows.some((row) => row.id === id)) ?? rows[0]?.id;

  return (
    <section class="ncut-legend-panel" aria-label="Legend">
      <div class="ncut-rows" role="grid" aria-label="Clusters" ref={list}
        onFocusIn={(event) => {
          const row = (event.target as Element).closest<HTMLElement>("[data-cluster]");
          if (row) last.current = Number(row.dataset.cluster);
        }}
        onPointerLeave={() => { panel.highlighted.value = null; }}>
        {rows.map((row) => <ClusterRow key={row.id} {...{ row, view, panel }} entry={row.id === entry} />)}
      </div>
      <div class="ncut-legend-actions">
        <button type="button" aria-disabled={marks.length < 2} title="Merge the checked clusters" onClick={panel.merge}>
          {marks.length > 1 ? `Merge ${marks.length}` : "Merge"}
        </button>
        <button type="button" aria-disabled={state.hidden_clusters.value.length === 0} onClick={panel.showAll}>Show all</button>
        <p aria-live="polite">
          {createdMask
            ? `Mask from ${createdMask.clicks === 1 ? "1 click" : `${createdMask.clicks} clicks`}, IoU ${createdMask.iou.toFixed(2)}: ${createdMask.name}`
            : "Check two or more clusters to merge them"}
        </p>
      </div>
    </section>
  );
}

function ClusterRow({ row, view, panel, entry }: Props & { row: Row; entry: boolean }) {
  const { id, name, color, hidden } = row;
  const share = `${(row.share * 100).toFixed(1)} %`;
  const solo = isSolo(panel.rows.value, id);
  const editing = panel.editing.value === id;
  const origin = panel.origin(id);
  const merged = row.members.length > 1;
  const about = [
    `${name}, ${share} of all patches`,
    merged && `Merged from clusters ${row.members.join(", ")}`,
    origin,
  ].filter(Boolean).join("\n");
  const enter = () => {
    panel.highlighted.value = id;
    panel.loadParent(id);
  };

  return (
    <div
      role="row"
      class="ncut-cluster"
      data-cluster={id}
      data-hidden={hidden || undefined}
      data-hovered={panel.hovered.value === id || undefined}
      aria-selected={panel.selected.value === id}
      aria-label={`${name}, ${share}${hidden ? ", hidden" : ""}`}
      title={about}
      tabIndex={entry ? 0 : -1}
      onClick={(event) => {
        // The second click of a double click starts renaming.
        if ((event.target as Element).closest(".ncut-tool, input") || event.detail > 1) return;
        panel.choose(id, event);
      }}
      onDblClick={(event) => { if ((event.target as Element).closest(".ncut-cluster-name")) panel.editing.value = id; }}
      onKeyDown={(event) => rowKey(event, id, panel)}
      onPointerEnter={enter}
      onFocusIn={(event) => { if ((event.target as Element).matches(":focus-visible")) enter(); }}
      onFocusOut={() => { if (panel.highlighted.peek() === id) panel.highlighted.value = null; }}
    >
      <span role="gridcell">
        <input type="checkbox" class="ncut-swatch" tabIndex={-1} style={{ "--swatch": color }} checked={panel.marks.value.includes(id)}
          aria-label={`Check ${name}`} title="Check to merge (Space)" onChange={() => panel.mark(id)} />
      </span>
      <span role="gridcell" class="ncut-cluster-name">
        {editing ? <NameField {...{ row, view, panel }} /> : (
          <button type="button" tabIndex={-1} aria-label={`Rename ${name}`}>{name}</button>
        )}
      </span>
      {merged && (
        <span role="gridcell">
          <button type="button" class="ncut-tool" tabIndex={-1} aria-label={`Split ${name}`}
            title={`Split into clusters ${row.members.join(", ")}`} onClick={() => panel.split(id)}>
            <SplitIcon />
          </button>
        </span>
      )}
      <span role="gridcell" class="ncut-share">{share}</span>
      <span role="gridcell" class="ncut-tools">
        <button type="button" class="ncut-tool" tabIndex={-1} aria-label={`${hidden ? "Show" : "Hide"} ${name}`} aria-pressed={hidden}
          title={`${hidden ? "Show" : "Hide"} (H)`} onClick={() => panel.hide(id)}>
          <EyeIcon closed={hidden} />
        </button>
        <button type="button" class="ncut-tool" tabIndex={-1} aria-label={`Show only ${name}`} aria-pressed={solo}
          title="Show only this cluster (S)" onClick={() => panel.solo(id)}>
          <SoloIcon />
        </button>
        <button type="button" class="ncut-tool" tabIndex={-1} aria-label={`Create a mask from ${name}`}
          title="Create an editable mask from this cluster (M)" onClick={() => panel.makeMask(id)}>
          <MaskIcon />
        </button>
      </span>
    </div>
  );
}

function NameField({ row, view, panel }: Props & { row: Row }) {
  const field = useRef<HTMLInputElement>(null);
  // Before the next key event, so that text typed immediately goes to the name.
  useLayoutEffect(() => {
    field.current!.focus();
    field.current!.select();
  }, []);
  const keep = () => {
    // Leaving the field without a change must not store the default name as a custom one.
    if (field.current!.value.trim() !== row.name) panel.rename(row.id, field.current!.value);
  };
  return (
    <input
      ref={field}
      type="text"
      aria-label={`Name of ${row.name}`}
      defaultValue={row.name}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key !== "Enter") return;
        keep();
        stopEditing(view, panel);
      }}
      onBlur={() => {
        if (panel.editing.peek() !== row.id) return;
        keep();
        panel.editing.value = null;
      }}
    />
  );
}
