/** Converts a cluster to a mask object: the few clicks and the thresholds that reproduce it best. */
import { type Embedding, meanDirection, argmaxCosine, rowOf } from "../../shared/embedding.ts";
import type { PatchGrid } from "../../shared/geometry.ts";
import { thresholdMask } from "../../shared/masks.ts";
import { calibratedSimilarity } from "../../shared/similarity.ts";
import type { Click, ImageMeta, MaskObject } from "../../shared/types.ts";

const MAX_CLICKS = 12;
/** Minimum increase of the IoU for an additional click. */
const MIN_GAIN = 0.004;
/** Number of images considered for each click, in addition to the best position over all images. */
const CANDIDATE_IMAGES = 3;
/** Thresholds are searched in steps of 0.01, the resolution of the sliders. */
const THRESHOLD_STEPS = 100;
const MIN_AREA = 3;

/** Image and patch geometry for clicks. */
export interface FitContext {
  grid: PatchGrid;
  images: readonly ImageMeta[];
  source: string;
}

interface Fit {
  iou: number;
  threshold: number;
  negative_threshold: number;
}

interface Candidate extends Fit {
  node: number;
  isPositive: boolean;
  heat: Float32Array;
}

/**
 * Returns an object whose mask approximates the nodes with a label, and the IoU (intersection over union) that it reaches
 * in the maps of the source; null if the label has no nodes there. Pass the eigenvectors that the labels were cut from, as
 * many as there are clusters: with these a single click usually matches a cluster.
 *
 * Greedy search. Candidates are the most central missed node, as a positive click, and the most central false positive
 * node, as a negative click, over all images and in the images with the most of them. Each step adds the candidate whose
 * mask reaches the highest IoU with its best thresholds, until the gain is too small.
 */
export function fitObject(
  labels: Uint8Array,
  label: number,
  embedding: Embedding,
  { grid, images, source }: FitContext,
  appearance: Pick<MaskObject, "name" | "color">,
): { object: MaskObject; iou: number } | null {
  const all = grid.maps.flatMap((map, index) => (map.source === source ? grid.nodesOf(index) : []));
  const inside = all.filter((node) => labels[node] === label);
  if (inside.length === 0) return null;
  const similarityTo = (node: number) => calibratedSimilarity(embedding, rowOf(embedding, node));

  const found: { node: number; isPositive: boolean }[] = [];
  let positive: Float32Array | null = null;
  let negative: Float32Array | null = null;
  let best: Fit = { iou: 0, threshold: 0.5, negative_threshold: 0.99 };
  const covered = (node: number) => positive !== null && positive[node]! > best.threshold
    && !(negative && negative[node]! > best.negative_threshold);

  while (found.length < MAX_CLICKS) {
    const candidates: Candidate[] = [];
    const taken = new Set(found.map(({ node }) => node));
    const consider = (nodes: number[], isPositive: boolean) => {
      for (const node of candidateNodes(embedding, grid, nodes)) {
        if (taken.has(node)) continue;
        const heat = union(similarityTo(node), isPositive ? positive : negative);
        const fit = isPositive ? bestThresholds(all, labels, label, heat, negative) : bestThresholds(all, labels, label, positive!, heat);
        candidates.push({ ...fit, node, isPositive, heat });
      }
    };
    consider(inside.filter((node) => !covered(node)), true);
    if (positive) consider(all.filter((node) => labels[node] !== label && covered(node)), false);
    const next = candidates.reduce<Candidate | null>((a, b) => (a && a.iou >= b.iou ? a : b), null);
    if (!next || (found.length > 0 && next.iou < best.iou + MIN_GAIN)) break;
    if (next.isPositive) positive = next.heat;
    else negative = next.heat;
    best = next;
    found.push({ node: next.node, isPositive: next.isPositive });
  }

  const { threshold, negative_threshold } = best;
  const options = [MIN_AREA, 0].map((min_area) => {
    const mask = thresholdMask(positive, negative, { threshold, negative_threshold, min_area }, grid.maps);
    return { min_area, iou: iouOf(all, labels, label, mask) };
  });
  const [cleaned, raw] = options as [(typeof options)[0], (typeof options)[0]];
  const { min_area, iou } = raw.iou > cleaned.iou ? raw : cleaned;
  const clicks = found.map(({ node, isPositive }) => clickAtPatch(node, isPositive, grid, images));
  const object: MaskObject = {
    ...appearance, visible: true, clicks, boxes: [], threshold, gamma: 1, negative_threshold, min_area,
    n_eig: embedding.vectors.length, method: "similarity", click_weight: 0.5,
  };
  return { object, iou };
}

