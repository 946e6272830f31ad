/** Progress of kernel requests, shown over the images so that the layout does not shift. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { ViewContext } from "./context.ts";
import type { Task } from "./types.ts";

export function Tasks({ store, signal }: Pick<ViewContext, "store" | "signal">) {
  const tasks = useSignal<readonly Task[]>(store.tasks);
  useMemo(() => store.onTasks(() => { tasks.value = store.tasks; }, signal), []);
  const [first, ...rest] = tasks.value;
  return (
    <div class="ncut-tasks" role="status">
      {first && (
        // On one line for any number of requests, to keep the images visible.
        <div class="ncut-task">
          <span>{rest.length ? `${first.label}, ${rest.length} more…` : `${first.label}…`}</span>
          <progress aria-label={first.label} {...(first.fraction === null ? {} : { value: first.fraction })} />
          <button type="button" aria-label={`Cancel: ${first.label}`} title={rest.length ? "Cancel all" : "Cancel"}
            onClick={() => { for (const { cancel } of tasks.value) cancel(); }}>
            ×
          </button>
        </div>
      )}
    </div>
  );
}
