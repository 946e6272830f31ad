/**
 * A notebook keeps a still picture below every explorer, for readers without a kernel. While a session lives on
 * the page, the pictures of explorers that are alive would only repeat them, so they are hidden.
 */

// base64 of "ncut-widgets", which the still's PNG carries at an offset where base64 keeps it in one piece.
const STILL = 'img[src*="bmN1dC13aWRnZXRz"]';
// What Jupyter puts where it can't find a widget. Not "where the explorer is": the picture would flash until it is drawn.
const LOST = ".jupyter-widgets";

export function hideStills(signal: AbortSignal): void {
  const style = document.createElement("style");
  style.textContent = `.jp-OutputArea-child:not(:has(${LOST})) + .jp-OutputArea-child:has(${STILL}) { display: none; }`;
  document.head.append(style);
  signal.addEventListener("abort", () => style.remove());
}
