/** The controls above the images: the tool in hand, undo and redo, and how large the images are. */
import { Segments } from "../../shared/controls.tsx";
import { ImageSize, Source } from "../../shared/images/display-controls.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import type { ViewContext } from "../../shared/view.tsx";
import type { SegmenterState, Tool } from "./state.ts";

const TOOLS: [Tool, string, string][] = [
  ["point", "Point", "Click what belongs to the object"],
  ["box", "Box", "Draw a box around what belongs to the object"],
];
const SIGNS: ["+" | "-", string, string][] = [
  ["+", "+ Add", "Clicks add to the mask"],
  ["-", "− Remove", "Clicks take away from the mask; so does a click with Alt or the other button"],
];

export function Bar({ view, ui, segmenter }: { view: ViewContext; ui: ImagesState; segmenter: SegmenterState }) {
  const { undo, redo } = segmenter.steps.value;
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Tools">
      <Segments name="Tool" options={TOOLS} value={segmenter.tool.value} set={(tool) => { segmenter.tool.value = tool; }} />
      <Segments name="What clicks do" options={SIGNS} value={segmenter.adds.value ? "+" : "-"}
        set={(sign) => { segmenter.adds.value = sign === "+"; }} />
      <span class="ncut-field">
        <Step by="undo" title="Undo (Ctrl-Z)" sign="↶" count={undo} segmenter={segmenter} />
        <Step by="redo" title="Redo (Ctrl-Shift-Z)" sign="↷" count={redo} segmenter={segmenter} />
        <RemovePrompt segmenter={segmenter} />
      </span>
      <ImageSize ui={ui} label="Size" />
      <Source {...view} ui={ui} />
    </div>
  );
}

interface StepProps {
  by: "undo" | "redo";
  title: string;
  sign: string;
  count: number;
  segmenter: SegmenterState;
}

/** Not `disabled`, which would take the focus away as the last step is undone. */
function Step({ by, title, sign, count, segmenter }: StepProps) {
  return (
    <button type="button" class="ncut-step" aria-label={by === "undo" ? "Undo" : "Redo"} title={title} aria-disabled={count === 0}
      onClick={() => segmenter.undoOrRedo(by)}>
      {sign}
    </button>
  );
}

/** For who has no Delete key. It is there all the time, so that nothing moves as prompts are selected. */
function RemovePrompt({ segmenter }: { segmenter: SegmenterState }) {
  const kind = segmenter.selected.value?.kind;
  return (
    <button type="button" class="ncut-step" aria-label={kind === "boxes" ? "Delete box" : "Delete point"} aria-disabled={kind === undefined}
      title="Remove the selected point or box (Delete)" onClick={() => segmenter.removeSelected()}>
      ⌫
    </button>
  );
}
