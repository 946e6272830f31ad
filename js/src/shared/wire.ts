/** Requests to the kernel. Each request has an id; the reply is an array in binary chunks, or an error message. */
import { OutdatedError, isOutdated } from "./errors.ts";
import type { Kernel, KernelConnection, NdArray, NumericArray, SessionModel } from "./types";

/** Delay in ms before a missing reply is reported, which must happen within 5 s after a view opens. */
export const REPLY_TIMEOUT_MS = 4000;
export const NO_KERNEL = "No kernel is connected. Run the notebook again to continue.";

interface Reply {
  kind: "reply" | "progress";
  id: string;
  ok: boolean;
  error?: string;
  /** True if the requested data have been replaced. */
  outdated?: boolean;
  /** Index of the chunk and number of chunks. */
  part?: number;
  parts?: number;
  dtype?: string;
  shape?: number[];
  /** Progress from 0 to 1. */
  fraction?: number;
}

interface Pending {
  message: object;
  /** Tasks show their own progress and may take long, so they are excluded from the reply timeout. */
  isTask: boolean;
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

/** IEEE 754 half precision to float32. */
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
  // A copy, because chunks may start at offsets that typed arrays do not allow.
  const buffer = bytes.slice().buffer as ArrayBuffer;
  return { data: make(buffer), shape };
}

export class Wire {
  #model: SessionModel;
  #signal: AbortSignal;
  #pending = new Map<string, Pending>();
  #count = 0;
  #onChange: () => void;
  #kernel: Kernel = "connected";
  #connection: KernelConnection | null = null;
  /** Whether any message has arrived from the kernel. */
  #hasReceived = false;
  #timer = 0;
  // Unique per page: all pages connected to a kernel receive every reply.
  #page = crypto.getRandomValues(new Uint32Array(2)).join("-");

  /** `changed` is called when `kernel` changes. */
  constructor(model: SessionModel, signal: AbortSignal, changed: () => void) {
    this.#model = model;
    this.#signal = signal;
    this.#onChange = changed;
    const listener = (message: Reply, buffers: DataView[]) => this.#receive(message, buffers);
    model.on("msg:custom", listener);
    signal.addEventListener("abort", () => {
      model.off("msg:custom", listener);
      this.#pending.clear();
      this.#stopTimer();
    });
  }

  get kernel(): Kernel {
    return this.#kernel;
  }

  /** Track the host's connection; without it a missing kernel can only be detected by a timeout. */
  connect(connection: KernelConnection): void {
    if (this.#connection) return;
    this.#connection = connection;
    const follow = () => {
      if (connection.comm_live) {
        if (this.#kernel === "none") for (const { message } of this.#pending.values()) this.#send(message);
        this.#setKernel("connected");
        this.#startTimer();
        return;
      }
      this.#disconnect();
    };
    connection.on("comm_live_update", follow);
    this.#signal.addEventListener("abort", () => connection.off("comm_live_update", follow));
    if (!connection.comm_live) follow();
  }

  /** Sending on a closed connection does nothing; after a kernel shutdown it throws errors of any type. */
  #send(message: object): void {
    if (this.#connection?.comm_live === false) return;
    try {
      this.#model.send(message);
    } catch {
      this.#disconnect();
    }
  }

  /** The kernel is gone: tasks fail, array requests stay pending and are sent again after a reconnect. */
  #disconnect(): void {
    this.#stopTimer();
    for (const [id, { isTask, reject }] of this.#pending) {
      if (isTask && this.#pending.delete(id)) reject(new Error(NO_KERNEL));
    }
    this.#setKernel("none");
  }

  #setKernel(kernel: Kernel): void {
    if (kernel === this.#kernel) return;
    this.#kernel = kernel;
    this.#onChange();
  }

  /** Start the reply timeout. Late replies are still accepted, because the kernel may be busy. */
  #startTimer(): void {
    if (this.#timer || this.#kernel !== "connected" || ![...this.#pending.values()].some(({ isTask }) => !isTask)) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#setKernel(this.#connection || this.#hasReceived ? "waiting" : "none");
    }, REPLY_TIMEOUT_MS);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  /** Fetch the current version of an array, repeated if the data were replaced. Replies after the session is closed are dropped. */
  array(name: string): Promise<NdArray> {
    return this.#request({ name }, false).catch((error: unknown) => {
      if (isOutdated(error)) return this.array(name);
      throw error;
    });
  }

  /** Send a slow request. It is cancelled in the kernel when `signal` aborts. */
  request(
    name: string, params: unknown, { signal, progress }: { signal?: AbortSignal; progress?: (fraction: number) => void },
  ): Promise<NdArray> {
    return this.#request({ name, params }, true, signal, progress);
  }

  #request(content: object, isTask: boolean, signal?: AbortSignal, progress?: (fraction: number) => void): Promise<NdArray> {
    if (this.#signal.aborted) return Promise.reject(new Error("the session is closed"));
    if (signal?.aborted) return Promise.reject(abortError());
    if (isTask && this.#kernel === "none") return Promise.reject(new Error(NO_KERNEL));
    const id = `${this.#page}-${this.#count++}`;
    return new Promise((resolve, reject) => {
      const { version, embedding } = this.#model.get("meta");
      const message = { kind: "request", id, version, embedding, ...content };
      this.#pending.set(id, { message, isTask, parts: [], resolve, reject, progress });
      this.#send(message);
      this.#startTimer();
      signal?.addEventListener("abort", () => {
        if (!this.#pending.delete(id)) return;
        this.#send({ kind: "cancel", id });
        reject(abortError());
      });
    });
  }

  #receive(message: Reply, buffers: DataView[]): void {
    this.#hasReceived = true;
    this.#stopTimer();
    this.#setKernel("connected");
    this.#handle(message, buffers);
    this.#startTimer();
  }

  #handle(message: Reply, buffers: DataView[]): void {
    const request = this.#pending.get(message?.id);
    if (!request) return;
    if (message.kind === "progress") {
      request.progress?.(message.fraction!);
      return;
    }
    if (message.kind !== "reply") return;
    if (!message.ok) {
      this.#pending.delete(message.id);
      const why = message.error ?? "the kernel reported no error message";
      request.reject(message.outdated ? new OutdatedError(why) : new Error(why));
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

function abortError(): Error {
  return new DOMException("cancelled", "AbortError");
}
