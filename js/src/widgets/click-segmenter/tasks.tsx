/** What the kernel is at: over the images, so that nothing moves when it comes and goes. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Task } from "../../shared/types.ts";
import type { ViewContext } from "../../shared/view.tsx";

export function Tasks({ store, signal }: Pick<ViewContext, "store" | "signal">) {
  const tasks = useSignal<readonly Task[]>(store.tasks);
  useMemo(() => store.onTasks(() => { tasks.value = store.tasks; }, signal), []);
  return (
    <div class="ncut-tasks" role="status">
      {tasks.value.map(({ label, fraction, cancel }, index) => (
        <div key={index} class="ncut-task">
          <span>{label}…</span>
          <progress aria-label={label} {...(fraction === null ? {} : { value: fraction })} />
          <button type="button" aria-label={`Cancel: ${label}`} title="Cancel" onClick={cancel}>×</button>
        </div>
      ))}
    </div>
  );
}
