/** An exported explorer: the same widgets with the data in the page, and no kernel. */
import type { Host } from "@anywidget/types";
import type { SessionModel, SessionState, SessionStore } from "../shared/types.ts";
import channelBars from "../widgets/channel-bars/index.ts";
import clickSegmenter from "../widgets/click-segmenter/index.ts";
import clusterPanel from "../widgets/cluster-panel/index.ts";
import embeddingScatter from "../widgets/embedding-scatter/index.ts";
import explorer from "../widgets/explorer/index.ts";
import imageGrid from "../widgets/image-grid/index.ts";
import session from "../widgets/session/index.ts";
import { answer } from "./data.ts";
import { LocalModel } from "./model.ts";

interface Manifest {
  session: SessionState;
  explorer: { height: number; tab: string };
}

async function start(): Promise<void> {
  const manifest = JSON.parse(document.getElementById("ncut-manifest")!.textContent!) as Manifest;
  const never = new AbortController().signal;
  const sessionModel = new LocalModel({ ...manifest.session });
  sessionModel.answer = (message, reply) => answer(message, reply);
  const { store } = session.initialize({ model: sessionModel.proxy<SessionModel>(), signal: never } as never);

  const { height, tab } = manifest.explorer;
  const part = () => new LocalModel({ session: "anywidget:session", height });
  const widgets: Record<string, { view?: { render(props: never): unknown }; model: LocalModel; exports?: unknown }> = {
    "anywidget:session": { model: sessionModel, exports: { store } satisfies { store: SessionStore } },
    "anywidget:image-grid": { view: imageGrid, model: part() },
    "anywidget:scatter": { view: embeddingScatter, model: part() },
    "anywidget:segmenter": { view: clickSegmenter, model: part() },
    "anywidget:channels": { view: channelBars, model: part() },
    "anywidget:clusters": { view: clusterPanel, model: part() },
    "anywidget:explorer": {
      view: explorer,
      model: new LocalModel({
        session: "anywidget:session", image_grid: "anywidget:image-grid", scatter: "anywidget:scatter",
        segmenter: "anywidget:segmenter", cluster_panel: "anywidget:clusters", channel_bars: "anywidget:channels", tab, height,
      }),
    },
  };
  const host = {
    async getWidget(ref: string) {
      const { view, model, exports } = widgets[ref]!;
      return {
        exports,
        async render({ el, signal = never }: { el: HTMLElement; signal?: AbortSignal }) {
          await view!.render({ model: model.proxy(), el, host, signal } as never);
        },
      };
    },
    async getModel(ref: string) {
      return widgets[ref]!.model.proxy();
    },
  } as Host;
  const shown = await host.getWidget("anywidget:explorer");
  await shown.render({ el: document.getElementById("ncut-explorer")! });
  // For scripts and tests: the traits of the Python session.
  Object.assign(globalThis, { ncutSession: sessionModel.proxy() });
}

start().catch((error: unknown) => {
  // Show the error instead of an empty page.
  document.getElementById("ncut-explorer")!.textContent = `Could not display this file: ${String(error)}`;
});
