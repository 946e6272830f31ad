/** Matches the static image of an explorer: base64 of "ncut-widgets", embedded at an offset where it stays contiguous. */
export const STILL = 'img[src*="bmN1dC13aWRnZXRz"]';
