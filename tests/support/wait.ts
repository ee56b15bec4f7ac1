const MIN_PAUSE_MS = 20;
/** Short enough to see a state that lasts a moment. */
const MAX_PAUSE_MS = 100;

/**
 * Waits until `probe` gives something other than undefined or false; fails with `what` after `timeoutMs`.
 * The longer it has waited, the longer it pauses between two probes, a twentieth of the wait: most probes are requests, and fifty of
 * them each second take from the processes the time in which to do what is waited for.
 */
export async function waitFor<Value>(
  what: string,
  probe: () => Value | undefined | false | Promise<Value | undefined | false>,
  timeoutMs = 15_000,
): Promise<Value> {
  const begun = performance.now();
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    const waitedMs = performance.now() - begun;
    if (waitedMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    const pauseMs = Math.min(Math.max(waitedMs / 20, MIN_PAUSE_MS), MAX_PAUSE_MS);
    await new Promise((wake) => setTimeout(wake, pauseMs));
  }
}
