/** Error types and messages. */

/** The kernel's data changed after the request was sent. */
export class OutdatedError extends Error {
  override name = "OutdatedError";
}

// Checked by name, because every widget has its own copy of the class.
export function isOutdated(error: unknown): boolean {
  return error instanceof Error && error.name === "OutdatedError";
}

/** Whether a request failed because it was cancelled. */
export function isAbortError(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
