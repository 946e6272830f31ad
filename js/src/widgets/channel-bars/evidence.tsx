/** Verifies the bars on demand: the target's score as its channels are ablated. */
import { type Curves, faithfulnessArea, parseCurves } from "./ranking.ts";
import type { ChannelsState } from "./state.ts";

const [WIDTH, HEIGHT] = [300, 96];
const MARGIN = { left: 34, right: 6, top: 6, bottom: 16 };
const LINES = [
  ["top", "Highest-ranked channels ablated"],
  ["random", "Random channels ablated"],
  ["bottom", "Lowest-ranked channels ablated"],
] as const;

export function Evidence({ channels }: { channels: ChannelsState }) {
  const target = channels.first.value;
  const outcome = channels.outcomeOf(channels.evidence(target));
  const unavailable = channels.current.value === null ? "No bars yet" : null;
  if (outcome?.status === "ready" && channels.opened.value) {
    const curves = parseCurves(outcome.value.data);
    return <Chart curves={curves} name={channels.nameOf(target)} close={() => { channels.opened.value = false; }} />;
  }
  return (
    <div class="ncut-evidence">
      <button type="button" class="ncut-wide" disabled={unavailable !== null || outcome?.status === "pending"} onClick={() => channels.measure(target)}
        title={unavailable ?? "Measure the target's score as its channels are ablated"}>
        {outcome?.status === "pending" ? "Measuring…" : "Show evidence"}
      </button>
      {outcome?.status === "failed" && <p role="alert">{outcome.message}</p>}
    </div>
  );
}

function Chart({ curves, name, close }: { curves: Curves; name: string; close: () => void }) {
  const { counts, top, bottom, random } = curves;
  const all = [...top, ...bottom, ...random];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const last = counts.at(-1) || 1;
  const x = (count: number) => MARGIN.left + (count / last) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (score: number) => {
    const share = high > low ? (score - low) / (high - low) : 0.5;
    return HEIGHT - MARGIN.bottom - share * (HEIGHT - MARGIN.top - MARGIN.bottom);
  };
  const points = (values: Float32Array) => [...values].map((value, i) => `${x(counts[i]!).toFixed(1)},${y(value).toFixed(1)}`);
  const area = faithfulnessArea(curves);
  const areaText = area.toFixed(3).replace("-", "−");
  return (
    <figure class="ncut-evidence">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img"
        aria-label={`Score of ${name} as up to ${last} channels are ablated. Mean distance from top to random: ${areaText}`}>
        <polygon points={[...points(random), ...points(top).reverse()].join(" ")} />
        {LINES.map(([line]) => <polyline key={line} data-line={line} points={points(curves[line]).join(" ")} />)}
        <path d={`M${MARGIN.left} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}`} />
        <text x={MARGIN.left - 4} y={y(high) + 4} text-anchor="end">{high.toFixed(2)}</text>
        {high > low && <text x={MARGIN.left - 4} y={y(low) + 3} text-anchor="end">{low.toFixed(2)}</text>}
        <text x={MARGIN.left} y={HEIGHT - 4}>0</text>
        <text x={WIDTH - MARGIN.right} y={HEIGHT - 4} text-anchor="end">{last} channels of {name} ablated</text>
      </svg>
      <button type="button" class="ncut-icon-button" aria-label="Hide evidence" onClick={close}>×</button>
      <figcaption>
        {LINES.map(([line, title]) => <span key={line} data-line={line} title={title}>{line}</span>)}
        <span title="Mean height of the random curve above the top curve: positive if the ranking is meaningful">
          area {areaText}
        </span>
      </figcaption>
    </figure>
  );
}
