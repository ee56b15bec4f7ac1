/** When requests should be sent, counted from the start of the clock. */
export type Pace =
  | { readonly kind: 'constant'; readonly requestsPerS: number }
  /** `requests` at once, every `everyMs`. */
  | { readonly kind: 'bursts'; readonly requests: number; readonly everyMs: number };

/** When the request with this index (from 0) should be sent. */
export function dueAtMs(pace: Pace, index: number): number {
  return pace.kind === 'constant'
    ? (index * 1000) / pace.requestsPerS
    : Math.floor(index / pace.requests) * pace.everyMs;
}

/** How many requests should have been sent by then, that moment included. */
export function dueBy(pace: Pace, elapsedMs: number): number {
  if (elapsedMs < 0) return 0;
  // Sums of fractions end a hair below the whole number that is meant.
  const whole = (count: number) => Math.floor(count + 1e-9);
  return pace.kind === 'constant'
    ? whole((elapsedMs * pace.requestsPerS) / 1000) + 1
    : (whole(elapsedMs / pace.everyMs) + 1) * pace.requests;
}

/** How many requests are due before the end of the run. */
export function totalOf(pace: Pace, seconds: number): number {
  return pace.kind === 'constant'
    ? Math.ceil(seconds * pace.requestsPerS - 1e-9)
    : Math.ceil((seconds * 1000) / pace.everyMs - 1e-9) * pace.requests;
}

/** Time between two moments at which something is due. */
export function gapMs(pace: Pace): number {
  return pace.kind === 'constant' ? 1000 / pace.requestsPerS : pace.everyMs;
}
