/**
 * Selects the still image of a view by its marker, "ncut-widgets" in base64. The PNG holds the marker at an offset
 * divisible by 3, so that its base64 does not depend on the bytes around it.
 */
export const STILL = 'img[src*="bmN1dC13aWRnZXRz"]';
/** Matches a view that is not part of another one. */
export const OUTER_VIEW = "[data-ncut-view]:not([data-ncut-view] [data-ncut-view])";
