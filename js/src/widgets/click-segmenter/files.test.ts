import { describe, expect, it } from "vitest";
import { clicksFile, fileNames, maskFile, pixelsOf } from "./files.ts";
import { withNew } from "./objects.ts";
import { encodePng } from "./png.ts";
import { crc32, createZip } from "./zip.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("file names", () => {
  it("match Python: readable, valid on every system, unique", () => {
    expect(fileNames(["cat.jpg", "CAT.png", "../a/b", "…", "..", "nul"])).toEqual(["cat", "CAT-2", "_a_b", "…", "unnamed", "nul_"]);
    expect(fileNames(["con.txt", "a\u0000b", " x . "])).toEqual(["con_.txt", "a_b", "x"]);
    expect(fileNames(["Masks.JSON", "masks.json.png", "com²"], ["masks.json"])).toEqual(["Masks.JSON-2", "masks.json-3", "com²_"]);
    expect(bytes(fileNames(["ü".repeat(200)])[0]!)).toHaveLength(120);
  });
});

describe("pixels", () => {
  it("have the value of the patch at their top left corner", () => {
    const pixels = pixelsOf(Uint32Array.of(1, 2, 3, 4, 5, 6), { image: 0, rows: 2, columns: 3, source: "a" }, 7, 3);
    expect([...pixels]).toEqual([1, 1, 1, 2, 2, 3, 3, 1, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6]);
  });
});

describe("PNG", () => {
  /** Its verified chunks, with decompressed pixels. */
  const read = async (png: Uint8Array) => {
    expect([...png.subarray(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10]);
    const view = new DataView(png.buffer);
    const found: [string, number[]][] = [];
    for (let at = 8; at < png.length;) {
      const length = view.getUint32(at);
      const name = new TextDecoder().decode(png.subarray(at + 4, at + 8));
      const content = png.slice(at + 8, at + 8 + length);
      expect(view.getUint32(at + 8 + length)).toBe(crc32(png.subarray(at + 4, at + 8 + length)));
      const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("deflate"));
      found.push([name, [...(name === "IDAT" ? new Uint8Array(await new Response(stream).arrayBuffer()) : content)]]);
      at += length + 12;
    }
    return found;
  };

  it("of a mask is 8-bit gray", async () => {
    expect(await read(await encodePng(Uint8Array.of(0, 255, 255, 255, 0, 0), 3, 2, 1))).toEqual([
      ["IHDR", [0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0]], ["IDAT", [0, 0, 255, 255, 0, 255, 0, 0]], ["IEND", []],
    ]);
  });

  it("of colors is 8-bit RGB", async () => {
    expect(await read(await encodePng(Uint8Array.of(1, 2, 3, 4, 5, 6), 1, 2, 3))).toEqual([
      ["IHDR", [0, 0, 0, 1, 0, 0, 0, 2, 8, 2, 0, 0, 0]], ["IDAT", [0, 1, 2, 3, 0, 4, 5, 6]], ["IEND", []],
    ]);
  });
});

describe("mask file", () => {
  it("contains empty masks for images outside the source", async () => {
    const object = { name: "cup" };
    const store = {
      prepare: async () => {},
      masks: () => [{ index: 0, object, nodes: Uint8Array.of(1, 0), missing: false }],
      get: (key: string) => ({
        source: "a",
        meta: {
          images: [{ name: "one", width: 2, height: 1 }, { name: "two", width: 3, height: 2 }],
          maps: [{ image: 0, rows: 1, columns: 2, source: "a" }],
        },
      })[key],
    } as never;
    const { content } = await maskFile(store);
    const holds = (png: Uint8Array) => Buffer.from(content).includes(Buffer.from(png));
    expect(holds(await encodePng(Uint8Array.of(255, 0), 2, 1, 1))).toBe(true);
    expect(holds(await encodePng(new Uint8Array(6), 3, 2, 1))).toBe(true);
    expect(Buffer.from(content).includes("cup/two.png")).toBe(true);
  });
});

describe("clicks file", () => {
  it("contains objects and images", () => {
    const { objects } = withNew({ objects: [], active_object: null });
    const { name, content } = clicksFile([{ name: "one", width: 4, height: 3 }], objects);
    expect(name).toBe("clicks.json");
    expect(JSON.parse(new TextDecoder().decode(content))).toEqual({
      format: "ncut-widgets clicks", version: 1, images: [{ name: "one", width: 4, height: 3 }], objects,
    });
  });
});

describe("zip", () => {
  it("uses the standard CRC-32", () => {
    expect(crc32(bytes("123456789"))).toBe(0xcbf43926);
  });

  it("stores files and a directory of their offsets", () => {
    const zip = createZip({ "a/ü.txt": bytes("hello"), empty: new Uint8Array(0) });
    const view = new DataView(zip.buffer);
    const end = zip.length - 22;
    expect(view.getUint32(end, true)).toBe(0x06054b50);
    expect(view.getUint16(end + 10, true)).toBe(2);
    let entry = view.getUint32(end + 16, true);
    const found: [string, string][] = [];
    for (let i = 0; i < 2; i++) {
      expect(view.getUint32(entry, true)).toBe(0x02014b50);
      const length = view.getUint16(entry + 28, true);
      const at = view.getUint32(entry + 42, true);
      expect(view.getUint32(at, true)).toBe(0x04034b50);
      const name = new TextDecoder().decode(zip.subarray(entry + 46, entry + 46 + length));
      const size = view.getUint32(at + 18, true);
      found.push([name, new TextDecoder().decode(zip.subarray(at + 30 + length, at + 30 + length + size))]);
      entry += 46 + length;
    }
    expect(found).toEqual([["a/ü.txt", "hello"], ["empty", ""]]);
    expect(entry).toBe(end);
  });
});
