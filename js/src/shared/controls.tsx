/** Form controls and legends shared by all views. */
import type { ComponentChildren } from "preact";

interface SliderProps {
  label: string;
  /** Accessible name, if the label depends on its visual context. */
  name?: string;
  value: number;
  min: number;
  max: number;
  step: number;
  set: (value: number) => void;
  output?: ComponentChildren;
  disabled?: boolean;
  /** Restores the default on a double click. */
  reset?: () => void;
}

export function Slider({ label, name = label, value, min, max, step, set, output = value, disabled = false, reset }: SliderProps) {
  return (
    <label class="ncut-field">
      <span>{label}</span>
      <input type="range" aria-label={name} {...{ min, max, step, value, disabled }}
        aria-valuetext={output === "" ? undefined : String(output)}
        onInput={(event) => set(event.currentTarget.valueAsNumber)} onDblClick={reset} />
      {output !== "" && <output>{output}</output>}
    </label>
  );
}

export function Check({ label, title, value, set }: { label: string; title: string; value: boolean; set: (v: boolean) => void }) {
  return (
    <label class="ncut-field" title={title}>
      <input type="checkbox" checked={value} onChange={(event) => set(event.currentTarget.checked)} />
      {label}
    </label>
  );
}

export function Legend({ table, low, high }: { table: Uint8ClampedArray; low: string; high: string }) {
  const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => {
    const at = Math.round(t * (table.length / 4 - 1)) * 4;
    return `rgb(${table[at]} ${table[at + 1]} ${table[at + 2]})`;
  });
  return (
    <span class="ncut-field ncut-legend" aria-hidden="true">
      {low}<i style={{ background: `linear-gradient(90deg, ${stops.join()})` }} />{high}
    </span>
  );
}

interface SegmentsProps<T extends string> {
  /** Accessible name. */
  name: string;
  /** Value, label and description. */
  options: readonly (readonly [T, ComponentChildren, string])[];
  value: T;
  set: (value: T) => void;
  disabled?: boolean;
  /** An option that is not available here but may still be the current value. */
  unavailable?: T | null;
}

/** A segmented control: a radio group with arrow key navigation. */
export function Segments<T extends string>({ name, options, value: chosen, set, disabled = false, unavailable = null }: SegmentsProps<T>) {
  const onArrowKey = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by || disabled) return;
    const free = options.filter(([value]) => value !== unavailable || value === chosen);
    const at = free.findIndex(([value]) => value === chosen);
    const [next] = free[(at + by + free.length) % free.length]!;
    set(next);
    (event.currentTarget as Element).querySelector<HTMLElement>(`[value="${next}"]`)?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="ncut-segments" role="radiogroup" aria-label={name} aria-disabled={disabled} onKeyDown={onArrowKey}>
      {options.map(([value, text, title]) => (
        <button key={value} type="button" role="radio" value={value} title={title} aria-checked={chosen === value}
          disabled={disabled} aria-disabled={value === unavailable} tabIndex={chosen === value ? 0 : -1} onClick={() => { if (value !== unavailable) set(value); }}>
          {text}
        </button>
      ))}
    </div>
  );
}

/** Instructions for the current input device. */
export function Hint({ mouse, touch }: { mouse: string; touch: string }) {
  return <><span class="ncut-mouse-hint">{mouse}</span><span class="ncut-touch-hint">{touch}</span></>;
}
