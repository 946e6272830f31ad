/** What every view has in common: its root element, its session, its state as signals, and its errors on show. */
import type { RenderProps } from "@anywidget/types";
import { type ReadonlySignal, type Signal, effect, signal } from "@preact/signals";
import { type ComponentType, render } from "preact";
import { ColoringStatus } from "./coloring.tsx";
import { Content, findConnection } from "./kernel.tsx";
import { STATE_KEYS } from "./types.ts";
import type { Host, SessionState, SessionStore, ViewModel } from "./types.ts";

/** The session's small state as signals of this view. Read `.value` to follow a change. */
export type StateSignals = { readonly [K in keyof SessionState]: ReadonlySignal<SessionState[K]> };

export interface ViewContext {
  root: HTMLElement;
  model: RenderProps<ViewModel>["model"];
  host: Host;
  store: SessionStore;
  state: StateSignals;
  /** Aborts when the view goes: hang every listener on it. */
  signal: AbortSignal;
  /** Show an error inside the widget; null takes it away. */
  error: Signal<string | null>;
  /** Like preact's `effect`, until the view goes. */
  effect(run: () => void | (() => void)): void;
  /** What Escape lets go of here, one thing at a press; false if there was nothing. */
  escape(letGo: () => boolean): void;
  /** Call once the first frame is drawn. */
  ready(): void;
}

function stateSignals(store: SessionStore, abort: AbortSignal): StateSignals {
  const signals: Record<string, Signal> = {};
  for (const key of STATE_KEYS) {
    signals[key] = signal(store.get(key));
    store.subscribe(key, () => { signals[key]!.value = store.get(key); }, abort);
  }
  return signals as StateSignals;
}

/** With a frame around it, unless the view is made of others that have their own. */
export function defineView(name: string, View: ComponentType<ViewContext>, { framed = true } = {}) {
  return {
    async render({ model, el, host, signal: abort }: RenderProps<ViewModel>) {
      const root = document.createElement("div");
      root.className = `ncut ncut-${name}`;
      root.classList.toggle("ncut-framed", framed);
      root.dataset.ncutView = name;
      // The notebook's own shortcuts (dd, a, b, ...) stay away from keys pressed in here. Nor may the notebook hear of
      // them: at every key it takes the focus back to the cell, and the next one would be a shortcut after all.
      root.setAttribute("data-lm-suppress-shortcuts", "true");
      root.addEventListener("keydown", (event) => event.stopPropagation(), { signal: abort });
      const escape = listenForEscape(root, abort);
      const resize = () => root.style.setProperty("--ncut-height", `${model.get("height")}px`);
      resize();
      model.on("change:height", resize);
      abort.addEventListener("abort", () => model.off("change:height", resize));
      abort.addEventListener("abort", () => {
        render(null, root);
        root.remove();
      });
      try {
        const session = model.get("session");
        const [{ exports }, connection] = await Promise.all([host.getWidget<{ store: SessionStore }>(session), findConnection(model, session)]);
        if (abort.aborted) return;
        const { store } = exports;
        if (connection) store.connect(connection);
        store.watch(abort);
        store.followPage(root, abort);
        // Not before it has its theme: an empty view would flash white on a dark page.
        el.append(root);
        const error = signal<string | null>(null);
        const closed = () => { error.value = "This session was closed. Run its cell again to go on."; };
        store.closed.addEventListener("abort", closed, { signal: abort });
        const kernel = signal(store.kernel);
        store.onKernel(() => { kernel.value = store.kernel; }, abort);
        const context: ViewContext = {
          root, model, host, signal: abort, error,
          store,
          state: stateSignals(store, abort),
          escape,
          effect: (run) => abort.addEventListener("abort", effect(run)),
          ready: () => { root.dataset.ready = "true"; },
        };
        render(
          <>
            <Content root={root} kernel={kernel}><View {...context} /></Content>
            <div class="ncut-messages">
              <ColoringStatus root={root} state={context.state} kernel={kernel} />
              <ErrorNote error={error} />
            </div>
          </>,
          root,
        );
      } catch (error) {
        if (abort.aborted) return;
        // Whatever went wrong, the reader of the notebook sees it where the view would be.
        el.append(root);
        render(<ErrorNote error={signal(errorMessage(error))} />, root);
      }
    },
  };
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function ErrorNote({ error }: { error: Signal<string | null> }) {
  if (error.value === null) return null;
  return (
    <div class="ncut-error" role="alert">
      <span>{error.value}</span>
      <button type="button" aria-label="Dismiss" onClick={() => { error.value = null; }}>×</button>
    </div>
  );
}

/**
 * Escape works where the focus is, and where the pointer is while the focus is in no view, since hovering takes none.
 * It is caught before the notebook sees it.
 */
function listenForEscape(root: HTMLElement, abort: AbortSignal): ViewContext["escape"] {
  let letGo = () => false;
  let inside = false;
  root.addEventListener("pointerenter", () => { inside = true; }, { signal: abort });
  root.addEventListener("pointerleave", () => { inside = false; }, { signal: abort });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const path = event.composedPath();
    const focused = path.some((target) => target instanceof HTMLElement && target.dataset.ncutView !== undefined);
    if (!(path.includes(root) || (inside && !focused)) || !letGo()) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal: abort, capture: true });
  return (handler) => { letGo = handler; };
}