/** The most central node (highest cosine to the mean direction) of all nodes, and of the images with the most nodes. */
function candidateNodes(embedding: Embedding, grid: PatchGrid, nodes: readonly number[]): number[] {
  if (nodes.length === 0) return [];
  const byImage = new Map<number, number[]>();
  for (const node of nodes) {
    const { image } = grid.locate(node)!;
    const group = byImage.get(image);
    if (group) group.push(node);
    else byImage.set(image, [node]);
  }
  const largest = [...byImage.values()].sort((a, b) => b.length - a.length).slice(0, CANDIDATE_IMAGES);
  return [...new Set([nodes, ...largest].map((group) => mostCentral(embedding, group)))];
}

function mostCentral(embedding: Embedding, nodes: readonly number[]): number {
  return argmaxCosine(embedding, nodes, meanDirection(embedding, nodes));
}

function union(heat: Float32Array, other: Float32Array | null): Float32Array {
  if (other) for (let i = 0; i < heat.length; i++) if (other[i]! > heat[i]!) heat[i] = other[i]!;
  return heat;
}

/** The pair of thresholds, in steps of 0.01, with the highest IoU: from a cumulative 2D histogram. */
function bestThresholds(
  nodes: readonly number[], labels: Uint8Array, label: number, positive: Float32Array, negative: Float32Array | null,
): Fit {
  const bins = THRESHOLD_STEPS + 2;
  const inside = new Int32Array(bins * bins);
  const outside = new Int32Array(bins * bins);
  // A heatmap value exceeds the thresholds 0 to steps(value) - 1, in hundredths.
  const steps = (heat: number) => Math.min(THRESHOLD_STEPS + 1, Math.max(0, Math.ceil(heat * THRESHOLD_STEPS)));
  let size = 0;
  for (const node of nodes) {
    const bin = steps(positive[node]!) * bins + (negative ? steps(negative[node]!) : 0);
    if (labels[node] === label) {
      inside[bin]!++;
      size++;
    } else {
      outside[bin]!++;
    }
  }
  // Cumulative counts: nodes with at least this positive and at most this negative value.
  for (const counts of [inside, outside]) {
    for (let p = bins - 1; p >= 0; p--) {
      for (let q = 0, sum = 0; q < bins; q++) {
        sum += counts[p * bins + q]!;
        counts[p * bins + q] = sum + (p + 1 < bins ? counts[(p + 1) * bins + q]! : 0);
      }
    }
  }
  let best: Fit = { iou: -1, threshold: 0.5, negative_threshold: 0.99 };
  for (let p = 0; p <= THRESHOLD_STEPS; p++) {
    // From the highest threshold, so that a negative click removes no more than necessary.
    for (let q = THRESHOLD_STEPS - 1; q >= (negative ? 0 : THRESHOLD_STEPS - 1); q--) {
      const place = (p + 1) * bins + q;
      const iou = inside[place]! / (size + outside[place]!);
      if (iou > best.iou) best = { iou, threshold: p / THRESHOLD_STEPS, negative_threshold: q / THRESHOLD_STEPS };
    }
  }
  return best;
}

function iouOf(nodes: readonly number[], labels: Uint8Array, label: number, mask: Uint8Array): number {
  let both = 0;
  let either = 0;
  for (const node of nodes) {
    const inside = labels[node] === label;
    if (inside && mask[node]) both++;
    if (inside || mask[node]) either++;
  }
  return both / either;
}

function clickAtPatch(node: number, positive: boolean, grid: PatchGrid, images: readonly ImageMeta[]): Click {
  const patch = grid.locate(node)!;
  const { left, top, width, height } = grid.box(patch);
  const image = images[patch.image]!;
  return { image: patch.image, x: (left + width / 2) * image.width, y: (top + height / 2) * image.height, positive };
}
