import { valuesOf } from './soak-samples.ts';

const STORED_WITHIN_MS = 180_000;
const POLL_MS = 100;
const EMPTY_LOOKS = 12;
/** For how long {@link untilStored} looks at an empty spool. */
export const SETTLED_MS = EMPTY_LOOKS * POLL_MS;

/** Bytes in the spools of a gateway that are not in the store yet, as its metrics say. */
export async function backlogBytes(metricsUrl: string): Promise<number> {
  const metrics = await (await fetch(metricsUrl)).text();
  const values = valuesOf(metrics, 'ringside_log_backlog_bytes');
  if (values.length === 0) throw new Error(`${metricsUrl} does not say how much is in the spool`);
  return Math.max(...values);
}

const SETTLED_BELOW_BYTES = 1_000_000;
const SETTLES_WITHIN_MS = 10_000;

/**
 * Waits until what a load left in the spool is as good as stored, so that shipping it is not measured with the gateway whose
 * turn is next. False when that takes too long.
 */
export async function settle(metricsUrl: string): Promise<boolean> {
  const deadline = performance.now() + SETTLES_WITHIN_MS;
  do {
    // The figure is up to a second old.
    await new Promise((wake) => setTimeout(wake, SETTLED_MS));
    if ((await backlogBytes(metricsUrl)) < SETTLED_BELOW_BYTES) return true;
  } while (performance.now() < deadline);
  return false;
}

/** Waits until the spool is empty; the gateway looks once a second. */
export async function untilStored(metricsUrl: string): Promise<void> {
  const deadline = performance.now() + STORED_WITHIN_MS;
  // Seen empty for longer than a second: the first look may be older than the load.
  for (let looks = 0; looks < EMPTY_LOOKS; ) {
    looks = (await backlogBytes(metricsUrl)) === 0 ? looks + 1 : 0;
    if (performance.now() > deadline) throw new Error('the shipper did not store the backlog in time');
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}
