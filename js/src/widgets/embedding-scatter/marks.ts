/** Marks of hovered and pinned points, drawn on top of all points. */
import { hexToRgb } from "../../shared/color.ts";

/** Theme colors for canvas drawing. */
export interface ThemeColors {
  ground: [number, number, number];
  line: string;
  muted: string;
  ring: string;
  edge: string;
  pinned: string;
}

export interface Mark {
  /** Hovered, in this or another view. */
  hovered: boolean;
  pinned: boolean;
}

export function readThemeColors(element: HTMLElement): ThemeColors {
  const style = getComputedStyle(element);
  const ink = (name: string) => style.getPropertyValue(`--ncut-${name}`).trim();
  return {
    ground: hexToFractions(ink("ground")),
    line: ink("line"),
    muted: ink("muted"),
    ring: ink("ring"),
    edge: ink("ring-edge"),
    pinned: ink("pinned"),
  };
}

/** #rrggbb as fractions; white for anything else, for example before the style sheet has loaded. */
function hexToFractions(color: string): [number, number, number] {
  const [r, g, b] = hexToRgb(/^#[0-9a-f]{6}$/i.test(color) ? color : "#ffffff");
  return [r / 255, g / 255, b / 255];
}

/** A ring with a dark edge, and an enlarged point if hovered. Lengths in CSS pixels. */
export function drawMark(
  context: CanvasRenderingContext2D,
  { x, y }: { x: number; y: number },
  radius: number,
  color: ArrayLike<number>,
  { hovered, pinned }: Mark,
  theme: ThemeColors,
): void {
  const inner = hovered ? Math.max(6, radius * 1.5) : Math.max(4, radius);
  const disc = (size: number, fill: string) => {
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.fillStyle = fill;
    context.fill();
  };
  if (hovered) {
    context.shadowColor = "rgb(0 0 0 / 45%)";
    context.shadowBlur = 8;
  }
  disc(inner + 3.5, theme.edge);
  context.shadowColor = "transparent";
  disc(inner + 2.5, pinned ? theme.pinned : theme.ring);
  disc(inner + 0.75, theme.edge);
  disc(inner, `rgb(${color[0]} ${color[1]} ${color[2]})`);
}
