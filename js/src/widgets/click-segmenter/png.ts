/** Encodes 8-bit gray or RGB PNGs like those of Python; a canvas can only encode RGBA. */
import { crc32, concatenate } from "./zip.ts";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** PNG color types by number of channels. */
const COLOR_TYPES = { 1: 0, 3: 2 } as const;

/** From (height, width, channels) bytes. */
export async function encodePng(pixels: Uint8Array, width: number, height: number, channels: 1 | 3): Promise<Uint8Array> {
  const stride = width * channels;
  const lines = new Uint8Array((stride + 1) * height);
  // Each line starts with its filter type: 0 for none, which suits masks.
  for (let y = 0; y < height; y++) lines.set(pixels.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, COLOR_TYPES[channels]], 8);
  return concatenate([SIGNATURE, chunk("IHDR", head), chunk("IDAT", await deflate(lines)), chunk("IEND", new Uint8Array(0))]);
}

function chunk(name: string, content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, content.length);
  out.set(new TextEncoder().encode(name), 4);
  out.set(content, 8);
  view.setUint32(content.length + 8, crc32(out.subarray(4, content.length + 8)));
  return out;
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
