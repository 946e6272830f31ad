/** The session widget has no view; it exposes the store to the views. */
import type { InitializeProps } from "@anywidget/types";
import type { SessionState } from "../../shared/types.ts";
import { hideStills } from "./stills.ts";
import { Store } from "./store.ts";

export default {
  initialize({ model, signal }: InitializeProps<SessionState>) {
    hideStills(signal);
    return { store: new Store(model, signal) };
  },
};
