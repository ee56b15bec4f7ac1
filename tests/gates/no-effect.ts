import type { ExperimentDefinition } from '#core/experiments/definition.ts';
import { drawNormal, type Random } from '#simulator/random.ts';
import { findingsOf, type Gate } from './gate.ts';
import { naiveWinners } from './naive.ts';
import { definitionOf } from './simulate.ts';
import { drawExponential, heavyUsers, newUnits, type Traffic } from './traffic.ts';
import { declaresWinner, shareOfRuns } from './watch.ts';

/** What every gate of this file promises. */
const FALSE_WINNERS = { atMost: 0.05 };
const HALVES = [0.5, 0.5];
const noTrait = () => 0;

/** Nothing else is watched, so that what the primary metric does is not hidden behind a guardrail. */
function primaryOnly(
  kind: 'mean' | 'rate',
  relative = true,
  direction: 'increase' | 'decrease' = 'decrease',
): ExperimentDefinition {
  const primary = { metric: 'outcome', kind, direction, relative };
  return definitionOf({ primary, guardrails: [], fastGuard: null });
}

/** 10 000 requests, each its own unit, with skewed values. */
const independent: Traffic = {
  capacity: 10_000,
  shares: HALVES,
  requests: newUnits(10_000),
  trait: noTrait,
  value: drawExponential,
};

/** 2 000 users whose requests resemble each other: an intra-class correlation of 0.3. */
const clustered: Traffic = {
  capacity: 2_000,
  shares: HALVES,
  requests: heavyUsers(2_000),
  trait: (random) => Math.sqrt(0.3) * drawNormal(random),
  value: (random, trait) => 1 + trait + Math.sqrt(0.7) * drawNormal(random),
};

/** Events of 2 in 1 000: some ten an arm when all have arrived. */
const rare: Traffic = { ...independent, value: (random) => happens(random, 0.002) };

/** Events that few users have, and these often: of one user in 100 every third request is one. */
const rareClustered: Traffic = {
  ...clustered,
  trait: (random) => (random() < 0.01 ? 1 / 3 : 0),
  value: happens,
};

/** 30 % of the requests, and 1 % of them: what the normal theory is for, and where it begins. */
const commonRate: Traffic = { ...independent, value: (random) => happens(random, 0.3) };
const onePerCent: Traffic = { ...independent, value: (random) => happens(random, 0.01) };

/** A challenger with a small part of the units: the sides of an interval are then made of very different counts. */
const FEW = { shares: [0.9, 0.1], weightsBp: [9_000, 1_000] };
const HARDLY_ANY = { shares: [0.97, 0.03], weightsBp: [9_700, 300] };

/** Values with a long tail, most of which a small arm has not seen yet, and most units in one arm. */
const longTail: Traffic = { ...independent, value: (random) => Math.exp(2 * drawNormal(random)) };
const FEW_UNITS = [0.95, 0.05];
const MARGIN = 0.1;
const MOST_UNITS = [0.1, 0.9];

function happens(random: Random, probability: number): number {
  return random() < probability ? 1 : 0;
}

export const independentUnits: Gate = {
  name: 'independent',
  about: 'No effect, each request its own unit',
  run(options) {
    const { add, findings } = findingsOf('independent');
    const share = (name: string, traffic: Traffic, definition: ExperimentDefinition) =>
      shareOfRuns(name, options, { traffic, definition, metrics: ['outcome'] }, declaresWinner);
    add('false winners, mean', 'share', share('mean', independent, primaryOnly('mean')), FALSE_WINNERS);
    add(
      'false winners, mean, absolute',
      'share',
      share('mean', independent, primaryOnly('mean', false)),
      FALSE_WINNERS,
    );
    add('false winners, rate of 30 %', 'share', share('rate-30', commonRate, primaryOnly('rate')), FALSE_WINNERS);
    add('false winners, rate of 1 %', 'share', share('rate-1', onePerCent, primaryOnly('rate')), FALSE_WINNERS);
    add(
      'false winners, rate of 1 %, absolute',
      'share',
      share('rate-1', onePerCent, primaryOnly('rate', false)),
      FALSE_WINNERS,
    );
    const uneven = (name: string, traffic: Traffic, kind: 'mean' | 'rate', { shares, weightsBp }: typeof FEW) => {
      const watched = {
        traffic: { ...traffic, shares },
        weightsBp,
        definition: primaryOnly(kind),
        metrics: ['outcome'],
      };
      return shareOfRuns(name, options, watched, declaresWinner);
    };
    add('false winners, rate of 1 %, units 90 : 10', 'share', uneven('rate-1', onePerCent, 'rate', FEW), FALSE_WINNERS);
    add('false winners, mean, units 97 : 3', 'share', uneven('mean', independent, 'mean', HARDLY_ANY), FALSE_WINNERS);
    const naive = naiveWinners('mean', options, independent);
    add('naive z test, once, at the end', 'share', naive.once);
    add('naive z test, at every look', 'share', naive.everyLook);
    return findings;
  },
};

