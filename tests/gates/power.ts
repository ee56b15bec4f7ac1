import { requiredUnits } from '#core/statistics/planner.ts';
import { findingsOf, type Gate, type GateOptions, medianOf } from './gate.ts';
import { fixedSampleFinds, fixedSampleUnits } from './naive.ts';
import { definitionOf } from './simulate.ts';
import { drawExponential, newUnits, type Traffic } from './traffic.ts';
import { watch } from './watch.ts';

/** The effect that the fixed-sample test was planned for, of the champion's mean; the values' deviation is as large as their mean. */
const PLANNED_EFFECT = 0.1;
/** The sequential test may take so many times the fixed sample. */
const PATIENCE = 4;

export const power: Gate = {
  name: 'power',
  about: `True effects, beside a fixed-sample test planned for ${PLANNED_EFFECT * 100} % with a power of 80 %`,
  run(options) {
    const { add, findings } = findingsOf('power');
    const fixedUnits = fixedSampleUnits(PLANNED_EFFECT);
    add('fixed sample, of both arms', 'units', fixedUnits);
    for (const effect of [0.05, 0.1, 0.2, 0.4]) {
      const found = decisions(effect, fixedUnits, options);
      const label = `+${effect * 100} %`;
      const within = (times: number) =>
        found.units.filter((units) => units <= times * fixedUnits).length / options.runs;
      add(`${label}, fixed sample finds it`, 'share', found.byFixedSample / options.runs);
      add(`${label}, found within the same units`, 'share', within(1));
      // Twice the planned effect must be found in the time of the test that knew its size.
      add(
        `${label}, found within ${PATIENCE} × as many`,
        'share',
        within(PATIENCE),
        effect >= PLANNED_EFFECT ? { atLeast: 0.9 } : {},
      );
      const median = medianOf(found.units, options.runs) / fixedUnits;
      add(
        `${label}, median time to decision / fixed sample`,
        'times',
        median,
        effect >= 2 * PLANNED_EFFECT ? { atMost: 1 } : {},
      );
      add(`${label}, decided for the wrong side`, 'share', found.wrong / options.runs, { atMost: 0.025 });
    }
    const unequal = medianAgainstPlan(-0.2, 0.1, options);
    add('−20 %, 10 % of units, median time to decision / planned', 'times', unequal, { atMost: 1.2 });
    return findings;
  },
};

/** What a decision takes where a challenger has a small share of the units, beside what the planner says of half of such experiments. */
function medianAgainstPlan(effect: number, share: number, options: GateOptions): number {
  const basis = { variance: 1, alpha: 0.05, champion: 'rest', challengerShare: share } as const;
  const plan = requiredUnits({ ...basis, effect: Math.abs(effect) });
  if (plan.kind === 'refused') throw new RangeError(`${plan.field} ${plan.reason}`);
  const capacity = 2 * plan.sequence.units;
  const primary = { metric: 'outcome', direction: 'increase', minimumEffect: 1e-6 } as const;
  const units: number[] = [];
  watch(`power ${effect} of ${share}`, options, {
    traffic: {
      ...{ capacity, shares: [1 - share, share], requests: newUnits(capacity), trait: () => 0 },
      value: (random, _, arm) => drawExponential(random) * (arm === 1 ? 1 + effect : 1),
    },
    weightsBp: [10_000 * (1 - share), 10_000 * share],
    definition: definitionOf({ primary, guardrails: [], fastGuard: null, plannedUnits: plan.sequence.units }),
    metrics: ['outcome'],
    onLook: ({ comparisons }, { requests }) => {
      const isFound = comparisons[0]!.verdict === 'champion_better';
      if (isFound) units.push(requests);
      return isFound;
    },
  });
  return medianOf(units, options.runs) / plan.sequenceTypical.units;
}

/** Units at the decision of each run that decided rightly; how many decided wrongly; and what the fixed sample would have found. */
function decisions(effect: number, fixedUnits: number, options: Parameters<Gate['run']>[0]) {
  // The look at which the fixed sample is complete.
  const dueLook = Math.ceil(options.looks / PATIENCE);
  const capacity = Math.ceil((fixedUnits * options.looks) / dueLook);
  const traffic: Traffic = {
    capacity,
    shares: [0.5, 0.5],
    requests: newUnits(capacity),
    trait: () => 0,
    value: (random, _, arm) => drawExponential(random) * (arm === 1 ? 1 + effect : 1),
  };
  const primary = { metric: 'outcome', direction: 'increase' as const, minimumEffect: PLANNED_EFFECT / 10 };
  const definition = definitionOf({ primary, guardrails: [], fastGuard: null, plannedUnits: fixedUnits });
  const units: number[] = [];
  let wrong = 0;
  let byFixedSample = 0;
  let decidedRun = -1;
  watch(`power ${effect}`, options, {
    traffic,
    definition,
    metrics: ['outcome'],
    onLook: ({ comparisons }, { look, requests, tallies }, run) => {
      if (look === dueLook && fixedSampleFinds(tallies[0]!.sums(), tallies[1]!.sums())) byFixedSample++;
      const verdict = comparisons[0]!.verdict;
      if (decidedRun !== run && (verdict === 'challenger_better' || verdict === 'champion_better')) {
        decidedRun = run;
        if (verdict === 'challenger_better') units.push(requests);
        else wrong++;
      }
      return decidedRun === run && look >= dueLook;
    },
  });
  return { units, wrong, byFixedSample };
}
