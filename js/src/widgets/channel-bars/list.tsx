/** The bars: one row per channel, to preview and pin. */
import { useComputed } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { scrollToShow } from "../../shared/scroll.ts";
import { type Scores, percent, maxMagnitude } from "./ranking.ts";
import type { ChannelsState } from "./state.ts";

interface Props {
  view: ViewContext;
  channels: ChannelsState;
}

export function List({ view, channels }: Props) {
  const { state } = view;
  const list = useRef<HTMLDivElement>(null);
  const rows = channels.rows.value;
  const scores = channels.scores.value;
  // With signed scores, zero is always in the middle.
  const signed = channels.method.value !== "abs_gradient";
  const scale = scores ? maxMagnitude(scores, rows) : 1;
  const current = state.hovered_channel.value;

  // Scroll to a channel previewed from Python; a hovered one is visible already.
  useLayoutEffect(() => {
    const area = list.current;
    if (current !== null && area && !area.matches(":hover")) scrollToShow(area, area.querySelector(`[data-channel="${current}"]`));
  }, [current]);

  const focused = (): number | null => {
    const row = list.current?.querySelector<HTMLElement>(":focus-visible");
    return row?.dataset.channel === undefined ? null : Number(row.dataset.channel);
  };
  return (
    <div
      ref={list}
      class="ncut-bars"
      role="listbox"
      aria-multiselectable="true"
      aria-label={`Channels of ${channels.targets.value.map(channels.nameOf).join(" and ")}`}
      aria-busy={channels.current.value === null}
      onPointerLeave={() => channels.preview(focused())}
      onFocusOut={(event) => {
        if (!list.current?.contains(event.relatedTarget as Node | null)) channels.preview(null);
      }}
    >
      {scores && rows.map((channel, i) => (
        <Row key={channel} {...{ view, channels, channel, scores, scale, signed }}
          entry={rows.includes(current ?? -1) ? current === channel : i === 0} />
      ))}
      {scores && !rows.length && <p>No matching channels.</p>}
    </div>
  );
}

interface RowProps extends Props {
  channel: number;
  scores: Scores;
  /** The score with the longest bar. */
  scale: number;
  signed: boolean;
  /** Whether the row is in the tab order. */
  entry: boolean;
}

function Row({ view: { state }, channels, channel, scores, scale, signed, entry }: RowProps) {
  const name = channels.names.value![channel]!;
  const pinned = useComputed(() => state.pinned_channels.value.indexOf(channel));
  const current = useComputed(() => state.hovered_channel.value === channel);
  const isMissing = useComputed(() => channels.missingMaps.value.has(channel));
  const values = scores.map((one, i) => {
    const target = channels.targets.value[i];
    return `${target && scores.length > 1 ? `${channels.nameOf(target)} ` : ""}${percent(one[channel]!)} %`;
  });
  const about = [name, ...values, pinned.value >= 0 && "pinned", isMissing.value && "map not included in this file"].filter(Boolean).join(", ");
  return (
    <div
      role="option"
      class="ncut-channel"
      data-channel={channel}
      data-current={current.value || undefined}
      data-missing={isMissing.value || undefined}
      aria-selected={pinned.value >= 0}
      aria-label={about}
      title={about}
      tabIndex={entry ? 0 : -1}
      onPointerEnter={(event) => { if (event.pointerType !== "touch") channels.preview(channel); }}
      onFocus={(event) => { if (event.currentTarget.matches(":focus-visible")) channels.preview(channel); }}
      onClick={() => channels.toggle(channel)}
      onKeyDown={(event) => rowKey(event, () => channels.toggle(channel))}
    >
      <PinMarker at={pinned.value} of={state.pinned_channels.value.length} />
      <span class="ncut-channel-name">{name}</span>
      {scores.map((one, i) => <Magnitude key={i} score={one[channel]!} scale={scale} signed={signed} />)}
      {scores.length === 1 && <span class="ncut-value">{percent(scores[0][channel]!)}</span>}
    </div>
  );
}

/** Filled if pinned, with the channel's color in the RGB composite. */
export function PinMarker({ at, of }: { at: number; of: number }) {
  return <i class="ncut-pin" data-pinned={at >= 0 || undefined} data-part={of > 1 && at >= 0 && at < 3 ? "rgb"[at] : undefined} />;
}

function Magnitude({ score, scale, signed }: { score: number; scale: number; signed: boolean }) {
  const share = Math.min(1, Math.abs(score) / scale) * (signed ? 50 : 100);
  const start = signed ? (score < 0 ? 50 - share : 50) : 0;
  return (
    <span class="ncut-magnitude" style={{ "--zero": signed ? "50%" : "0%" }}>
      <i data-sign={score < 0 ? "-" : "+"} style={{ left: `${start}%`, width: `${share}%` }} />
    </span>
  );
}

function rowKey(event: KeyboardEvent, pin: () => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const row = event.currentTarget as HTMLElement;
  const rows = [...row.parentElement!.querySelectorAll<HTMLElement>("[data-channel]")];
  const at = rows.indexOf(row);
  const goal = {
    ArrowUp: at - 1, ArrowDown: at + 1, PageUp: Math.max(0, at - 10), PageDown: Math.min(rows.length - 1, at + 10),
    Home: 0, End: rows.length - 1,
  }[event.key];
  if (goal !== undefined) rows[goal]?.focus();
  else if (event.key === "Enter" || event.key === " ") pin();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
