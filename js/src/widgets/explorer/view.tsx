/** The embedding next to tabs in which images are explored, segmented, clustered and traced to channels. */
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { errorMessage } from "../../shared/errors.ts";
import type { Layer, Meta } from "../../shared/types.ts";

interface Tab {
  name: string;
  text: string;
  title: string;
  /** Name of the trait that holds the view. */
  view: string;
  /** Layer that all views switch to with this tab. */
  layer?: Layer;
}

const TABS: readonly Tab[] = [
  { name: "explore", text: "Explore", title: "Find similar patches in all images", view: "image_grid" },
  { name: "segment", text: "Segment", title: "Create masks from clicks and boxes", view: "segmenter", layer: "masks" },
  { name: "clusters", text: "Clusters", title: "Group all patches into clusters", view: "cluster_panel", layer: "clusters" },
  { name: "channels", text: "Channels", title: "Find the channels behind a cluster or mask", view: "channel_bars" },
];

/** An exported file without channels has no tab for them; with a kernel the tab explains how to add features. */
function tabsOf({ channel_names: names, abilities }: Meta): readonly Tab[] {
  return TABS.filter(({ name }) => name !== "channels" || names !== null || abilities.length > 0);
}

export function Explorer(view: ViewContext) {
  const { root, host, model, store, state, signal: abort, error } = view;
  const left = useRef<Record<string, HTMLElement | null>>({});
  const right = useRef<HTMLDivElement>(null);
  const wanted = useSignal(model.get("tab") as string);
  const tabs = useComputed(() => tabsOf(state.meta.value));
  const tab = useComputed(() => (tabs.value.find(({ name }) => name === wanted.value) ?? tabs.value[0]!).name);
  const shown = useRef(new Set<string>());

  const show = async (trait: string, el: HTMLElement) => {
    const child = await host.getWidget(model.get(trait) as string);
    if (!abort.aborted) await child.render({ el, signal: abort });
  };
  const fail = (reason: unknown) => { error.value = errorMessage(reason); };

  useEffect(() => {
    const follow = () => { wanted.value = model.get("tab") as string; };
    model.on("change:tab", follow);
    abort.addEventListener("abort", () => model.off("change:tab", follow));
    show("scatter", right.current!).then(() => whenDrawn(root, abort)).then(view.ready, fail);
  }, []);
  // Each view is created when its tab is first opened, and then kept.
  useSignalEffect(() => {
    const { name, view: trait } = TABS.find((one) => one.name === tab.value)!;
    if (shown.current.has(name)) return;
    shown.current.add(name);
    // After the element has been rendered.
    queueMicrotask(() => { show(trait, left.current[name]!).catch(fail); });
  });

  const choose = (next: Tab) => {
    model.set("tab", next.name);
    model.save_changes();
    if (next.layer) {
      store.set("layer", next.layer);
      store.unpin();
    }
  };
  const onArrowKey = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const { length } = tabs.value;
    const at = tabs.value.findIndex(({ name }) => name === tab.value);
    const next = tabs.value[(at + by + length) % length]!;
    choose(next);
    (event.currentTarget as Element).querySelector<HTMLElement>(`[data-tab="${next.name}"]`)?.focus();
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="ncut-explorer-body">
      <div class="ncut-explorer-part ncut-explorer-main">
        <div class="ncut-tabs" role="tablist" aria-label="Views" onKeyDown={onArrowKey}>
          {tabs.value.map((one) => (
            <button key={one.name} type="button" role="tab" data-tab={one.name} title={one.title}
              aria-selected={tab.value === one.name} tabIndex={tab.value === one.name ? 0 : -1} onClick={() => choose(one)}>
              {one.text}
            </button>
          ))}
        </div>
        {tabs.value.map(({ name, text }) => (
          <div key={name} class="ncut-tab" role="tabpanel" aria-label={text} hidden={tab.value !== name}
            ref={(element) => { left.current[name] = element; }} />
        ))}
      </div>
      <div class="ncut-explorer-part ncut-explorer-side" ref={right} />
    </div>
  );
}

/** Resolves when the embedding and the view of the first tab have drawn their first frame. */
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
