/** Requests to the kernel: each carries an id, the answer comes in binary parts or is an error with its text. */
import type { NdArray, NumericArray, SessionModel } from "./types";

interface Reply {
  kind: "reply" | "progress";
  id: string;
  ok: boolean;
  error?: string;
  /** Which of how many parts the buffer is. */
  part?: number;
  parts?: number;
  dtype?: string;
  shape?: number[];
  /** How far the kernel is with a request, from 0 to 1. */
  fraction?: number;
}

interface Pending {
  parts: Uint8Array[];
  resolve: (array: NdArray) => void;
  reject: (error: Error) => void;
  progress: ((fraction: number) => void) | undefined;
}

const DTYPES: Record<string, (buffer: ArrayBuffer) => NumericArray> = {
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  float16: (buffer) => halfToFloat(new Uint16Array(buffer)),
};

/** IEEE half precision to float32. */
export function halfToFloat(half: Uint16Array): Float32Array {
  const out = new Float32Array(half.length);
  for (let i = 0; i < half.length; i++) {
    const bits = half[i]!;
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) out[i] = sign * 2 ** -14 * (fraction / 1024);
    else if (exponent === 31) out[i] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else out[i] = sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
  }
  return out;
}

export function decode(bytes: Uint8Array, dtype: string, shape: number[]): NdArray {
  const make = DTYPES[dtype];
  if (!make) throw new Error(`the kernel sent an array of the unknown type ${dtype}`);
  // A copy of its own: the parts may lie at offsets that typed arrays can't start at.
  const buffer = bytes.slice().buffer as ArrayBuffer;
  return { data: make(buffer), shape };
}

export class Wire {
  #model: SessionModel;
  #signal: AbortSignal;
  #pending = new Map<string, Pending>();
  #count = 0;
  // Several pages may be open on one kernel, and every one hears every reply.
  #page = crypto.getRandomValues(new Uint32Array(2)).join("-");

  constructor(model: SessionModel, signal: AbortSignal) {
    this.#model = model;
    this.#signal = signal;
    const listener = (message: Reply, buffers: DataView[]) => this.#receive(message, buffers);
    model.on("msg:custom", listener);
    signal.addEventListener("abort", () => {
      model.off("msg:custom", listener);
      this.#pending.clear();
    });
  }

  /** Ask for an array; a reply that comes after the session is gone is dropped. */
  array(name: string): Promise<NdArray> {
    return this.#ask({ name });
  }

  /** Ask for what the kernel has to compute first. It is told to stop when `signal` aborts. */
  request(
    name: string, params: unknown, { signal, progress }: { signal?: AbortSignal; progress?: (fraction: number) => void },
  ): Promise<NdArray> {
    return this.#ask({ name, params }, signal, progress);
  }

  #ask(content: object, signal?: AbortSignal, progress?: (fraction: number) => void): Promise<NdArray> {
    if (this.#signal.aborted) return Promise.reject(new Error("the session is closed"));
    if (signal?.aborted) return Promise.reject(aborted());
    const id = `${this.#page}-${this.#count++}`;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { parts: [], resolve, reject, progress });
      this.#model.send({ kind: "request", id, ...content });
      signal?.addEventListener("abort", () => {
        if (!this.#pending.delete(id)) return;
        this.#model.send({ kind: "cancel", id });
        reject(aborted());
      });
    });
  }

  #receive(message: Reply, buffers: DataView[]): void {
    const request = this.#pending.get(message?.id);
    if (!request) return;
    if (message.kind === "progress") {
      request.progress?.(message.fraction!);
      return;
    }
    if (message.kind !== "reply") return;
    if (!message.ok) {
      this.#pending.delete(message.id);
      request.reject(new Error(message.error ?? "the kernel could not answer"));
      return;
    }
    const view = buffers[0]!;
    request.parts[message.part!] = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const arrived = request.parts.filter(Boolean).length;
    if (arrived < message.parts!) return;
    this.#pending.delete(message.id);
    try {
      const bytes = new Uint8Array(request.parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of request.parts) {
        bytes.set(part, at);
        at += part.length;
      }
      request.resolve(decode(bytes, message.dtype!, message.shape!));
    } catch (error) {
      request.reject(error as Error);
    }
  }
}

function aborted(): Error {
  return new DOMException("cancelled", "AbortError");
}
