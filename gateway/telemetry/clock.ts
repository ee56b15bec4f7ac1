/** The gateway's clocks, as arguments: wall time is anchored to the monotonic clock, so that a jump cannot bend a duration. */
export interface Clock {
  /** Monotonic nanoseconds from an arbitrary start. */
  readonly nowNs: () => number;
  /** Unix milliseconds, never going back. */
  readonly unixMs: () => number;
}

/** Monotonic microseconds, the same in all threads. */
export function processMicroseconds(): bigint {
  return process.hrtime.bigint() / 1_000n;
}

/** Wall time may be corrected forward after this much drift (a suspended machine); it is never turned back. */
const MAX_DRIFT_MS = 60_000;
const CHECK_EVERY_MS = 1_000;

export function createClock(
  wall: () => number = () => Date.now(),
  monotonicMs: () => number = () => performance.now(),
): Clock {
  let anchorWall = wall();
  let anchorMono = monotonicMs();
  let checkedAt = anchorMono;
  return {
    nowNs: () => Math.round(monotonicMs() * 1e6),
    unixMs() {
      const mono = monotonicMs();
      if (mono - checkedAt > CHECK_EVERY_MS) {
        checkedAt = mono;
        const drift = wall() - (anchorWall + mono - anchorMono);
        if (drift > MAX_DRIFT_MS) {
          anchorWall = wall();
          anchorMono = mono;
        }
      }
      return Math.floor(anchorWall + mono - anchorMono);
    },
  };
}
