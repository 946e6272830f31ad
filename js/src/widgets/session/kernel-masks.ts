/** What only the kernel can do for masks: cutting the graph with the clicks in it, and carrying masks to the pixels. */
import type { MaskObject, SessionStore } from "../../shared/types.ts";
import { OutdatedError } from "../../shared/wire.ts";
import { type Prompts, rgbOf } from "./masks.ts";
import { type Tasks, isAbortError } from "./tasks.ts";

/** A drag asks for much on its way; the kernel is asked when it rests. */
const REST = 200;
const MOST_ANSWERS = 64;
/** The places of questions: followed by the name of an object, and by the number of an image. */
const HEAT = "heat of ";
const REFINED = "refined ";

interface Question {
  controller: AbortController;
  timer: number;
}

/** What is said where a question was cancelled, and where it failed, if not what the kernel says. */
interface Why {
  cancelled: string;
  failed?: string | undefined;
}

interface Picture {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

export class KernelMasks {
  #store: SessionStore;
  #tasks: Tasks;
  #heats = new Map<string, Float32Array>();
  /** The last heat of an object by its name, shown until a newer one is there. */
  #shown = new Map<string, Float32Array>();
  #pictures = new Map<number, { key: string; picture: Picture }>();
  #questions = new Map<string, Question & { key: string }>();
  /** What the kernel has refused or the user has ended, by its place: not asked again until somebody chooses so. */
  #refused = new Map<string, string>();
  #failures: ((message: string | null) => void)[] = [];

  constructor(store: SessionStore, tasks: Tasks, signal: AbortSignal) {
    this.#store = store;
    this.#tasks = tasks;
    store.subscribe("objects", () => this.#forgetGone(), signal);
    let refine = store.get("refine");
    store.subscribe("refine", () => {
      // It is told of twice: as it is set here, and as the model has it.
      if (refine === store.get("refine")) return;
      refine = store.get("refine");
      this.#forget((place) => place.startsWith(REFINED));
    }, signal);
  }

  clear(): void {
    this.#forget(() => true);
    this.#heats.clear();
    this.#shown.clear();
    this.#pictures.clear();
  }

  /** The user has chosen what there is to choose once more: what was cancelled or refused may be asked for. */
  retryKernelRequests(): void {
    this.#forgive(() => true);
    this.#tasks.changed();
  }

  /** Another object may get the name of one that is no more, and one that was cut otherwise may be cut anew. */
  #forgetGone(): void {
    const cut = this.#store.get("objects").filter(({ method }) => method === "ncut").map(({ name }) => name);
    for (const name of this.#shown.keys()) if (!cut.includes(name)) this.#shown.delete(name);
    this.#forget((place) => place.startsWith(HEAT) && !cut.includes(place.slice(HEAT.length)));
  }

  #forgive(which: (place: string) => boolean): void {
    const places = [...this.#refused.keys()].filter(which);
    for (const place of places) this.#refused.delete(place);
    if (places.length) this.#tell(null);
  }

  #forget(which: (place: string) => boolean): void {
    this.#forgive(which);
    for (const [place, { controller, timer }] of this.#questions) {
      if (!which(place)) continue;
      clearTimeout(timer);
      controller.abort();
      this.#questions.delete(place);
    }
  }

