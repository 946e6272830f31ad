/** Files created in the page, with the same format as those of ncut_widgets.export: masks, overlays and clicks. */
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
/** File systems limit names to 255 bytes: this leaves room for a counter and an extension. */
const MAX_STEM_BYTES = 120;
const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])(\.|$)/i;
/** Stored next to the folders of the objects. */
const MASKS_JSON = "masks.json";

/** One PNG for each object and image, in the size of the image: 255 inside, 0 outside. */
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
      // An image without patches under the source has an empty mask, as in Python.
      const inside = map < 0 ? null : nodes.subarray(grid.offsets[map]!, grid.offsets[map + 1]!).map((is) => (is ? 255 : 0));
      const pixels = inside ? pixelsOf(inside, grid.maps[map]!, width, height) : new Uint8Array(width * height);
      files[file] = await encodePng(pixels, width, height, 1);
    }
  }
  files[MASKS_JSON] = json({ masks: entries });
  return { name: "masks.zip", content: createZip(files), type: ZIP };
}

/** Each image, in the size displayed in the page, with the visible masks overlaid. */
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

/** Export no mask that is not available: an empty one would be mistaken for the result. */
function throwIfMissing(masks: readonly NodeMask[]): void {
  const missing = masks.find((mask) => mask.missing);
  if (missing) throw new Error(`${missing.object.name} has no mask: graph cuts require a kernel. Undo, choose Similarity, or delete the object.`);
}

/** The format that `load_clicks` reads in Python. */
export function clicksFile(images: readonly ImageMeta[], objects: readonly MaskObject[]): File {
  const content = json({ format: "ncut-widgets clicks", version: 1, images, objects });
  return { name: "clicks.json", content, type: JSON_TYPE };
}

/** Patch values as pixels: each pixel has the value of the patch at its top left corner, as in Python. */
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

/** RGBA to RGB. */
function withoutAlpha(pixels: Uint8ClampedArray): Uint8Array {
  const out = new Uint8Array((pixels.length / 4) * 3);
  for (let from = 0, to = 0; from < pixels.length; from += 4, to += 3) out.set(pixels.subarray(from, from + 3), to);
  return out;
}

/** A file stem for each name: readable, valid on every system, unique, and different from those `beside` them. */
export function fileNames(names: readonly string[], beside: readonly string[] = []): string[] {
  const taken = new Set(beside);
  return names.map((name) => {
    const stem = safeStem(name);
    let unique = stem;
    // Some file systems are case-insensitive.
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
