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
