import { findingsOf, type Gate, type GateOptions } from './gate.ts';
import { definitionOf } from './simulate.ts';
import { heavyUsers, newUnits, type Traffic } from './traffic.ts';
import { watch } from './watch.ts';

const MARGIN = 0.01;
/** One end of a two-sided interval at α 0.05, looked at again and again. */
const ONE_END = { atMost: 0.025 };

const definition = definitionOf({ guardrails: [{ metric: 'error_rate', margin: MARGIN }], fastGuard: null });

/** Errors of a base rate and, in the challenger's arm, so much more. */
function failing(baseRate: number, more: number, users: number | null): Traffic {
  const capacity = users ?? 10_000;
  return {
    capacity,
    shares: [0.5, 0.5],
    requests: users === null ? newUnits(capacity) : heavyUsers(users),
    // A user's own rate is four times the arm's for one in four, and nothing for the others: the same mean, clustered.
    trait: users === null ? () => 1 : (random) => (random() < 0.25 ? 4 : 0),
    value: (random, trait, arm) => (random() < trait * (baseRate + (arm === 1 ? more : 0)) ? 1 : 0),
  };
}

/** Shares of the runs in which some look sees the guardrail violated, and passed. */
function statesSeen(name: string, traffic: Traffic, options: GateOptions) {
  const seen = { violated: new Set<number>(), passed: new Set<number>() };
  watch(name, options, {
    traffic,
    definition,
    metrics: ['error_rate'],
    onLook: ({ comparisons }, _, run) => {
      const { state } = comparisons[0]!.guardrails[0]!;
      if (state === 'violated' || state === 'passed') seen[state].add(run);
      return seen.violated.has(run) && seen.passed.has(run);
    },
  });
  return { violated: seen.violated.size / options.runs, passed: seen.passed.size / options.runs };
}

export const guardrails: Gate = {
  name: 'guardrails',
  about: 'Peeking at a guardrail on errors with a margin of 1 point',
  run(options) {
    const { add, findings } = findingsOf('guardrails');
    for (const [name, baseRate, users] of [
      ['base 2 %', 0.02, null],
      ['base 0.05 %', 0.0005, null],
      ['base 2 %, 2 000 users', 0.02, 2_000],
    ] as const) {
      const equal = statesSeen(`${name} equal`, failing(baseRate, 0, users), options);
      add(`${name}: equal arms, violated`, 'share', equal.violated, ONE_END);
      add(`${name}: equal arms, passed`, 'share', equal.passed);
      const onMargin = statesSeen(`${name} on margin`, failing(baseRate, MARGIN, users), options);
      add(`${name}: on the margin, violated`, 'share', onMargin.violated, ONE_END);
      add(`${name}: on the margin, passed`, 'share', onMargin.passed, ONE_END);
      const beyond = statesSeen(`${name} beyond`, failing(baseRate, 3 * MARGIN, users), options);
      add(`${name}: three margins worse, violated`, 'share', beyond.violated);
      add(`${name}: three margins worse, passed`, 'share', beyond.passed, ONE_END);
    }
    return findings;
  },
};