export const unequalArms: Gate = {
  name: 'unequal',
  about: 'No effect, or one on the margin; log-normal values, one arm much larger than the other',
  run(options) {
    const { add, findings } = findingsOf('unequal');
    const share = (name: string, traffic: Traffic, definition: ExperimentDefinition) => {
      const weightsBp = traffic.shares.map((share) => share * 10_000);
      return shareOfRuns(name, options, { traffic, definition, metrics: ['outcome'], weightsBp }, declaresWinner);
    };
    const few = { ...longTail, shares: FEW_UNITS };
    add('false winners, less is better, 5 % of units', 'share', share('few', few, primaryOnly('mean')), FALSE_WINNERS);
    const many = share('many', { ...longTail, shares: MOST_UNITS }, primaryOnly('mean', false, 'increase'));
    add('false winners, more is better, 90 % of units', 'share', many, FALSE_WINNERS);
    const rate = share('few-rate', { ...onePerCent, shares: FEW_UNITS }, primaryOnly('rate'));
    add('false winners, rate of 1 %, 5 % of units', 'share', rate, FALSE_WINNERS);
    const passed = shareOfRuns(
      'few-margin',
      options,
      {
        traffic: { ...few, value: (random, _, arm) => longTail.value(random, 0, arm) * (arm === 1 ? 1 + MARGIN : 1) },
        weightsBp: FEW_UNITS.map((share) => share * 10_000),
        definition: definitionOf({
          guardrails: [{ metric: 'outcome', direction: 'decrease', relative: true, margin: MARGIN }],
          fastGuard: null,
        }),
        metrics: ['outcome'],
      },
      ({ comparisons }) => comparisons[0]!.guardrails[0]!.state === 'passed',
    );
    add('guardrail on its margin, 5 % of units, passed', 'share', passed, { atMost: 0.025 });
    return findings;
  },
};

export const heavyUserUnits: Gate = {
  name: 'heavy-users',
  about: 'No effect, 2 000 users, log-normal requests each, intra-class correlation 0.3',
  run(options) {
    const { add, findings } = findingsOf('heavy-users');
    const watched = { traffic: clustered, definition: primaryOnly('mean'), metrics: ['outcome'] };
    add('false winners', 'share', shareOfRuns('clustered', options, watched, declaresWinner), FALSE_WINNERS);
    const naive = naiveWinners('clustered', options, clustered);
    // The reason for the unit of analysis: a test by request must be seen to fail (34 %), or the traffic is not what it is said to be.
    add('naive z test by request, once, at the end', 'share', naive.once, { atLeast: 0.25, atMost: 0.45 });
    add('naive z test by request, at every look', 'share', naive.everyLook);
    add('confidence sequence by request, at every look', 'share', naive.sequenceByRequest);
    return findings;
  },
};

export const rareEvents: Gate = {
  name: 'rare-events',
  about: 'No effect, events of 2 in 1 000',
  run(options) {
    const { add, findings } = findingsOf('rare-events');
    const share = (name: string, traffic: Traffic, relative: boolean) => {
      const watched = { traffic, definition: primaryOnly('rate', relative), metrics: ['outcome'] };
      return shareOfRuns(name, options, watched, declaresWinner);
    };
    add('false winners', 'share', share('rare', rare, true), FALSE_WINNERS);
    add('false winners, absolute', 'share', share('rare', rare, false), FALSE_WINNERS);
    add('false winners, events of 1 user in 100', 'share', share('rare-clustered', rareClustered, true), FALSE_WINNERS);
    return findings;
  },
};

/** The arms of an experiment with three challengers. */
const QUARTERS = [0.25, 0.25, 0.25, 0.25];

export const wholeDefinition: Gate = {
  name: 'whole',
  about: 'No effect, all that may declare a winner at once',
  run(options) {
    const { add, findings } = findingsOf('whole');
    const primary = { metric: 'outcome', kind: 'rate' as const, direction: 'increase' as const };
    const guarded = definitionOf({ primary });
    const metrics = ['outcome', 'error_rate'];
    const guardedShare = shareOfRuns(
      'guarded',
      options,
      { traffic: onePerCent, definition: guarded, metrics },
      declaresWinner,
    );
    add('false winners, primary, error guardrail, fast guard', 'share', guardedShare, FALSE_WINNERS);
    const several = { traffic: { ...independent, shares: QUARTERS }, definition: primaryOnly('mean'), metrics };
    add(
      'false winners among three challengers',
      'share',
      shareOfRuns('several', options, several, declaresWinner),
      FALSE_WINNERS,
    );
    return findings;
  },
};
