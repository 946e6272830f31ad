/** Edits of objects. Each returns new objects, because changes are detected by identity. */
import type { BoxPrompt, Click, ImageMeta, MaskObject } from "../../shared/types.ts";
import { uniqueName } from "../../shared/unique-name.ts";

/**
 * The Okabe-Ito palette, which is distinguishable with color vision deficiencies, without black, which would look like a
 * shadow. The remaining colors maximize the distance to all previous ones, avoiding dark, dull and glaring colors. The same
 * palette as in Python.
 */
export const COLORS = [
  "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
  "#662299", "#cc0044", "#eecc99", "#559900", "#aa99ff", "#44ee88",
  "#cc1188", "#55eeee", "#665522", "#ff8877", "#883322", "#ee77ee",
] as const;

export interface Objects {
  objects: MaskObject[];
  active_object: number | null;
}

/** One click or box of an object. */
export interface PromptId {
  kind: "clicks" | "boxes";
  index: number;
}

/** In pixels of an image. */
export interface Point {
  image: number;
  x: number;
  y: number;
}

/** Python's default if the number of eigenvectors is unknown. */
const N_EIG = 20;

export function blankObject(objects: readonly MaskObject[], n_eig = N_EIG): MaskObject {
  const used = objects.map(({ color }) => color);
  return {
    name: uniqueName(objects, "object", { numbered: true }),
    color: COLORS.find((color) => !used.includes(color)) ?? COLORS[objects.length % COLORS.length]!,
    visible: true,
    clicks: [],
    boxes: [],
    threshold: 0.5,
    gamma: 1,
    negative_threshold: 0.99,
    min_area: 3,
    n_eig,
    method: "similarity",
    click_weight: 0.5,
  };
}

/** Adds an object and makes it active. */
export function withNew({ objects }: Objects, object = blankObject(objects)): Objects {
  return { objects: [...objects, object], active_object: objects.length };
}

export function changed({ objects }: Objects, index: number, change: Partial<MaskObject>): MaskObject[] {
  return objects.map((object, at) => (at === index ? { ...object, ...change } : object));
}

export function without({ objects, active_object: active }: Objects, index: number): Objects {
  const rest = objects.filter((_, at) => at !== index);
  if (active === null || !rest.length) return { objects: rest, active_object: null };
  return { objects: rest, active_object: active > index ? active - 1 : Math.min(active, rest.length - 1) };
}

/** Appends a copy of an object in another color. */
export function withCopy(all: Objects, index: number): Objects {
  const original = all.objects[index]!;
  const { color } = blankObject(all.objects);
  return withNew(all, { ...original, name: uniqueName(all.objects, `${original.name} copy`, { numbered: true }), color, visible: true });
}

/** Error message for an invalid object name, or null. */
export function nameError(objects: readonly MaskObject[], index: number, name: string): string | null {
  if (!name) return "The name must not be empty.";
  const other = objects.findIndex((object) => object.name === name);
  return other < 0 || other === index ? null : `“${name}” is already used by another object.`;
}

/** Adds a prompt to the active object, which is created if there is none. */
export function withPrompt(all: Objects, prompt: Click | BoxPrompt, blank = blankObject(all.objects)): Objects & { prompt: PromptId } {
  const { objects, active_object } = all.active_object === null || !all.objects[all.active_object] ? withNew(all, blank) : all;
  const object = objects[active_object!]!;
  const kind = "x0" in prompt ? "boxes" : "clicks";
  const edited = changed({ objects, active_object }, active_object!, { [kind]: [...object[kind], prompt] });
  return { objects: edited, active_object, prompt: { kind, index: object[kind].length } };
}

export function withoutPrompt(object: MaskObject, { kind, index }: PromptId): Partial<MaskObject> {
  return { [kind]: (object[kind] as readonly (Click | BoxPrompt)[]).filter((_, at) => at !== index) };
}

export function withPromptAt(object: MaskObject, { kind, index }: PromptId, prompt: Click | BoxPrompt): Partial<MaskObject> {
  return { [kind]: (object[kind] as readonly (Click | BoxPrompt)[]).map((old, at) => (at === index ? prompt : old)) };
}

/** Moves a prompt by some pixels, within its image. */
export function moved(prompt: Click | BoxPrompt, { width, height }: ImageMeta, dx: number, dy: number): Click | BoxPrompt {
  if (!("x0" in prompt)) return { ...prompt, x: clickCoordinate(prompt.x + dx, width), y: clickCoordinate(prompt.y + dy, height) };
  const [x0, x1] = shifted(prompt.x0, prompt.x1, dx, width);
  const [y0, y1] = shifted(prompt.y0, prompt.y1, dy, height);
  return { ...prompt, x0, x1, y0, y1 };
}

function shifted(from: number, to: number, by: number, length: number): [number, number] {
  const start = rounded(clamp(from + by, 0, length - (to - from)));
  return [start, Math.min(length, start + to - from)];
}

/** The box between two corners in the image of the first one. */
export function boxBetween(from: Point, to: Point, image: ImageMeta, positive: boolean): BoxPrompt {
  const [x0, x1] = [from.x, to.x].sort((a, b) => a - b).map((x) => rounded(clamp(x, 0, image.width))) as [number, number];
  const [y0, y1] = [from.y, to.y].sort((a, b) => a - b).map((y) => rounded(clamp(y, 0, image.height))) as [number, number];
  return { image: from.image, x0, y0, x1, y1, positive };
}

/** A click coordinate within [0, length), in hundredths of a pixel. */
export function clickCoordinate(value: number, length: number): number {
  return Math.floor(clamp(value, 0, length - 0.01) * 100) / 100;
}

/** Rounded towards zero, so that the value stays within the image. */
function rounded(value: number): number {
  return Math.trunc(value * 100) / 100;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
