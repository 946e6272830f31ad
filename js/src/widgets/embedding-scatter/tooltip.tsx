/** Tooltip of a hovered point: a crop of its image with the patch marked. */
import type { PatchGrid } from "../../shared/geometry.ts";
import type { Meta } from "../../shared/types.ts";
import { describePatch } from "./state.ts";

/** Side of the thumbnail in CSS pixels, and width of the crop in patches. */
const THUMBNAIL = 112;
const CROP_PATCHES = 7;
/** Minimum fraction of the image: a few magnified pixels are not recognizable. */
const MIN_CROP_SHARE = 0.3;
/** Padding and border on both sides, gap below the thumbnail, line height: as in the style sheet. */
const FRAME = 12;
const GAP_BELOW = 4;
const LINE = 16;
const GAP = 14;
const EDGE = 4;

export interface TooltipState {
  node: number;
  /** Position of the point on the stage. */
  x: number;
  y: number;
  url: string | null;
  /** Name of the cluster. */
  cluster: string | null;
}

interface Rectangle {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Below and to the right of the point, flipped if there is no room, and always inside the stage. */
export function placeTooltip(
  point: { x: number; y: number }, size: { width: number; height: number }, stage: { width: number; height: number },
): { left: number; top: number } {
  const along = (at: number, length: number, room: number) => {
    const after = at + GAP;
    const before = at - GAP - length;
    const wanted = after + length + EDGE <= room ? after : before;
    return Math.max(EDGE, Math.min(wanted, room - length - EDGE));
  };
  return { left: along(point.x, size.width, stage.width), top: along(point.y, size.height, stage.height) };
}

/** Position of an image behind a square window around a patch, and of the patch in the window. */
export function crop(
  image: { width: number; height: number }, patch: Rectangle, window: number,
): { image: Rectangle; patch: Rectangle } {
  const width = patch.width * image.width;
  const height = patch.height * image.height;
  const shorter = Math.min(image.width, image.height);
  const side = Math.min(shorter, Math.max(CROP_PATCHES * Math.max(width, height), MIN_CROP_SHARE * shorter));
  const start = (middle: number, length: number) => Math.min(length - side, Math.max(0, middle - side / 2));
  const left = start(patch.left * image.width + width / 2, image.width);
  const top = start(patch.top * image.height + height / 2, image.height);
  const scale = window / side;
  return {
    image: { left: -left * scale, top: -top * scale, width: image.width * scale, height: image.height * scale },
    patch: {
      left: (patch.left * image.width - left) * scale,
      top: (patch.top * image.height - top) * scale,
      width: width * scale,
      height: height * scale,
    },
  };
}

const px = (box: Rectangle) => ({
  left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px`,
});

/** As a background, the image is clipped to the crop, but the ring around a patch at its edge is not. */
const background = (url: string | null, image: Rectangle) => url === null ? {} : {
  backgroundImage: `url(${JSON.stringify(url)})`,
  backgroundPosition: `${image.left}px ${image.top}px`,
  backgroundSize: `${image.width}px ${image.height}px`,
};

interface TooltipProps {
  tooltip: TooltipState;
  meta: Meta;
  grid: PatchGrid;
  stage: { width: number; height: number };
}

export function Tooltip({ tooltip, meta, grid, stage }: TooltipProps) {
  const patch = grid.locate(tooltip.node);
  const description = describePatch(meta, grid, tooltip.node);
  if (!patch || !description) return null;
  const cut = crop(meta.images[patch.image]!, grid.box(patch), THUMBNAIL);
  const lines = [description.place, description.source, tooltip.cluster].filter(Boolean);
  const size = { width: THUMBNAIL + FRAME, height: FRAME + LINE * (1 + lines.length) };
  const tall = size.height + THUMBNAIL + GAP_BELOW;
  const roomy = stage.height >= tall + 2 * EDGE;
  if (roomy) size.height = tall;
  const { left, top } = placeTooltip(tooltip, size, stage);
  return (
    <div class="ncut-tooltip" aria-hidden="true" style={px({ left, top, ...size })}>
      {roomy && (
        <div class="ncut-tooltip-crop" style={{ height: `${THUMBNAIL}px`, ...background(tooltip.url, cut.image) }}>
          <i style={px(cut.patch)} />
        </div>
      )}
      <b>{description.name}</b>
      {lines.map((line) => <span key={line}>{line}</span>)}
    </div>
  );
}
