/** Creates a zip archive of uncompressed entries, because the files are compressed already. */

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
/** Version 2.0, UTF-8 names, stored; dated 1 January 1980, so that equal files produce equal archives. */
const KIND = [20, 0x0800, 0, 0, 0x21] as const;

/** Zip archive of these files by name, in their order. */
export function createZip(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const path = new TextEncoder().encode(name);
    const sizes = [crc32(content), content.length, content.length] as const;
    const head = record(LOCAL, [...KIND], sizes, [path.length, 0]);
    directory.push(record(CENTRAL, [20, ...KIND], sizes, [path.length, 0, 0, 0, 0, 0, 0], at), path);
    parts.push(head, path, content);
    at += head.length + path.length + content.length;
  }
  const count = directory.length / 2;
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record(END, [0, 0, count, count], [length, at], [0]);
  return concatenate([...parts, ...directory, end]);
}

/** A signature, 16-bit, 32-bit and 16-bit numbers, and the offset of an entry. */
function record(signature: number, shorts: readonly number[], longs: readonly number[], more: readonly number[], at?: number): Uint8Array {
  const last = at === undefined ? [] : [at];
  const bytes = new Uint8Array(4 + 2 * (shorts.length + more.length) + 4 * (longs.length + last.length));
  const view = new DataView(bytes.buffer);
  let to = 0;
  const put = (value: number, size: 2 | 4) => {
    if (size === 2) view.setUint16(to, value, true);
    else view.setUint32(to, value, true);
    to += size;
  };
  put(signature, 4);
  for (const value of shorts) put(value, 2);
  for (const value of longs) put(value, 4);
  for (const value of more) put(value, 2);
  for (const value of last) put(value, 4);
  return bytes;
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32, the checksum of zip and PNG. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255]!;
  return (crc ^ 0xffffffff) >>> 0;
}
