/** A share of one; each view is one cell that a serving thread writes. */
export type ServingLoad = readonly Float64Array[];

/** Lets shipping give way to serving. One for all spools of a shipper. */
export interface Pace {
  /** Waits behind a commit for as long as serving should have the machine to itself. */
  rest(workedMs: number, backlogBytes: number): Promise<void>;
}

export interface PaceOptions {
  readonly monotonicMs: () => number;
  /** The highest utilisation of a serving thread at the moment, 0 to 1. */
  readonly busiest: () => number;
  /** A backlog of so many bytes is not made larger by resting. */
  readonly calmBytes: number;
  /** Sleeps; ends early when the shipper stops. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** From here on a serving thread counts as busy. */
const BUSY_FROM = 0.5;
/** Milliseconds of rest per millisecond of work while serving is busy and nothing has piled up. */
const REST_PER_WORK = 3;
/** Work is time that passed, a store's slowness included; and what is busy now may not be so soon. */
const MAX_REST_MS = 500;
/** About 100 000 small exchanges: what a burst may leave to be shipped behind it. */
const MAX_CALM_BYTES = 256 * 1024 * 1024;
const MAX_CALM_SHARE = 0.25;

/** The backlog up to which shipping rests, for the bound of one spool: far from it, whatever it is. */
export function calmBytesFor(maxSpoolBytes: number): number {
  return Math.min(MAX_CALM_BYTES, maxSpoolBytes * MAX_CALM_SHARE);
}

/**
 * How long shipping rests after `workedMs` of it. The spool takes what comes meanwhile: a burst is served first and shipped
 * behind it. The rest shrinks as the backlog grows, so that a load which lasts is shipped at full speed.
 */
export function restMs(workedMs: number, busiest: number, backlogBytes: number, calmBytes: number): number {
  if (busiest < BUSY_FROM) return 0;
  const calm = Math.max(0, 1 - backlogBytes / calmBytes);
  return Math.min(workedMs * REST_PER_WORK * calm, MAX_REST_MS);
}

export function busiestOf(load: ServingLoad): number {
  return load.reduce((highest, cell) => Math.max(highest, cell[0]!), 0);
}

export function createPace({ monotonicMs, busiest, calmBytes, sleep }: PaceOptions): Pace {
  // One for all: spools that took turns at resting would keep the store busy all the time.
  let restUntil = 0;
  return {
    async rest(workedMs, backlogBytes) {
      const now = monotonicMs();
      restUntil = Math.max(restUntil, now + restMs(workedMs, busiest(), backlogBytes, calmBytes));
      if (restUntil > now) await sleep(restUntil - now);
    },
  };
}
