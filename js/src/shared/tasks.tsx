/** What the kernel is at: over the images, so that nothing moves when it comes and goes. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Task } from "./types.ts";
import type { ViewContext } from "./view.tsx";

export function Tasks({ store, signal }: Pick<ViewContext, "store" | "signal">) {
  const tasks = useSignal<readonly Task[]>(store.tasks);
  useMemo(() => store.onTasks(() => { tasks.value = store.tasks; }, signal), []);
  const [first, ...rest] = tasks.value;
  return (
    <div class="ncut-tasks" role="status">
      {first && (
        // In one line, however many: they must not hide the images that they are about.
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
