/** Export of masks and clicks as files: all formats with a kernel, some in the page alone. */
import { useSignal } from "@preact/signals";
import type { ViewContext } from "../../shared/context.ts";
import { errorMessage, isAbortError } from "../../shared/errors.ts";
import { type File, clicksFile, maskFile, overlayFile } from "./files.ts";
import type { PanelProps } from "./state.ts";

type Format = "masks" | "overlays" | "labels" | "coco" | "npz" | "clicks";

/** Label, file name and description. */
const FORMATS: Record<Format, [string, string, string]> = {
  masks: ["Masks", "masks.zip", "A black and white PNG for each object and image"],
  overlays: ["Overlays", "overlays.zip", "Images with overlaid masks"],
  labels: ["Labels", "labels.zip", "A PNG for each image with the object number of each pixel"],
  coco: ["COCO", "coco.json", "COCO annotations with run-length encoded masks"],
  npz: ["NPZ", "masks.npz", "NumPy arrays"],
  clicks: ["Clicks", "clicks.json", "Points, boxes and settings, to recreate the masks"],
};
const IN_PAGE: Format[] = ["masks", "overlays", "clicks"];

export function Export({ view }: PanelProps) {
  const { state } = view;
  const busy = useSignal<Format | null>(null);
  const resolution = useSignal<"pixel" | "patch">("pixel");
  const kernel = state.meta.value.abilities.includes("export");
  const disabled = state.objects.value.length === 0 || busy.value !== null;

  const run = async (format: Format) => {
    busy.value = format;
    try {
      download(await (kernel ? fromKernel(view, format, resolution.peek()) : inPage(view, format)));
    } catch (error) {
      // A cancelled export is not an error.
      if (!isAbortError(error)) view.error.value = `Export failed: ${errorMessage(error)}`;
    } finally {
      busy.value = null;
    }
  };

  return (
    <section class="ncut-export" aria-label="Export">
      <div class="ncut-export-head">
        <span>Export</span>
        {kernel && (
          <select aria-label="Resolution" value={resolution.value} title="Masks at image resolution or patch resolution"
            onChange={(event) => { resolution.value = event.currentTarget.value as "pixel" | "patch"; }}>
            <option value="pixel">Pixels</option>
            <option value="patch">Patches</option>
          </select>
        )}
      </div>
      <div class="ncut-actions">
        {(Object.keys(FORMATS) as Format[]).filter((format) => kernel || IN_PAGE.includes(format)).map((format) => {
          const [text, file, title] = FORMATS[format];
          return (
            <button key={format} type="button" title={`${title}: ${file}`} aria-label={`Export ${text}`} aria-disabled={disabled}
              aria-busy={busy.value === format} onClick={() => { if (!disabled) void run(format); }}>
              {text}
            </button>
          );
        })}
      </div>
    </section>
  );
}

async function fromKernel({ store, signal }: ViewContext, format: Format, resolution: string): Promise<File> {
  const [text, name] = FORMATS[format];
  const params = {
    format, resolution, objects: store.get("objects"), source: store.get("source"), refine: store.get("refine"), opacity: store.get("blend"),
  };
  const { data } = await store.ask<Uint8Array>("export", params, { label: `Exporting ${text.toLowerCase()}`, signal });
  return { name, content: data, type: "application/octet-stream" };
}

async function inPage({ store }: ViewContext, format: Format): Promise<File> {
  if (format === "masks") return maskFile(store);
  if (format === "overlays") return overlayFile(store);
  return clicksFile(store.get("meta").images, store.get("objects"));
}

function download({ name, content, type }: File): void {
  const url = URL.createObjectURL(new Blob([content as Uint8Array<ArrayBuffer>], { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  // The browser reads the URL after `click` has returned.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
