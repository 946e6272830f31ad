import { describe, expect, it } from "vitest";
import { faithfulnessArea, parseCurves, matchingChannels, percent, rankOf, ranked, maxMagnitude } from "./ranking.ts";

const NAMES = ["luma", "chroma a", "chroma b", "edges, 4 px", "edges, 12 px"];
const FIRST = Float32Array.of(0.1, -0.5, 0.3, 0, 0.05);
const SECOND = Float32Array.of(0.2, 0, 0.25, -0.9, 0);
const ALL = { count: 5, sort: "absolute", search: "" } as const;

describe("ranking", () => {
  it("selects the strongest channels of either sign, in order", () => {
    const some = { ...ALL, count: 3 };
    expect(ranked([FIRST], NAMES, some)).toEqual([1, 2, 0]);
    expect(ranked([FIRST], NAMES, { ...some, sort: "value" })).toEqual([2, 0, 1]);
    expect(ranked([FIRST], NAMES, { ...some, sort: "index" })).toEqual([0, 1, 2]);
  });

  it("covers both targets and sorts by their difference", () => {
    const some = { ...ALL, count: 3 };
    expect(ranked([FIRST, SECOND], NAMES, some)).toEqual([3, 1, 2]);
    expect(ranked([FIRST, SECOND], NAMES, { ...some, sort: "difference" })).toEqual([3, 2, 1]);
  });

  it("searches by part of the name or start of the number", () => {
    expect(matchingChannels(NAMES, " EDGES")).toEqual([3, 4]);
    expect(matchingChannels(NAMES, "3")).toEqual([3]);
    expect(matchingChannels(NAMES, "1")).toEqual([1, 4]);
    expect(ranked([FIRST], NAMES, { ...ALL, count: 1, search: "px" })).toEqual([4]);
    expect(matchingChannels(NAMES, "hue")).toEqual([]);
  });

  it("scales bars to the largest magnitude", () => {
    expect(maxMagnitude([FIRST, SECOND], [0, 1])).toBe(0.5);
    expect(maxMagnitude([FIRST, SECOND], [3])).toBeCloseTo(0.9);
    expect(maxMagnitude([FIRST], [3])).toBe(1);
  });

  it("formats ranks and shares", () => {
    expect([0, 1, 2, 3, 4].map((j) => rankOf(j, FIRST))).toEqual([3, 1, 2, 5, 4]);
    expect([0.1234, -0.05, 0.0002, 0].map(percent)).toEqual(["+12.3", "−5.0", "0.0", "0.0"]);
  });
});

describe("ablation curves", () => {
  const curves = parseCurves(Float32Array.of(0, 1, 3, 1, 0.4, 0.2, 1, 1, 0.9, 1, 0.8, 0.6));

  it("are parsed from rows", () => {
    expect([...curves.counts]).toEqual([0, 1, 3]);
    expect(curves.top[1]).toBeCloseTo(0.4);
    expect(curves.bottom[2]).toBeCloseTo(0.9);
    expect(curves.random[2]).toBeCloseTo(0.6);
  });

  it("have the area that Python reports", () => {
    expect(faithfulnessArea(curves)).toBeCloseTo((0.2 * 1 + 0.4 * 2) / 3);
    expect(faithfulnessArea(parseCurves(Float32Array.of(0, 1, 1, 1)))).toBe(0);
  });
});
