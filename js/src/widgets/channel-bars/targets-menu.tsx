/** Menus for the target and the comparison target. */
import type { ViewContext } from "../../shared/context.ts";
import type { ChannelsState } from "./state.ts";
import type { Target } from "./targets.ts";

interface Props {
  view: ViewContext;
  channels: ChannelsState;
}

export function Targets({ view, channels }: Props) {
  const { first, second } = channels;
  const compare = () => {
    const { kind, id: taken } = { id: -1, ...first.peek() };
    const id = channels.present.peek().find((one) => kind !== "cluster" || one !== taken);
    if (id !== undefined) channels.compare({ kind: "cluster", id });
  };
  return (
    <div class="ncut-targets">
      <div class="ncut-target">
        <Menu {...{ view, channels }} name="Target" target={first.value} set={channels.choose} />
        {!second.value && (
          <button type="button" title="Compare with a second target" disabled={channels.present.value.length < 2} onClick={compare}>
            Compare
          </button>
        )}
      </div>
      {second.value && (
        <div class="ncut-target">
          <Menu {...{ view, channels }} name="Compared with" target={second.value} set={channels.compare} />
          <button type="button" class="ncut-icon-button" aria-label="Stop comparing" title="Stop comparing"
            onClick={() => channels.compare(null)}>
            ×
          </button>
        </div>
      )}
    </div>
  );
}

interface MenuProps extends Props {
  name: string;
  target: Target;
  set: (target: Target) => void;
}

function Menu({ view: { state }, channels, name, target, set }: MenuProps) {
  const option = (one: Target) => <option value={JSON.stringify(one)}>{channels.nameOf(one)}</option>;
  const { value: objects } = state.objects;
  const images = state.meta.value.images;
  return (
    <>
      <i class="ncut-chip" style={{ background: channels.colorOf(target) }} />
      <select aria-label={name} value={JSON.stringify(target)}
        onChange={(event) => set(JSON.parse(event.currentTarget.value) as Target)}>
        <optgroup label="Clusters">
          {channels.present.value.map((id) => option({ kind: "cluster", id }))}
        </optgroup>
        {channels.kernel.value && (
          <>
            {objects.length > 0 && (
              <optgroup label="Masks">{objects.map((object) => option({ kind: "mask", name: object.name }))}</optgroup>
            )}
            {state.selection.value.length > 0 && <optgroup label="Selection">{option({ kind: "pinned" })}</optgroup>}
            <optgroup label="Images">{images.map((_, image) => option({ kind: "image", image }))}</optgroup>
          </>
        )}
      </select>
    </>
  );
}
