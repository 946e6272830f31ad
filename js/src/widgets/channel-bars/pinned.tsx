/** Thumbnails of the pinned channels on the image that was hovered last. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ViewContext } from "../../shared/context.ts";
import { errorMessage } from "../../shared/errors.ts";
import type { ImagesState } from "../../shared/images/state.ts";
import { PinMarker } from "./list.tsx";
import type { ChannelsState } from "./state.ts";

interface Props {
  view: ViewContext;
  ui: ImagesState;
  channels: ChannelsState;
}

export function Pinned({ view, ui, channels }: Props) {
  const { state } = view;
  const names = channels.names.value;
  const pinned = state.pinned_channels.value.filter((channel) => channel < (names?.length ?? 0));
  const image = Math.min(channels.image.value, state.meta.value.images.length - 1);
  return (
    <div class="ncut-strip ncut-pins" role="group" aria-label="Pinned channels">
      {pinned.map((channel, at) => (
        <ChannelThumbnail key={channel} {...{ view, ui, channels, channel, at, image }} of={pinned.length} />
      ))}
      {!pinned.length && names && (
        <p>Pinned channels appear here.</p>
      )}
    </div>
  );
}

function ChannelThumbnail({ view, ui, channels, channel, at, of, image }: Props & { channel: number; at: number; of: number; image: number }) {
  const { state, store } = view;
  const name = channels.names.value![channel]!;
  const canvas = useRef<HTMLCanvasElement>(null);
  const url = useSignal<string | undefined>(undefined);
  const { embedding, version, images } = state.meta.value;
  const source = state.source.value;

  useEffect(() => {
    let cancelled = false;
    const fail = (error: unknown) => { if (!cancelled) view.error.value = errorMessage(error); };
    store.image(image).then((next) => { if (!cancelled) url.value = next; }, fail);
    return () => { cancelled = true; };
  }, [image, version]);
  useEffect(() => {
    let cancelled = false;
    const draw = async () => {
      const { data } = await store.array(`channel_map/${channel}`);
      const map = ui.grid.peek().find(image, source);
      if (cancelled || !canvas.current || map < 0) return;
      const { rows, columns } = ui.grid.peek().maps[map]!;
      const colors = new Uint8ClampedArray(rows * columns * 4);
      const start = ui.grid.peek().offsets[map]!;
      for (let i = 0; i < rows * columns; i++) {
        colors.set(store.palettes.sequential.subarray(data[start + i]! * 4, data[start + i]! * 4 + 4), i * 4);
      }
      Object.assign(canvas.current, { width: columns, height: rows });
      canvas.current.getContext("2d")!.putImageData(new ImageData(colors, columns, rows), 0, 0);
    };
    draw().catch((error: unknown) => { if (!cancelled) view.error.value = errorMessage(error); });
    return () => { cancelled = true; };
  }, [channel, image, source, embedding]);

  const { width, height } = images[image]!;
  return (
    <figure class="ncut-thumbnail ncut-channel-thumbnail" data-pinned-channel={channel} style={{ "--aspect": width / height }}
      onPointerEnter={() => channels.preview(channel)} onPointerLeave={() => channels.preview(null)}>
      <img alt="" src={url.value} draggable={false} />
      <canvas ref={canvas} aria-hidden="true" class={state.smooth.value ? "ncut-smooth" : undefined} style={{ opacity: state.blend.value }} />
      <figcaption title={name}><PinMarker at={at} of={of} /><span>{name}</span></figcaption>
      <button type="button" aria-label={`Unpin ${name}`} title="Unpin" onClick={() => channels.toggle(channel)}>×</button>
    </figure>
  );
}
