import type { Look, Observation, ValueCount } from './look.ts';

/** Values that the traffic since the newest one would have brought, before their absence is no chance: e^-20, and units have several. */
const EXPECTED_LEAST = 20;
/** Silences shorter than this are how feedback comes. */
const SILENCE_LEAST_MS = 600_000;
/** As many times as long as any silence before: reports that come once a day are no trouble. */
const SILENCE_FACTOR = 2;

/**
 * How many values each metric has of each arm, and since when it has got no more: what the looks before knew, brought up to date. Carried
 * from look to look, so that it survives whoever looks. A metric that was not observed stays as it was.
 */
export function valueCounts(metrics: readonly string[], observation: Observation): Record<string, ValueCount[]> {
  return Object.fromEntries(
    [...new Set(metrics)].map((metric) => [
      metric,
      observation.arms.map((_, arm) => countOf(metric, arm, observation)),
    ]),
  );
}

function countOf(metric: string, arm: number, { atMs, metrics, phases, values }: Observation): ValueCount {
  const startedAtMs = phases[0]?.startedAtMs ?? atMs;
  const known = values?.[metric]?.[arm] ?? { n: 0, requests: 0, sinceMs: startedAtMs, longestMs: 0 };
  const sums = Object.hasOwn(metrics, metric) ? metrics[metric]! : [];
  const n = sums.reduce((total, { arms }) => total + (arms[arm]?.n ?? 0), 0);
  // NaN is not more, either.
  if (!(n > known.n)) return known;
  const requests = phases.reduce((total, phase) => total + (phase.requests[arm] ?? 0), 0);
  return { n, requests, sinceMs: atMs, longestMs: Math.max(known.longestMs, atMs - known.sinceMs) };
}

/**
 * Whether a metric of which there were values has dried up in an arm: the arm's requests since its newest value would have brought 20
 * more at its rate until then, and it has been silent for ten minutes and twice as long as ever before. An arm without traffic is no
 * metric that dried up.
 */
export function hasDriedUp(
  { atMs, requests, values }: Pick<Look, 'atMs' | 'requests' | 'values'>,
  metric: string,
  arm: number,
): boolean {
  const count = values?.[metric]?.[arm];
  if (count === undefined || count.n === 0) return false;
  const expected = (count.n / count.requests) * ((requests[arm] ?? 0) - count.requests);
  const silentMs = atMs - count.sinceMs;
  return expected >= EXPECTED_LEAST && silentMs >= Math.max(SILENCE_LEAST_MS, SILENCE_FACTOR * count.longestMs);
}
