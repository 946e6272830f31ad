/**
 * A notebook keeps a still picture below every explorer, for readers without a kernel. While a session lives
 * on the page the pictures would only repeat what is alive above them, so they are hidden.
 */

// base64 of "ncut-widgets", which the still's PNG carries at an offset where base64 keeps it in one piece.
const STILL = 'img[src*="bmN1dC13aWRnZXRz"]';
const ALIVE = '[data-mime-type="application/vnd.jupyter.widget-view+json"]';

export function hideStills(signal: AbortSignal): void {
  const style = document.createElement("style");
  style.textContent = `.jp-OutputArea-child:has(${ALIVE}) + .jp-OutputArea-child:has(${STILL}) { display: none; }`;
  document.head.append(style);
  signal.addEventListener("abort", () => style.remove());
}
