import { findingsOf, type Gate, type GateOptions } from './gate.ts';
import { definitionOf } from './simulate.ts';
import { heavyUsers, newUnits, type Traffic } from './traffic.ts';
import { shareOfRuns } from './watch.ts';

const MARGIN = 0.01;
/** One end of a two-sided interval at α 0.05, looked at again and again. */
const ONE_END = { atMost: 0.025 };

const definition = definitionOf({
  guardrails: [{ metric: 'error_rate', margin: MARGIN }],
  fastGuard: null,
  plannedUnits: 10_000,
});

/** Errors of a base rate and, in the challenger's arm, so much more. */
function failing(baseRate: number, more: number, users: number | null): Traffic {
  const capacity = users ?? 20_000;
  return {
    capacity,
    shares: [0.5, 0.5],
    requests: users === null ? newUnits(capacity) : heavyUsers(users),
    // A user's own rate is the arm's, or four times it for one in four and nothing for the others: the same mean, clustered.
    trait: users === null ? () => 1 : (random) => (random() < 0.25 ? 4 : 0),
    value: (random, trait, arm) => (random() < trait * (baseRate + (arm === 1 ? more : 0)) ? 1 : 0),
  };
}

function shareThat(state: 'passed' | 'violated', traffic: Traffic, options: GateOptions): number {
  const watched = { traffic, definition, metrics: ['error_rate'] };
  return shareOfRuns(
    `guardrail ${state}`,
    options,
    watched,
    ({ comparisons }) => comparisons[0]!.guardrails[0]!.state === state,
  );
}

export const guardrails: Gate = {
  name: 'guardrails',
  about: 'Peeking at a guardrail on errors with a margin of 1 point',
  run(options) {
    const { add, findings } = findingsOf('guardrails');
    for (const [name, baseRate, users] of [
      ['base 2 %', 0.02, null],
      ['base 0.05 %', 0.0005, null],
      ['base 2 %, 4 000 users', 0.02, 4_000],
    ] as const) {
      const equal = failing(baseRate, 0, users);
      const onMargin = failing(baseRate, MARGIN, users);
      const beyond = failing(baseRate, 3 * MARGIN, users);
      add(`${name}: equal arms, violated`, 'share', shareThat('violated', equal, options), ONE_END);
      add(`${name}: equal arms, passed in the end`, 'share', shareThat('passed', equal, options));
      add(`${name}: on the margin, violated`, 'share', shareThat('violated', onMargin, options), ONE_END);
      add(`${name}: on the margin, passed`, 'share', shareThat('passed', onMargin, options), ONE_END);
      add(`${name}: three margins worse, violated`, 'share', shareThat('violated', beyond, options));
      add(`${name}: three margins worse, passed`, 'share', shareThat('passed', beyond, options), ONE_END);
    }
    return findings;
  },
};
