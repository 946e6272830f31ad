/** The panel next to the images: target, settings, bars and details of one channel. */
import type { ViewContext } from "../../shared/context.ts";
import { Hint, Legend, Slider } from "../../shared/controls.tsx";
import { closestCount } from "../../shared/images/display-controls.tsx";
import { Evidence } from "./evidence.tsx";
import { List } from "./list.tsx";
import { SORTS, type Sort, percent, rankOf } from "./ranking.ts";
import type { ChannelsState } from "./state.ts";
import { Targets } from "./targets-menu.tsx";
import { METHODS, type Method } from "./targets.ts";

interface Props {
  view: ViewContext;
  channels: ChannelsState;
}

export function Panel({ view, channels }: Props) {
  if (!channels.names.value) {
    return (
      <div class="ncut-channels-panel">
        <p class="ncut-no-features">This session has no features. Create it with <code>nw.Session(images, features=…)</code>.</p>
      </div>
    );
  }
  return (
    <div class="ncut-channels-panel">
      <Targets {...{ view, channels }} />
      <Controls channels={channels} />
      <ColumnHeaders channels={channels} />
      <div class="ncut-bars-area" data-stale={channels.current.value === null || undefined}>
        <List {...{ view, channels }} />
        <PendingNotice {...{ view, channels }} />
      </div>
      <Readout {...{ view, channels }} />
      {channels.kernel.value && <Evidence channels={channels} />}
    </div>
  );
}

function Controls({ channels }: { channels: ChannelsState }) {
  const { method, sort, order, count, search, second, kernel } = channels;
  const sorts = SORTS.slice(0, second.value ? 4 : 3);
  return (
    <div class="ncut-controls">
      {kernel.value && (
        <label class="ncut-field">
          <span>Method</span>
          <select value={method.value} aria-label="Method" title={METHODS.find(([value]) => value === method.value)![2]}
            onChange={(event) => { method.value = event.currentTarget.value as Method; }}>
            {METHODS.map(([value, text, title]) => <option key={value} value={value} title={title}>{text}</option>)}
          </select>
        </label>
      )}
      <label class="ncut-field">
        <span>Sort</span>
        <select value={order.value} aria-label="Sort by" onChange={(event) => { sort.value = event.currentTarget.value as Sort; }}>
          {sorts.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
        </select>
      </label>
      <input class="ncut-search" type="search" placeholder="Name or number" aria-label="Search channels by name or number"
        value={search.value} onInput={(event) => { search.value = event.currentTarget.value; }} />
      <Slider label="Bars" name="Number of bars" value={count.value} min={5} max={50} step={1}
        set={(value) => { count.value = value; }} />
    </div>
  );
}

/** Column headers of the bars. */
function ColumnHeaders({ channels }: { channels: ChannelsState }) {
  const targets = channels.targets.value;
  const total = channels.names.value!.length;
  const rows = channels.rows.value.length;
  return (
    <div class="ncut-column-headers" aria-hidden="true">
      <span class="ncut-channel-name">{rows ? `${rows} of ${total}` : ""}</span>
      {targets.map((target, i) => (
        <span key={i} class="ncut-column-header" title={channels.nameOf(target)}>
          <i class="ncut-chip" style={{ background: channels.colorOf(target) }} />
          <span>{channels.nameOf(target)}</span>
        </span>
      ))}
      {targets.length === 1 && <span class="ncut-value" title="Share of the total attribution, in percent">%</span>}
    </div>
  );
}

/** Status message in place of missing bars. */
function PendingNotice({ view: { state, store }, channels }: Props) {
  const count = state.n_clusters.value;
  const traced = state.meta.value.traced_counts;
  if (traced && !traced.includes(count)) {
    const other = closestCount(traced, count);
    return (
      <div class="ncut-pending" role="status">
        <p>This file includes attributions for {traced.join(", ")} clusters, not {count}.</p>
        <button type="button" onClick={() => store.set("n_clusters", other)}>Show {other} clusters</button>
      </div>
    );
  }
  const target = channels.targets.value.find((one) => channels.outcomeOf(channels.requestFor(one))?.status !== "ready");
  if (!target) return null;
  const outcome = channels.outcomeOf(channels.requestFor(target));
  const isPending = !outcome || outcome.status === "pending";
  if (isPending && channels.scores.value) return null;
  const name = channels.nameOf(target);
  const again = !isPending && channels.kernel.value;
  return (
    <div class="ncut-pending" role="status">
      <p>
        {isPending ? `Computing attribution of ${name}…` : !again ? `The attribution of ${name} is not included in this file.`
          : outcome.status === "failed" ? outcome.message : "Cancelled."}
      </p>
      {again && <button type="button" onClick={() => channels.ask(target)}>Retry</button>}
    </div>
  );
}

/** Details of the previewed channel, at a fixed height so that the layout does not shift. */
function Readout({ view: { state, store }, channels }: Props) {
  const { channel, channels: pinned } = { channel: state.hovered_channel.value, channels: state.pinned_channels.value };
  const names = channels.names.value!;
  const scores = channels.scores.value;
  const one = channel ?? (pinned.length === 1 ? pinned[0]! : null);
  if (one === null || one >= names.length) {
    return (
      <div class="ncut-readout">
        <p class="ncut-readout-hint">
          <Hint mouse="Hover over a bar to preview its channel. Click to pin up to three as red, green and blue."
            touch="Tap a bar to pin its channel. Up to three are shown as red, green and blue." />
        </p>
      </div>
    );
  }
  const range = channels.ranges.value;
  const [low, high] = [range?.[one * 2] ?? 0, range?.[one * 2 + 1] ?? 0];
  // Values negligible compared to the range are rounded to zero: "9e-10 to 74" would suggest a false precision.
  const digits = (value: number) => (
    String(Math.abs(value) < 1e-4 * (high - low) ? 0 : Number(value.toPrecision(3))).replace("-", "−")
  );
  return (
    <div class="ncut-readout">
      <p><b>{names[one]}</b> <span>channel {one}</span></p>
      <p>
        {scores && <span>{scores.map((row) => `${percent(row[one]!)} %`).join(" | ")}, rank {rankOf(one, scores[0])} of {names.length}</span>}
        <Legend table={store.palettes.sequential} low={range ? digits(low) : ""} high={range ? digits(high) : ""} />
      </p>
    </div>
  );
}
