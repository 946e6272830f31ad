/**
 * Notebooks store a static image below every view, for readers without a kernel. While a session is connected, the images of
 * live views are redundant and therefore hidden.
 */
import { OUTER_VIEW, STILL } from "../../shared/stills.ts";

/** Jupyter's placeholder for a missing widget. Checking for the view instead would flash the image before it renders. */
const NO_WIDGET = ".jupyter-widgets";
/** A view without content, because there is no kernel. */
const EMPTY_VIEW = `${OUTER_VIEW}[data-kernel=none]:not([data-ready])`;

export function hideStills(signal: AbortSignal): void {
  const style = document.createElement("style");
  style.textContent = `.jp-OutputArea-child:not(:has(${NO_WIDGET}, ${EMPTY_VIEW})) + .jp-OutputArea-child:has(${STILL}) { display: none; }`;
  document.head.append(style);
  signal.addEventListener("abort", () => style.remove());
}
