import { findingsOf, type Gate, medianOf } from './gate.ts';
import { naiveSplitP } from './naive.ts';
import { definitionOf } from './simulate.ts';
import { heavyUsers, newUnits, type Traffic } from './traffic.ts';
import { shareOfRuns, watch } from './watch.ts';

const HALVES = [0.5, 0.5];
const nothing = () => 0;

/** Only the split is looked at. */
const splitOnly = definitionOf({ guardrails: [], fastGuard: null });

const heavy: Traffic = { capacity: 2_000, shares: HALVES, requests: heavyUsers(2_000), trait: nothing, value: nothing };

function plain(units: number, shares: readonly number[]): Traffic {
  return { capacity: units, shares, requests: newUnits(units), trait: nothing, value: nothing };
}

/** The largest α that a definition may ask for: the promise must hold there too. */
const LARGEST_ALPHA = 0.05;

/**
 * At α = 0.001 some 2 of 2 000 runs may fire. The bound is α and 5 standard errors of a share of 2 000 runs: a test that keeps its α
 * stays below it but once in 10 000 seeds (Poisson).
 */
const AT_SMALL_ALPHA = 0.0045;

export const splitHeavyUsers: Gate = {
  name: 'split',
  about: 'Sample-ratio alarm without a mismatch',
  run(options) {
    const { add, findings } = findingsOf('split');
    const unequal = plain(10_000, [0.9, 0.1]);
    for (const [name, traffic, weightsBp] of [
      ['heavy users', heavy, [5_000, 5_000]],
      ['9 000 : 1 000 units', unequal, [9_000, 1_000]],
    ] as const) {
      const smallest = new Float64Array(options.runs).fill(1);
      const byRequest = new Float64Array(options.runs).fill(1);
      watch(name, options, {
        traffic,
        weightsBp,
        definition: splitOnly,
        metrics: [],
        onLook: ({ srm, requests }, _, run) => {
          smallest[run] = srm.minPValue;
          byRequest[run] = Math.min(byRequest[run]!, naiveSplitP(requests, weightsBp));
          return false;
        },
      });
      const share = (values: Float64Array, alpha: number) => values.filter((p) => p <= alpha).length / options.runs;
      add(`fires, ${name}, α ${LARGEST_ALPHA}`, 'share', share(smallest, LARGEST_ALPHA), { atMost: LARGEST_ALPHA });
      add(`fires, ${name}, α 0.001`, 'share', share(smallest, 0.001), { atMost: AT_SMALL_ALPHA });
      add(`the same test on requests, ${name}, α ${LARGEST_ALPHA}`, 'share', share(byRequest, LARGEST_ALPHA));
      add(`the same test on requests, ${name}, α 0.001`, 'share', share(byRequest, 0.001));
    }
    return findings;
  },
};

export const splitDetection: Gate = {
  name: 'split-detection',
  about: 'Sample-ratio alarm with a planted mismatch, configured 50 : 50, α 0.001',
  run(options) {
    const { add, findings } = findingsOf('split-detection');
    for (const [name, shares, units] of [
      ['52 : 48', [0.52, 0.48], 40_000],
      ['55 : 45', [0.55, 0.45], 10_000],
    ] as const) {
      const needed: number[] = [];
      const watched = { traffic: plain(units, shares), definition: splitOnly, metrics: [] };
      const detected = shareOfRuns(name, options, watched, ({ srm, units: seen }) => {
        if (srm.fired) needed.push(seen.reduce((total, count) => total + count, 0));
        return srm.fired;
      });
      add(`${name} found within ${units} units`, 'share', detected, { atLeast: 0.95 });
      add(`${name}, median of the units needed`, 'units', medianOf(needed, options.runs));
    }
    return findings;
  },
};
