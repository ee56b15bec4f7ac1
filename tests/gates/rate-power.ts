import { findingsOf, type Gate, type GateOptions, medianOf } from './gate.ts';
import { definitionOf } from './simulate.ts';
import { newUnits, type Traffic } from './traffic.ts';
import { watch } from './watch.ts';

const REQUESTS = 10_000;

/** Rates of the champion and how many times as often the challenger has events; at least so many runs must see it. */
const EFFECTS = [
  { rate: 0.002, times: 6, atLeast: 0.9 },
  { rate: 0.01, times: 3, atLeast: 0.9 },
  { rate: 0.03, times: 1.5, atLeast: 0.5 },
  { rate: 0.3, times: 1.12, atLeast: 0.5 },
] as const;

/** What dividing α between the two forms of a rate costs shows here: from few events, in one form, to many, in the other. */
export const ratePower: Gate = {
  name: 'rate-power',
  about: `True effects on rates, found within ${REQUESTS} requests`,
  run(options) {
    const { add, findings } = findingsOf('rate-power');
    const fewer = { ...options, runs: Math.ceil(options.runs / 4) };
    for (const relative of [true, false]) {
      for (const { rate, times, atLeast } of EFFECTS) {
        const label = `${rate * 100} %, ${times} ×, ${relative ? 'relative' : 'absolute'}`;
        const { found, wrong } = decisions(rate, times, relative, fewer);
        add(`${label}: found`, 'share', found.length / fewer.runs, { atLeast });
        add(`${label}: median`, 'requests', medianOf(found, fewer.runs));
        add(`${label}: decided for the wrong side`, 'share', wrong / fewer.runs, { atMost: 0.025 });
      }
    }
    return findings;
  },
};

/** Requests at the decision of each run that decided rightly, and how many decided wrongly. */
function decisions(rate: number, times: number, relative: boolean, options: GateOptions) {
  const traffic: Traffic = {
    capacity: REQUESTS,
    shares: [0.5, 0.5],
    requests: newUnits(REQUESTS),
    trait: () => 0,
    value: (random, _, arm) => (random() < rate * (arm === 1 ? times : 1) ? 1 : 0),
  };
  const primary = { metric: 'outcome', kind: 'rate', direction: 'increase', relative, minimumEffect: 1e-6 } as const;
  const definition = definitionOf({ primary, guardrails: [], fastGuard: null });
  const found: number[] = [];
  let wrong = 0;
  watch(`rate-power ${rate} ${times}`, options, {
    traffic,
    definition,
    metrics: ['outcome'],
    onLook: ({ comparisons }, { requests }) => {
      const { verdict } = comparisons[0]!;
      if (verdict === 'challenger_better') found.push(requests);
      if (verdict === 'champion_better') wrong++;
      return verdict === 'challenger_better' || verdict === 'champion_better';
    },
  });
  return { found, wrong };
}
