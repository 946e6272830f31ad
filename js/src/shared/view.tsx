/** Mounts a view: creates its root element, connects it to the session, and displays errors. */
import type { RenderProps } from "@anywidget/types";
import { type Signal, effect, signal } from "@preact/signals";
import { type ComponentType, render } from "preact";
import { ColoringStatus } from "./coloring.tsx";
import type { StateSignals, ViewContext } from "./context.ts";
import { errorMessage } from "./errors.ts";
import { Content, findConnection } from "./kernel.tsx";
import { STATE_KEYS } from "./types.ts";
import type { SessionStore, ViewModel } from "./types.ts";

function stateSignals(store: SessionStore, abort: AbortSignal): StateSignals {
  const signals: Record<string, Signal> = {};
  for (const key of STATE_KEYS) {
    signals[key] = signal(store.get(key));
    store.subscribe(key, () => { signals[key]!.value = store.get(key); }, abort);
  }
  return signals as StateSignals;
}

/** Defines an anywidget view. `framed`: with a border; not for views composed of other views. */
export function defineView(name: string, View: ComponentType<ViewContext>, { framed = true } = {}) {
  return {
    async render({ model, el, host, signal: abort }: RenderProps<ViewModel>) {
      const root = document.createElement("div");
      root.className = `ncut ncut-${name}`;
      root.classList.toggle("ncut-framed", framed);
      root.dataset.ncutView = name;
      // Keys pressed in a view must not trigger notebook shortcuts (dd, a, b, ...), nor may the notebook receive them: it
      // moves the focus back to the cell on every key, so the next key would be a shortcut.
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
        // After the theme is set: an unthemed view would flash white on a dark page.
        el.append(root);
        const error = signal<string | null>(null);
        const closed = () => { error.value = "This session was closed. Run its cell again to continue."; };
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
        // Show the error in place of the view.
        el.append(root);
        render(<ErrorNote error={signal(errorMessage(error))} />, root);
      }
    },
  };
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
 * Escape applies to the view with the focus, or else to the view under the pointer, because hovering does not move the
 * focus. The capture listener runs before the notebook's own handler.
 */
function listenForEscape(root: HTMLElement, abort: AbortSignal): ViewContext["escape"] {
  let handler = () => false;
  let inside = false;
  root.addEventListener("pointerenter", () => { inside = true; }, { signal: abort });
  root.addEventListener("pointerleave", () => { inside = false; }, { signal: abort });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const path = event.composedPath();
    const focused = path.some((target) => target instanceof HTMLElement && target.dataset.ncutView !== undefined);
    if (!(path.includes(root) || (inside && !focused)) || !handler()) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal: abort, capture: true });
  return (next) => { handler = next; };
}
