/** Waiting times between attempts: doubling, each a random part (half to whole) of its step, so that many do not march in step. */
export interface BackOff {
  /** The next wait in milliseconds. `random` in [0, 1). */
  next(): number;
  reset(): void;
}

export function createBackOff(firstMs: number, maxMs: number, random: () => number): BackOff {
  let stepMs = firstMs;
  return {
    next() {
      const wait = stepMs * (0.5 + random() / 2);
      stepMs = Math.min(stepMs * 2, maxMs);
      return wait;
    },
    reset() {
      stepMs = firstMs;
    },
  };
}
