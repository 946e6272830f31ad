/** The toolbar above the images: tools, undo and redo, and image size. */
import type { ViewContext } from "../../shared/context.ts";
import { Segments } from "../../shared/controls.tsx";
import { ImageSize, Source } from "../../shared/images/display-controls.tsx";
import type { ImagesState } from "../../shared/images/state.ts";
import type { SegmenterState, Tool } from "./state.ts";

const TOOLS: [Tool, string, string][] = [
  ["point", "Point", "Click on the object"],
  ["box", "Box", "Draw a box around the object"],
];
const SIGNS: ["+" | "-", string, string][] = [
  ["+", "+ Add", "Clicks add to the mask"],
  ["-", "− Remove", "Clicks remove from the mask (also Alt-click or right-click)"],
];

export function Bar({ view, ui, segmenter }: { view: ViewContext; ui: ImagesState; segmenter: SegmenterState }) {
  const { undo, redo } = segmenter.steps.value;
  return (
    <div class="ncut-bar" role="toolbar" aria-label="Tools">
      <Segments name="Tool" options={TOOLS} value={segmenter.tool.value} set={(tool) => { segmenter.tool.value = tool; }} />
      <Segments name="Click mode" options={SIGNS} value={segmenter.adds.value ? "+" : "-"}
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

/** Not `disabled`, because the button would lose the focus with the last step. */
function Step({ by, title, sign, count, segmenter }: StepProps) {
  return (
    <button type="button" class="ncut-step" aria-label={by === "undo" ? "Undo" : "Redo"} title={title} aria-disabled={count === 0}
      onClick={() => segmenter.undoOrRedo(by)}>
      {sign}
    </button>
  );
}

/** Alternative to the Delete key. Always present, so that the layout does not shift when the selection changes. */
function RemovePrompt({ segmenter }: { segmenter: SegmenterState }) {
  const kind = segmenter.selected.value?.kind;
  return (
    <button type="button" class="ncut-step" aria-label={kind === "boxes" ? "Delete box" : "Delete point"} aria-disabled={kind === undefined}
      title="Delete the selected point or box (Delete)" onClick={() => segmenter.removeSelected()}>
      ⌫
    </button>
  );
}
