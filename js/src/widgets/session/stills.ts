/**
 * A notebook keeps a still picture below every explorer, for readers without a kernel. While a session lives on
 * the page, the pictures of explorers that are alive would only repeat them, so they are hidden.
 */
import { STILL } from "../../shared/stills.ts";

/** What Jupyter puts where it can't find a widget. Not "where the explorer is": the picture would flash until it is drawn. */
const NO_WIDGET = ".jupyter-widgets";
/** An explorer that has nothing to show, for there is no kernel to ask. */
const EMPTY_EXPLORER = "[data-ncut-view=explorer][data-kernel=none]:not([data-ready])";

export function hideStills(signal: AbortSignal): void {
  const style = document.createElement("style");
  style.textContent = `.jp-OutputArea-child:not(:has(${NO_WIDGET}, ${EMPTY_EXPLORER})) + .jp-OutputArea-child:has(${STILL}) { display: none; }`;
  document.head.append(style);
  signal.addEventListener("abort", () => style.remove());
}