  heat(object: MaskObject, prompts: Prompts): Float32Array | null {
    const place = HEAT + object.name;
    if (prompts.positive.length === 0) {
      this.#forget((other) => other === place);
      return null;
    }
    // All in the name: an exported file has the answers to those that were asked in it.
    const key = `click_heat/${prompts.positive.join()}/${prompts.negative.join()}/${object.click_weight.toFixed(3)}`;
    const heat = this.#heats.get(key);
    if (heat) {
      this.#forgive((other) => other === place);
      this.#shown.set(object.name, heat);
      return heat;
    }
    const { abilities } = this.#store.get("meta");
    const able = abilities.includes("ncut");
    const why = {
      cancelled: `The cut of ${object.name} was cancelled. Choose Graph again to make it.`,
      // An exported file has the answers for the clicks that were there, and nobody to ask for others.
      failed: abilities.length ? undefined : `${object.name} has no mask: to cut the graph with other clicks takes a kernel. Undo, or choose Similarity.`,
    };
    this.#ask(place, key, why, async (signal) => {
      const label = `Cutting for ${object.name}`;
      const { data } = await this.#tasks.ask<Float32Array>(key, null, { label, signal });
      keep(this.#heats, key, data);
    });
    // The last one stands for one that comes, not for one that does not.
    return able && !this.#refused.has(place) ? (this.#shown.get(object.name) ?? null) : null;
  }

  refined(image: number): Picture | null {
    const objects = this.#store.get("objects");
    const visible = objects.filter((object) => object.visible);
    const method = this.#store.get("refine");
    const params = { image, method, source: this.#store.get("source"), objects: visible };
    const key = JSON.stringify([image, method, params.source, visible]);
    const known = this.#pictures.get(image);
    if (known?.key === key) return known.picture;
    if (visible.length === 0) return null;
    const cancelled = `The masks were not refined. Choose ${method === "crf" ? "CRF" : "Guided"} again to refine them.`;
    this.#ask(`${REFINED}${image}`, key, { cancelled }, async (signal) => {
      const { name } = this.#store.get("meta").images[image]!;
      const answer = await this.#tasks.ask<Uint8Array>("refined", params, { label: `Refining ${name}`, signal });
      this.#pictures.set(image, { key, picture: paintMasks(answer.data, answer.shape, visible) });
    });
    // Until it is there: the patches, which follow at once.
    return null;
  }

  /** One question at a time for each place; a newer one ends it. If it comes to nothing, the user hears why. */
  #ask(place: string, key: string, why: Why, question: (signal: AbortSignal) => Promise<void>): void {
    if (this.#questions.get(place)?.key === key || this.#refused.get(place) === key) return;
    this.#forget((other) => other === place);
    const controller = new AbortController();
    const run = async () => {
      try {
        await question(controller.signal);
      } catch (error) {
        // Ended by a newer question, because nobody wants it, or by other data, which are on their way: nothing to say.
        if (controller.signal.aborted || error instanceof OutdatedError) return;
        this.#refused.set(place, key);
        const text = isAbortError(error) ? why.cancelled : (why.failed ?? (error instanceof Error ? error.message : String(error)));
        this.#tell(text);
      } finally {
        if (this.#questions.get(place)?.controller === controller) this.#questions.delete(place);
        this.#tasks.changed();
      }
    };
    const timer = window.setTimeout(() => void run(), REST);
    this.#questions.set(place, { controller, timer, key });
  }

  #tell(text: string | null): void {
    for (const tell of this.#failures) tell(text);
  }

  /** Hear of what the kernel could not do, and by null that this holds no longer. */
  onKernelError(tell: (message: string | null) => void, signal: AbortSignal): void {
    this.#failures.push(tell);
    signal.addEventListener("abort", () => { this.#failures = this.#failures.filter((one) => one !== tell); });
  }
}

/** (k, h, w) masks as one picture, later objects over earlier ones. */
function paintMasks(masks: Uint8Array, shape: readonly number[], objects: readonly MaskObject[]): Picture {
  const [, height, width] = shape as [number, number, number];
  const out = new Uint32Array(width * height);
  objects.forEach((object, index) => {
    const color = new Uint32Array(Uint8Array.of(...rgbOf(object.color), 255).buffer)[0]!;
    const from = index * out.length;
    for (let i = 0; i < out.length; i++) if (masks[from + i]) out[i] = color;
  });
  return { data: new Uint8ClampedArray(out.buffer), width, height };
}

function keep<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value);
  if (map.size > MOST_ANSWERS) map.delete(map.keys().next().value!);
}
