/** Channels behind a cluster, a mask or a selection: signed bars, and the channel maps in all images. */
import { useMemo } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { createTilePainter } from "../../shared/images/draw.ts";
import { Images, leaveZoom, pointFromEvent } from "../../shared/images/images.tsx";
import { imagesState } from "../../shared/images/state.ts";
import { Tasks } from "../../shared/tasks.tsx";
import { Bar } from "./bar.tsx";
import { Outline } from "./outline.tsx";
import { Panel } from "./panel.tsx";
import { Pinned } from "./pinned.tsx";
import { channelsState } from "./state.ts";

export function ChannelBars(view: ViewContext) {
  const { state, store, root } = view;
  const [ui, channels, tiles] = useMemo(() => {
    const images = imagesState(view);
    const channels = channelsState(view, images);
    const shows = () => {
      if (state.hovered_channel.peek() !== null) return "channel";
      return state.pinned_channels.peek().length ? "channels" : "target";
    };
    const overlay = createTilePainter(view, images, {
      dependsOn: ["meta", "source", "hovered_channel", "pinned_channels"],
      colors: () => (shows() === "target" || !channels.names.peek() ? channels.painted.peek() : store.channelColors()),
      name: shows,
    });
    view.effect(() => {
      void channels.painted.value;
      overlay.request();
    });
    return [images, channels, overlay] as const;
  }, []);
  view.escape(() => {
    if (ui.zoomed.peek() !== null) leaveZoom(view, ui);
    else if (channels.search.peek() && root.querySelector(".ncut-search:focus")) channels.search.value = "";
    else if (state.hovered_channel.peek() !== null) channels.preview(null);
    else if (state.pinned_channels.peek().length) channels.pin([]);
    else if (state.selection.peek().length) store.unpin();
    else if (state.hover.peek() !== null) store.set("hover", null);
    else return false;
    return true;
  });
  const chooseAt = (node: number | null) => {
    const id = node === null ? undefined : channels.clusters.peek()?.labels[node];
    if (id === undefined) return;
    store.unpin();
    channels.choose({ kind: "cluster", id });
  };
  const pinAt = (node: number) => {
    store.pin(node, { toggle: true });
  };

  return (
    <>
      <Bar {...{ view, ui, channels }} />
      <div class="ncut-channels">
        <div class="ncut-channels-images">
          <Images
            {...{ view, ui, tiles }}
            label={
              `${state.meta.value.images.length} images. Arrow keys move between patches, Page Up and Page Down between images, ` +
              "Enter selects the cluster of a patch as the target, Space pins a patch and selects the pinned patches as the target, " +
              "Z enlarges an image."
            }
            marks={(image) => <Outline key={image} {...{ image, view, ui, channels }} />}
            onKey={(event, node) => {
              if (event.ctrlKey || event.metaKey || event.altKey || node === null) return false;
              if ((event.target as Element).matches("button")) return false;
              if (event.key === "Enter") chooseAt(node);
              else if (event.key === " ") pinAt(node);
              else return false;
              return true;
            }}
            on={{
              onClick: (event: MouseEvent) => {
                const node = pointFromEvent(event, view, ui)?.node ?? null;
                if (node === null) return;
                if (event.shiftKey || event.ctrlKey || event.metaKey) pinAt(node);
                else chooseAt(node);
              },
            }}
          >
            <Tasks {...view} />
          </Images>
          <Pinned {...{ view, ui, channels }} />
        </div>
        <Panel {...{ view, channels }} />
      </div>
    </>
  );
}
