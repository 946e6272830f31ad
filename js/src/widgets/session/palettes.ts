/** The colour tables. Only the session's bundle carries the library they come from; views get them from the store. */
import { interpolateInferno, interpolateRdBu } from "d3-scale-chromatic";

function table(interpolate: (t: number) => string): Uint8ClampedArray {
  const colors = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const color = interpolate(i / 255);
    const channels = color.startsWith("#")
      ? [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16))
      : color.match(/[\d.]+/g)!.map(Number);
    colors.set([channels[0]!, channels[1]!, channels[2]!, 255], i * 4);
  }
  return colors;
}

/** Clear where it is cold, so that a picture below is still seen where nothing is alike. */
function withFadingAlpha(colors: Uint8ClampedArray): Uint8ClampedArray {
  return colors.map((value, i) => (i % 4 === 3 ? 90 + 165 * Math.min(1, (1.5 * i) / colors.length) : value));
}

const sequential = table(interpolateInferno);

export const palettes = {
  /** Blue below zero, white at zero, red above. */
  diverging: table((t) => interpolateRdBu(1 - t)),
  sequential,
  heat: withFadingAlpha(sequential),
};
