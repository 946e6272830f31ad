/** The headless session: no view of its own, its store is what it hands to the views that ask for it. */
import type { InitializeProps } from "@anywidget/types";
import type { SessionState } from "../../shared/types.ts";
import { Store } from "./store.ts";
import { hideStills } from "./stills.ts";

export default {
  initialize({ model, signal }: InitializeProps<SessionState>) {
    hideStills(signal);
    return { store: new Store(model, signal) };
  },
};
