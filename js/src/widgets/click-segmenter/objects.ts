/** Edits of the objects: each returns new ones, since what has not changed must be told by identity. */
import type { BoxPrompt, Click, ImageMeta, MaskObject } from "../../shared/types.ts";

/**
 * Okabe and Ito's, which nearly everybody tells apart; without black, in which a mask would look like a shadow. Then
 * those that are farthest from all before, where neither dark nor dull nor glaring. The same as Python's.
 */
export const COLORS = [
  "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
  "#662299", "#cc0044", "#eecc99", "#559900", "#aa99ff", "#44ee88",
  "#cc1188", "#55eeee", "#665522", "#ff8877", "#883322", "#ee77ee",
] as const;

export interface Objects {
  objects: MaskObject[];
  active: number | null;
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

/** What Python takes where it is not told how many eigenvectors there are. */
const N_EIG = 20;

export function blankObject(objects: readonly MaskObject[], n_eig = N_EIG): MaskObject {
  const used = objects.map(({ color }) => color);
  return {
    name: freeName(objects, "object"),
    color: COLORS.find((color) => !used.includes(color)) ?? COLORS[objects.length % COLORS.length]!,
    visible: true,
    clicks: [],
    boxes: [],
    threshold: 0.5,
    gamma: 1,
    negative_threshold: 0.99,
    denoise: 3,
    n_eig,
    method: "similarity",
    click_weight: 0.5,
  };
}

/** The stem and the first number that makes a name of it that no object has. */
export function freeName(objects: readonly MaskObject[], stem: string): string {
  const taken = new Set(objects.map(({ name }) => name));
  let number = 1;
  while (taken.has(`${stem} ${number}`)) number++;
  return `${stem} ${number}`;
}

/** With another object, which is then the active one. */
export function withNew({ objects }: Objects, object = blankObject(objects)): Objects {
  return { objects: [...objects, object], active: objects.length };
}

export function changed({ objects }: Objects, index: number, change: Partial<MaskObject>): MaskObject[] {
  return objects.map((object, at) => (at === index ? { ...object, ...change } : object));
}

export function without({ objects, active }: Objects, index: number): Objects {
  const rest = objects.filter((_, at) => at !== index);
  if (active === null || !rest.length) return { objects: rest, active: null };
  return { objects: rest, active: active > index ? active - 1 : Math.min(active, rest.length - 1) };
}

/** With a copy after the last, in a colour of its own. */
export function withCopy(all: Objects, index: number): Objects {
  const original = all.objects[index]!;
  const { color } = blankObject(all.objects);
  return withNew(all, { ...original, name: freeName(all.objects, `${original.name} copy`), color, visible: true });
}

/** Why an object can't have a name, or null if it can. */
export function nameError(objects: readonly MaskObject[], index: number, name: string): string | null {
  if (!name) return "A name must not be empty.";
  const other = objects.findIndex((object) => object.name === name);
  return other < 0 || other === index ? null : `“${name}” is the name of another object.`;
}

/** With a prompt in the active object, which is made if there is none. */
export function withPrompt(all: Objects, prompt: Click | BoxPrompt, blank = blankObject(all.objects)): Objects & { prompt: PromptId } {
  const { objects, active } = all.active === null || !all.objects[all.active] ? withNew(all, blank) : all;
  const object = objects[active!]!;
  const kind = "x0" in prompt ? "boxes" : "clicks";
  const edited = changed({ objects, active }, active!, { [kind]: [...object[kind], prompt] });
  return { objects: edited, active, prompt: { kind, index: object[kind].length } };
}

export function withoutPrompt(object: MaskObject, { kind, index }: PromptId): Partial<MaskObject> {
  return { [kind]: (object[kind] as readonly (Click | BoxPrompt)[]).filter((_, at) => at !== index) };
}

export function withPromptAt(object: MaskObject, { kind, index }: PromptId, prompt: Click | BoxPrompt): Partial<MaskObject> {
  return { [kind]: (object[kind] as readonly (Click | BoxPrompt)[]).map((old, at) => (at === index ? prompt : old)) };
}

/** A prompt moved by so many pixels, as far as its image goes. */
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

/** The box between two corners in the image of the first. */
export function boxBetween(from: Point, to: Point, image: ImageMeta, positive: boolean): BoxPrompt {
  const [x0, x1] = [from.x, to.x].sort((a, b) => a - b).map((x) => rounded(clamp(x, 0, image.width))) as [number, number];
  const [y0, y1] = [from.y, to.y].sort((a, b) => a - b).map((y) => rounded(clamp(y, 0, image.height))) as [number, number];
  return { image: from.image, x0, y0, x1, y1, positive };
}

/** A coordinate of a click: within [0, length), in hundredths of a pixel, which is finer than anybody points. */
export function clickCoordinate(value: number, length: number): number {
  return Math.floor(clamp(value, 0, length - 0.01) * 100) / 100;
}

/** Towards zero, so that what was within the image stays there. */
function rounded(value: number): number {
  return Math.trunc(value * 100) / 100;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
