/** base64 of "ncut-widgets", which a still image of an explorer carries at an offset where base64 keeps it in one piece. */
export const STILL = 'img[src*="bmN1dC13aWRnZXRz"]';
