/**
 * Notebooks store a static image below every explorer, for readers without a kernel. While a session is connected, the
 * images of live explorers are redundant and therefore hidden.
 */
import { STILL } from "../../shared/stills.ts";

/** Jupyter's placeholder for a missing widget. Checking for the explorer instead would flash the image before it renders. */
const NO_WIDGET = ".jupyter-widgets";
/** An explorer without content, because there is no kernel. */
const EMPTY_EXPLORER = "[data-ncut-view=explorer][data-kernel=none]:not([data-ready])";

export function hideStills(signal: AbortSignal): void {
  const style = document.createElement("style");
  style.textContent = `.jp-OutputArea-child:not(:has(${NO_WIDGET}, ${EMPTY_EXPLORER})) + .jp-OutputArea-child:has(${STILL}) { display: none; }`;
  document.head.append(style);
  signal.addEventListener("abort", () => style.remove());
}
