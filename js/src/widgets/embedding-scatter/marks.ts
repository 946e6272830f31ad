/** The hovered and the pinned points, drawn over everything so that no other point hides them. */

/** The colours of the theme that a canvas needs. */
export interface ThemeColors {
  ground: [number, number, number];
  line: string;
  muted: string;
  ring: string;
  edge: string;
  pinned: string;
}

export interface Mark {
  /** Under the pointer, here or in another view. */
  lit: boolean;
  pinned: boolean;
}

export function readThemeColors(element: HTMLElement): ThemeColors {
  const style = getComputedStyle(element);
  const ink = (name: string) => style.getPropertyValue(`--ncut-${name}`).trim();
  return {
    ground: parseHex(ink("ground")),
    line: ink("line"),
    muted: ink("muted"),
    ring: ink("ring"),
    edge: ink("ring-edge"),
    pinned: ink("pinned"),
  };
}

/** #rrggbb as fractions; white for anything else, as where no style sheet has been loaded yet. */
export function parseHex(color: string): [number, number, number] {
  const digits = /^#([0-9a-f]{6})$/i.exec(color)?.[1] ?? "ffffff";
  const value = Number.parseInt(digits, 16);
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

/** A ring with a dark edge, and when lit the point itself, larger. Lengths in CSS pixels. */
export function drawMark(
  context: CanvasRenderingContext2D,
  { x, y }: { x: number; y: number },
  radius: number,
  color: ArrayLike<number>,
  { lit, pinned }: Mark,
  theme: ThemeColors,
): void {
  const inner = lit ? Math.max(6, radius * 1.5) : Math.max(4, radius);
  const disc = (size: number, fill: string) => {
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.fillStyle = fill;
    context.fill();
  };
  if (lit) {
    context.shadowColor = "rgb(0 0 0 / 45%)";
    context.shadowBlur = 8;
  }
  disc(inner + 3.5, theme.edge);
  context.shadowColor = "transparent";
  disc(inner + 2.5, pinned ? theme.pinned : theme.ring);
  disc(inner + 0.75, theme.edge);
  disc(inner, `rgb(${color[0]} ${color[1]} ${color[2]})`);
}
