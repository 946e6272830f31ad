/** Sliders, switches and legends that look and speak alike in every view. */
import type { ComponentChildren } from "preact";

interface SliderProps {
  label: string;
  /** For those who can't see what stands around it. */
  name?: string;
  value: number;
  min: number;
  max: number;
  step: number;
  set: (value: number) => void;
  shown?: ComponentChildren;
  disabled?: boolean;
  /** On a double click: back to what it was before it was touched. */
  reset?: () => void;
}

export function Slider({ label, name = label, value, min, max, step, set, shown = value, disabled = false, reset }: SliderProps) {
  return (
    <label class="ncut-field">
      <span>{label}</span>
      <input type="range" aria-label={name} {...{ min, max, step, value, disabled }}
        aria-valuetext={shown === "" ? undefined : String(shown)}
        onInput={(event) => set(event.currentTarget.valueAsNumber)} onDblClick={reset} />
      {shown !== "" && <output>{shown}</output>}
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
  /** For those who can't see what stands around it. */
  name: string;
  /** Value, text, and what it is in a sentence. */
  options: readonly (readonly [T, ComponentChildren, string])[];
  value: T;
  set: (value: T) => void;
  disabled?: boolean;
  /** One that can't be chosen here, though it may be what was chosen elsewhere. */
  without?: T | null;
}

/** One of a few: buttons in a row, and the arrow keys go from one to the next. */
export function Segments<T extends string>({ name, options, value: chosen, set, disabled = false, without = null }: SegmentsProps<T>) {
  const turn = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by || disabled) return;
    const free = options.filter(([value]) => value !== without || value === chosen);
    const at = free.findIndex(([value]) => value === chosen);
    const [next] = free[(at + by + free.length) % free.length]!;
    set(next);
    (event.currentTarget as Element).querySelector<HTMLElement>(`[value="${next}"]`)?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="ncut-segments" role="radiogroup" aria-label={name} aria-disabled={disabled} onKeyDown={turn}>
      {options.map(([value, text, title]) => (
        <button key={value} type="button" role="radio" value={value} title={title} aria-checked={chosen === value}
          disabled={disabled} aria-disabled={value === without} tabIndex={chosen === value ? 0 : -1} onClick={() => { if (value !== without) set(value); }}>
          {text}
        </button>
      ))}
    </div>
  );
}

/** What can be done, in the words that fit what the user points with. */
export function Hint({ mouse, touch }: { mouse: string; touch: string }) {
  return <><span class="ncut-mouse-hint">{mouse}</span><span class="ncut-touch-hint">{touch}</span></>;
}
