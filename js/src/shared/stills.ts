/** Matches the static image of a view: base64 of "ncut-widgets", embedded at an offset where it stays contiguous. */
export const STILL = 'img[src*="bmN1dC13aWRnZXRz"]';
/** Matches a view that is not part of another one. */
export const OUTER_VIEW = "[data-ncut-view]:not([data-ncut-view] [data-ncut-view])";
