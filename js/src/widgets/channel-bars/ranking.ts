/** Selection and order of the bars, and the numbers they display: pure functions. */

export type Sort = "value" | "absolute" | "index" | "difference";

/** Value and label; the last one requires two targets. */
export const SORTS: readonly (readonly [Sort, string])[] = [
  ["value", "Value"], ["absolute", "Size"], ["index", "Number"], ["difference", "Difference"],
];

/** The signed scores (c) of one or two targets. */
export type Scores = readonly [Float32Array] | readonly [Float32Array, Float32Array];

interface Options {
  count: number;
  sort: Sort;
  search: string;
}

/** Ids of the strongest matching channels of either target, in display order. */
export function ranked(scores: Scores, names: readonly string[], { count, sort, search }: Options): number[] {
  const [first, second] = scores;
  const size = (j: number) => Math.max(Math.abs(first[j]!), second ? Math.abs(second[j]!) : 0);
  const value = (j: number) => first[j]!;
  const difference = (j: number) => first[j]! - (second?.[j] ?? 0);
  const descending = (of: (j: number) => number) => (a: number, b: number) => of(b) - of(a) || a - b;
  const strongest = matchingChannels(names, search).sort(descending(size)).slice(0, count);
  switch (sort) {
    case "absolute": return strongest;
    case "index": return strongest.sort((a, b) => a - b);
    case "value": return strongest.sort(descending(value));
    case "difference": return strongest.sort(descending(difference));
  }
}

/** Channels whose name contains the text or whose number starts with it; all if the text is empty. */
export function matchingChannels(names: readonly string[], search: string): number[] {
  const text = search.trim().toLowerCase();
  return [...names.keys()].filter((j) => names[j]!.toLowerCase().includes(text) || String(j).startsWith(text));
}

/** 1-based rank of a channel by the magnitude of its score. */
export function rankOf(channel: number, scores: Float32Array): number {
  const size = Math.abs(scores[channel]!);
  return 1 + scores.reduce((before, score, j) => {
    const other = Math.abs(score);
    return before + Number(other > size || (other === size && j < channel));
  }, 0);
}

/** The largest magnitude among some channels: the full length of a bar. */
export function maxMagnitude(scores: Scores, channels: readonly number[]): number {
  return Math.max(0, ...scores.flatMap((one) => channels.map((j) => Math.abs(one[j]!)))) || 1;
}

/** A share of the total magnitude in percent, with its sign. */
export function percent(share: number): string {
  const text = (Math.abs(share) * 100).toFixed(1);
  if (text === "0.0") return text;
  return share < 0 ? `−${text}` : `+${text}`;
}

/** The target's score as channels are replaced by their mean: (s) each. */
export interface Curves {
  counts: Float32Array;
  top: Float32Array;
  bottom: Float32Array;
  random: Float32Array;
}

/** Parses a (4, s) reply. */
export function parseCurves(data: Float32Array): Curves {
  const s = data.length / 4;
  const [counts, top, bottom, random] = [0, 1, 2, 3].map((row) => data.slice(row * s, (row + 1) * s)) as [
    Float32Array, Float32Array, Float32Array, Float32Array,
  ];
  return { counts, top, bottom, random };
}

/** Mean height of the random curve above the top curve, like Python's `Faithfulness.area`. */
export function faithfulnessArea({ counts, top, random }: Curves): number {
  let [sum, width] = [0, 0];
  for (let i = 1; i < counts.length; i++) {
    const step = counts[i]! - counts[i - 1]!;
    sum += (step * (random[i]! - top[i]! + random[i - 1]! - top[i - 1]!)) / 2;
    width += step;
  }
  return width ? sum / width : 0;
}
