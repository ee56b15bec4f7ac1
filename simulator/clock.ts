/** Wall-clock time, as an argument to everything that needs it. */
export interface Clock {
  /** Unix time in integer milliseconds. */
  nowMs(): number;
}

/** The one place of the simulator that asks the machine for the time. */
export const systemClock: Clock = { nowMs: () => Date.now() };
