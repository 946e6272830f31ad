import { describe, expect, it } from "vitest";
import colors from "../../../../tests/vectors/colors.json" with { type: "json" };
import type { BoxPrompt, Click } from "../../shared/types.ts";
import { COLORS, blankObject, boxBetween, clickCoordinate, moved, nameError, withCopy, withNew, withPrompt, without } from "./objects.ts";

const IMAGE = { name: "one", width: 40, height: 30 };
const CLICK: Click = { image: 0, x: 10, y: 5, positive: true };
const BOX: BoxPrompt = { image: 0, x0: 4, y0: 6, x1: 14, y1: 16, positive: false };
const NONE = { objects: [], active_object: null };

describe("objects", () => {
  it("get unused names and colors", () => {
    let all: ReturnType<typeof withNew> = NONE;
    for (let i = 0; i <= COLORS.length; i++) all = withNew(all);
    expect(all.objects.map(({ name }) => name)).toEqual(all.objects.map((_, i) => `object ${i + 1}`));
    expect(new Set(all.objects.map(({ color }) => color))).toEqual(new Set(COLORS));
    expect(COLORS).toEqual(colors);
    const gap = without(all, 2);
    expect(blankObject(gap.objects)).toMatchObject({ name: "object 3", color: COLORS[2] });
  });

  it("are created by the first prompt; the active one gets the next", () => {
    const first = withPrompt(NONE, CLICK);
    expect(first).toMatchObject({ active_object: 0, objects: [{ name: "object 1", clicks: [CLICK] }], prompt: { kind: "clicks", index: 0 } });
    const two = { ...withNew(first), active_object: 0 };
    const second = withPrompt(two, BOX);
    expect(second.objects.map(({ clicks, boxes }) => [clicks.length, boxes.length])).toEqual([[1, 1], [0, 0]]);
    expect(second.objects[1]).toBe(two.objects[1]);
    expect(second.prompt).toEqual({ kind: "boxes", index: 0 });
  });

  it("keep a valid active index after a removal", () => {
    const three = { ...withNew(withNew(withNew(NONE))), active_object: 1 };
    expect(without(three, 0)).toMatchObject({ active_object: 0, objects: [{ name: "object 2" }, { name: "object 3" }] });
    expect(without(three, 2)).toMatchObject({ active_object: 1 });
    expect(without({ ...three, active_object: 2 }, 2)).toMatchObject({ active_object: 1 });
    expect(without(withNew(NONE), 0)).toEqual(NONE);
  });

  it("are copied with their clicks, with another name and color", () => {
    const copied = withCopy(withPrompt(NONE, CLICK), 0);
    expect(copied.active_object).toBe(1);
    expect(copied.objects[1]).toEqual({ ...copied.objects[0]!, name: "object 1 copy 1", color: COLORS[1] });
  });

  it("have unique names", () => {
    const { objects } = withNew(withNew(NONE));
    expect(nameError(objects, 0, "object 1")).toBeNull();
    expect(nameError(objects, 0, "hand")).toBeNull();
    expect(nameError(objects, 0, "object 2")).toContain("another object");
    expect(nameError(objects, 0, "")).toContain("empty");
  });
});

describe("prompts", () => {
  it("move within their image", () => {
    expect(moved(CLICK, IMAGE, 3.456, -2)).toEqual({ ...CLICK, x: 13.45, y: 3 });
    expect(moved(CLICK, IMAGE, 100, -100)).toEqual({ ...CLICK, x: 39.99, y: 0 });
    expect(moved(BOX, IMAGE, 100, -100)).toEqual({ ...BOX, x0: 30, x1: 40, y0: 0, y1: 10 });
    const odd = { ...BOX, x0: 0.1, x1: 33.43 };
    expect((moved(odd, IMAGE, 50, 0) as BoxPrompt).x1).toBeLessThanOrEqual(40);
  });

  it("span a box between corners in any order, within the image", () => {
    const box = boxBetween({ image: 2, x: 20, y: 10 }, { image: 2, x: -5, y: 99 }, IMAGE, false);
    expect(box).toEqual({ image: 2, x0: 0, x1: 20, y0: 10, y1: 30, positive: false });
  });

  it("have coordinates below the image size", () => {
    expect(clickCoordinate(40, 40)).toBe(39.99);
    expect(clickCoordinate(-1, 40)).toBe(0);
  });
});
