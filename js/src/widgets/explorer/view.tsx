/** The images and the embedding side by side, or one above the other where there is no room. */
import { useEffect, useRef } from "preact/hooks";
import { type ViewContext, message } from "../../shared/view.tsx";

export function Explorer(view: ViewContext) {
  const left = useRef<HTMLDivElement>(null);
  const right = useRef<HTMLDivElement>(null);
  const { host, model, signal: abort } = view;

  useEffect(() => {
    const show = async (trait: string, el: HTMLElement) => {
      const child = await host.getWidget(model.get(trait) as string);
      if (!abort.aborted) await child.render({ el, signal: abort });
    };
    Promise.all([show("image_grid", left.current!), show("scatter", right.current!)])
      .then(() => whenDrawn(view.root, abort))
      .then(view.ready, (error) => { view.error.value = message(error); });
  }, []);

  return (
    <div class="ncut-explorer-body">
      <div class="ncut-explorer-part" ref={left} />
      <div class="ncut-explorer-part ncut-explorer-side" ref={right} />
    </div>
  );
}

/** Resolves once both views inside have drawn their first frame. */
function whenDrawn(root: HTMLElement, abort: AbortSignal): Promise<void> {
  const done = () => root.querySelectorAll("[data-ncut-view][data-ready='true']").length >= 2;
  return new Promise((resolve) => {
    if (done()) {
      resolve();
      return;
    }
    const observer = new MutationObserver(() => {
      if (!done()) return;
      observer.disconnect();
      resolve();
    });
    observer.observe(root, { subtree: true, attributes: true, attributeFilter: ["data-ready"] });
    abort.addEventListener("abort", () => observer.disconnect());
  });
}
