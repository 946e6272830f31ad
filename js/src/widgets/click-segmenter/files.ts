/** Files that the page makes itself, as ncut_widgets.export makes them: masks, overlays, and what the clicks were. */
import { PatchGrid } from "../../shared/geometry.ts";
import type { ImageMeta, MapMeta, MaskObject, NodeMask, SessionStore } from "../../shared/types.ts";
import { encodePng } from "./png.ts";
import { createZip } from "./zip.ts";

export interface File {
  name: string;
  content: Uint8Array;
  type: string;
}

const ZIP = "application/zip";
const JSON_TYPE = "application/json";
/** File systems count bytes, mostly up to 255: this leaves room for a number and a suffix. */
const MAX_STEM_BYTES = 120;
const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])(\.|$)/i;
/** Lies beside the folders of the objects. */
const MASKS_JSON = "masks.json";

/** One PNG for each object and image, of the size of the image: 255 inside and 0 outside. */
export async function maskFile(store: SessionStore): Promise<File> {
  await store.prepare();
  const meta = store.get("meta");
  const grid = new PatchGrid(meta);
  const masks = store.masks()!;
  throwIfMissing(masks);
  const stems = fileNames(meta.images.map(({ name }) => name));
  const folders = fileNames(masks.map(({ object }) => object.name), [MASKS_JSON]);
  const files: Record<string, Uint8Array> = {};
  const entries: { file: string; object: string; image: string }[] = [];
  for (const [i, { object, nodes }] of masks.entries()) {
    for (const [image, { name, width, height }] of meta.images.entries()) {
      const map = grid.find(image, store.get("source"));
      const file = `${folders[i]}/${stems[image]}.png`;
      entries.push({ file, object: object.name, image: name });
      // Of an image that the source doesn't show: nothing, as in Python.
      const inside = map < 0 ? null : nodes.subarray(grid.offsets[map]!, grid.offsets[map + 1]!).map((is) => (is ? 255 : 0));
      const pixels = inside ? pixelsOf(inside, grid.maps[map]!, width, height) : new Uint8Array(width * height);
      files[file] = await encodePng(pixels, width, height, 1);
    }
  }
  files[MASKS_JSON] = json({ masks: entries });
  return { name: "masks.zip", content: createZip(files), type: ZIP };
}

/** Each image, as large as it is on the page, with the visible masks laid over it. */
export async function overlayFile(store: SessionStore): Promise<File> {
  await store.prepare();
  const meta = store.get("meta");
  const grid = new PatchGrid(meta);
  const colors = new Uint32Array(store.maskColors()!.buffer);
  throwIfMissing(store.masks()!.filter(({ object }) => object.visible));
  const stems = fileNames(meta.images.map(({ name }) => name));
  const files: Record<string, Uint8Array> = {};
  for (const image of meta.images.keys()) {
    const photo = await load(await store.image(image));
    const { naturalWidth: width, naturalHeight: height } = photo;
    const canvas = createCanvas(width, height);
    const context = canvas.getContext("2d")!;
    context.drawImage(photo, 0, 0);
    const map = grid.find(image, store.get("source"));
    if (map >= 0) {
      const patches = colors.subarray(grid.offsets[map]!, grid.offsets[map + 1]!);
      context.globalAlpha = store.get("blend");
      context.drawImage(canvasOf(pixelsOf(patches, grid.maps[map]!, width, height), width, height), 0, 0);
    }
    files[`${stems[image]}.png`] = await encodePng(withoutAlpha(context.getImageData(0, 0, width, height).data), width, height, 3);
  }
  return { name: "overlays.zip", content: createZip(files), type: ZIP };
}

/** An empty mask in the place of one that could not be made would be taken for it. */
function throwIfMissing(masks: readonly NodeMask[]): void {
  const missing = masks.find((mask) => mask.missing);
  if (missing) throw new Error(`${missing.object.name} has no mask, for it takes a kernel to cut the graph. Undo, choose Similarity, or delete it.`);
}

/** What `load_clicks` reads in Python. */
export function clicksFile(images: readonly ImageMeta[], objects: readonly MaskObject[]): File {
  const content = json({ format: "ncut-widgets clicks", version: 1, images, objects });
  return { name: "clicks.json", content, type: JSON_TYPE };
}

/** What patches have, as pixels: each as the patch over its top left corner, which is how Python has it. */
export function pixelsOf<T extends Uint8Array | Uint32Array>(
  patches: T, { rows, columns }: MapMeta, width: number, height: number,
): T {
  const out = new (patches.constructor as new (length: number) => T)(width * height);
  const under = Int32Array.from({ length: width }, (_, x) => Math.floor((x * columns) / width));
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * rows) / height) * columns;
    for (let x = 0; x < width; x++) out[y * width + x] = patches[row + under[x]!]!;
  }
  return out;
}

/** RGB of RGBA. */
function withoutAlpha(pixels: Uint8ClampedArray): Uint8Array {
  const out = new Uint8Array((pixels.length / 4) * 3);
  for (let from = 0, to = 0; from < pixels.length; from += 4, to += 3) out.set(pixels.subarray(from, from + 3), to);
  return out;
}

/** A file name, without suffix, for each name: readable, safe on every system, unique, and noObject of those `beside` them. */
export function fileNames(names: readonly string[], beside: readonly string[] = []): string[] {
  const taken = new Set(beside);
  return names.map((name) => {
    const stem = safeStem(name);
    let unique = stem;
    // Some systems take names that differ only in case for the same.
    for (let count = 2; taken.has(unique.toLowerCase()); count++) unique = `${stem}-${count}`;
    taken.add(unique.toLowerCase());
    return unique;
  });
}

function safeStem(name: string): string {
  const plain = name
    .replace(/(?<=.)\.(bmp|gif|jpe?g|png|p[gp]m|tiff?|webp|avif)$/i, "")
    .normalize("NFC")
    .replace(/[/\\:*?"<>|\p{C}\p{Zl}\p{Zp}]/gu, "_");
  const short = new TextDecoder().decode(new TextEncoder().encode(trim(plain)).subarray(0, MAX_STEM_BYTES)).replace(/\ufffd+$/, "");
  const text = trim(short) || "unnamed";
  return RESERVED.test(text) ? text.replace(RESERVED, "$1_$2") : text;
}

function trim(text: string): string {
  return text.replace(/^[ .]+|[ .]+$/g, "");
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
}

async function load(url: string): Promise<HTMLImageElement> {
  const photo = new Image();
  photo.src = url;
  await photo.decode();
  return photo;
}

function createCanvas(width: number, height: number): HTMLCanvasElement {
  return Object.assign(document.createElement("canvas"), { width, height });
}

function canvasOf(pixels: Uint32Array, width: number, height: number): HTMLCanvasElement {
  const canvas = createCanvas(width, height);
  canvas.getContext("2d")!.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer as ArrayBuffer), width, height), 0, 0);
  return canvas;
}
