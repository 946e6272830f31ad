/** Serves the session's array requests from base64 blocks in the page. */

interface Request {
  kind: string;
  id: string;
  name: string;
}

export function answer(message: unknown, reply: (content: unknown, buffers: DataView[]) => void): void {
  const { kind, id, name } = message as Request;
  if (kind !== "request") return;
  const block = document.querySelector<HTMLElement>(`script[data-ncut-array="${CSS.escape(name)}"]`);
  // Asynchronously, like a kernel: no listener is called before the request has returned.
  queueMicrotask(() => {
    if (!block) {
      reply({ kind: "reply", id, ok: false, error: `the array ${name} is not included in this file` }, []);
      return;
    }
    const { dtype, shape } = block.dataset;
    const text = atob(block.textContent!);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const content = { kind: "reply", id, ok: true, part: 0, parts: 1, dtype, shape: JSON.parse(shape!) };
    reply(content, [new DataView(bytes.buffer)]);
  });
}
