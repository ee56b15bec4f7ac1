/** Something took longer than it may. */
export class TimeLimitError extends Error {
  override name = 'TimeLimitError';
}

/** A signal that is aborted with a TimeLimitError after so long, unless it is cleaned up. */
export function startLimit(
  timeoutMs: number,
  message: string,
): { readonly signal: AbortSignal; readonly cleanup: () => void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new TimeLimitError(message)), timeoutMs);
  return { signal: controller.signal, cleanup: () => clearTimeout(timer) };
}

/**
 * The chunks of a body, each of which must come within `idleMs` of being asked for. How long the reader keeps a chunk does
 * not count, nor does how long all of them take.
 * @throws TimeLimitError with this message; what the body fails with. The body is cancelled then, and when its reader leaves
 */
export async function* readWithin(
  body: ReadableStream<Uint8Array>,
  idleMs: number,
  message: string,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { value, done } = await inTime(reader.read(), idleMs, message);
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // one that failed tells it again
  }
}

async function inTime<Value>(work: Promise<Value>, timeoutMs: number, message: string): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new TimeLimitError(message)), timeoutMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
