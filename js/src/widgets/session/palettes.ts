/** Colormaps. Only the session bundle includes the color library; views read the tables from the store. */
import { interpolateInferno, interpolateRdBu } from "d3-scale-chromatic";
import { hexToRgb } from "../../shared/color.ts";

function table(interpolate: (t: number) => string): Uint8ClampedArray {
  const colors = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const color = interpolate(i / 255);
    const channels = color.startsWith("#")
      ? hexToRgb(color)
      : color.match(/[\d.]+/g)!.map(Number);
    colors.set([channels[0]!, channels[1]!, channels[2]!, 255], i * 4);
  }
  return colors;
}

/** More transparent for low values, so that the image below stays visible. */
function withFadingAlpha(colors: Uint8ClampedArray): Uint8ClampedArray {
  return colors.map((value, i) => (i % 4 === 3 ? 90 + 165 * Math.min(1, (1.5 * i) / colors.length) : value));
}

const sequential = table(interpolateInferno);

export const palettes = {
  /** Negative values blue, zero white, positive values red. */
  diverging: table((t) => interpolateRdBu(1 - t)),
  sequential,
  heat: withFadingAlpha(sequential),
};
