/** What a view receives: its root element, the session and its state as signals. */
import type { RenderProps } from "@anywidget/types";
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { Host, SessionState, SessionStore, ViewModel } from "./types.ts";

/** The session's traits as signals; reading `.value` subscribes to changes. */
export type StateSignals = { readonly [K in keyof SessionState]: ReadonlySignal<SessionState[K]> };

export interface ViewContext {
  root: HTMLElement;
  model: RenderProps<ViewModel>["model"];
  host: Host;
  store: SessionStore;
  state: StateSignals;
  /** Aborted when the view is removed: pass it to every listener. */
  signal: AbortSignal;
  /** The error message displayed in the view; null hides it. */
  error: Signal<string | null>;
  /** Like preact's `effect`, disposed when the view is removed. */
  effect(run: () => void | (() => void)): void;
  /** Set the handler of Escape, which clears one thing per press and returns false if there was nothing to clear. */
  escape(handler: () => boolean): void;
  /** Must be called after the first frame is drawn. */
  ready(): void;
}
