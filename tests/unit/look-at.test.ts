import { describe, expect, test } from 'vitest';
import type { Observation } from '#core/experiments/look.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { definitionOf, meanSums, observationOf, onePhase, phaseUnits, rateSums } from '#tests/support/looks.ts';

const definition = definitionOf({ primary: { metric: 'score', direction: 'increase' } });
const healthy = onePhase(rateSums(3_000, 15), rateSums(3_000, 15));
const better = { score: onePhase(meanSums(3_000, 10, 2), meanSums(3_000, 11, 2)), error_rate: healthy };
const worse = { score: onePhase(meanSums(3_000, 10, 2), meanSums(3_000, 9, 2)), error_rate: healthy };
const phases = [phaseUnits([3_000, 3_000])];

function verdictOf(observation: Observation, of = definition) {
  return lookAt(of, observation).comparisons[0]!;
}

describe('verdicts', () => {
  test('a better challenger whose guardrails all passed is better, with its figures', () => {
    const { verdict, reasons, primary, guardrails } = verdictOf(observationOf({ metrics: better, phases }));
    expect(verdict).toBe('challenger_better');
    expect(guardrails.map(({ state }) => state)).toEqual(['passed']);
    expect(primary).toMatchObject({ method: 'confidence_sequence', champion: { units: 3_000, mean: 10 }, alpha: 0.05 });
    expect(reasons[0]).toMatch(
      /^The challenger is better: score: \+10 % against the champion \(\+8\.\d+ % to \+1\d\.\d %\)\.$/,
    );
  });

  test('the same with a guardrail that nobody measures goes on running', () => {
    const { verdict, guardrails, reasons } = verdictOf(observationOf({ metrics: { score: better.score }, phases }));
    expect(verdict).toBe('running');
    expect(guardrails[0]).toMatchObject({ state: 'missing', method: 'none', effect: null, champion: { units: 0 } });
    expect(reasons[0]).toContain('guardrails have not passed: error_rate missing');
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('sums of %s count as missing', (sum) => {
    const error_rate = onePhase(rateSums(3_000, 15), { ...rateSums(3_000, 15), sum });
    const { verdict, guardrails } = verdictOf(observationOf({ metrics: { ...better, error_rate }, phases }));
    expect(verdict).toBe('running');
    expect(guardrails[0]).toMatchObject({ state: 'missing', why: 'challenger.sum is not a finite number' });
  });

  test('a name that every object has is no metric', () => {
    const { verdict } = verdictOf(
      observationOf({ metrics: {}, phases }),
      definitionOf({ primary: { metric: 'constructor', direction: 'increase' } }),
    );
    expect(verdict).toBe('insufficient_data');
  });

  test('a worse challenger loses, whatever its guardrails say', () => {
    expect(verdictOf(observationOf({ metrics: { score: worse.score }, phases })).verdict).toBe('champion_better');
  });

  test('where less is better, less wins', () => {
    const less = definitionOf({ primary: { metric: 'score', direction: 'decrease' } });
    expect(verdictOf(observationOf({ metrics: worse, phases }), less).verdict).toBe('challenger_better');
    expect(verdictOf(observationOf({ metrics: better, phases }), less).verdict).toBe('champion_better');
  });

  test('an interval within the minimum effect is equivalent; a wider one is open', () => {
    const score = onePhase(meanSums(3_000, 10, 2), meanSums(3_000, 10, 2));
    const observation = observationOf({ metrics: { score, error_rate: healthy }, phases });
    // Half-width: about 3 standard errors of 0.2·√(2/3000) = 0.0155.
    const within = (minimumEffect: number) =>
      verdictOf(observation, definitionOf({ primary: { metric: 'score', direction: 'increase', minimumEffect } }))
        .verdict;
    expect(within(0.017)).toBe('equivalent');
    expect(within(0.014)).toBe('running');
  });

  test('a certain difference is named though it is smaller than the minimum effect', () => {
    const coarse = definitionOf({ primary: { metric: 'score', direction: 'increase', minimumEffect: 0.5 } });
    expect(verdictOf(observationOf({ metrics: better, phases }), coarse).verdict).toBe('challenger_better');
  });

  test('below minUnits nothing is concluded from means', () => {
    const score = onePhase(meanSums(99, 10, 2), meanSums(3_000, 20, 2));
    const { verdict, primary } = verdictOf(observationOf({ metrics: { ...better, score }, phases }));
    expect(verdict).toBe('insufficient_data');
    expect(primary).toMatchObject({
      method: 'none',
      effect: null,
      lower: null,
      pValue: null,
      challenger: { mean: 20 },
    });
  });

  test('without variance nothing is concluded, however large the difference', () => {
    const score = onePhase(meanSums(3_000, 10, 0), meanSums(3_000, 20, 0));
    const { verdict, reasons } = verdictOf(observationOf({ metrics: { ...better, score }, phases }));
    expect(verdict).toBe('insufficient_data');
    expect(reasons[0]).toContain('all units of an arm have the same value');
  });

  test('a metric that is not built in needs a direction', () => {
    const silent = definitionOf({ primary: { metric: 'score' } });
    expect(() => lookAt(silent, observationOf({ metrics: better, phases }))).toThrow(/direction: "score"/);
  });
});

describe('without a primary metric', () => {
  const guarded = definitionOf({});
  test('guardrails that all passed are "not worse"', () => {
    const { verdict, reasons } = verdictOf(observationOf({ metrics: { error_rate: healthy }, phases }), guarded);
    expect(verdict).toBe('equivalent');
    expect(reasons[0]).toBe('Not worse than its margins; there is no primary metric.');
  });

  test('nothing measured is nothing known', () => {
    expect(verdictOf(observationOf({ metrics: {}, phases }), guarded).verdict).toBe('insufficient_data');
    const nothing = definitionOf({ guardrails: [] });
    expect(verdictOf(observationOf({ metrics: {}, phases }), nothing).verdict).toBe('insufficient_data');
  });
});

describe('violated guardrails', () => {
  const failing = onePhase(rateSums(3_000, 15), rateSums(3_000, 300));
  const withSeverity = (severity: 'rollback' | 'pause' | 'warn') =>
    definitionOf({
      primary: { metric: 'score', direction: 'increase' },
      guardrails: [{ metric: 'error_rate', margin: 0.01, severity }],
      fastGuard: null,
    });
  test.each([
    ['rollback', 'champion_better'],
    ['pause', 'inconclusive'],
    ['warn', 'inconclusive'],
  ] as const)('of severity %s make a better challenger %s', (severity, expected) => {
    const observation = observationOf({ metrics: { ...better, error_rate: failing }, phases });
    const { verdict, guardrails } = verdictOf(observation, withSeverity(severity));
    expect(guardrails[0]).toMatchObject({ state: 'violated', severity, margin: 0.01 });
    expect(verdict).toBe(expected);
  });
});

describe('evidence that is not whole', () => {
  test('a number of lost inferences that is none makes it invalid, too', () => {
    const evidence = { lost: Number.NaN, underWay: 0, lastAtMs: 900, broken: [] };
    const { comparisons } = lookAt(definitionOf({}), observationOf({ metrics: {}, evidence }));
    expect(comparisons[0]!.verdict).toBe('invalid');
  });

  test('inferences lost for good make it invalid', () => {
    const evidence = { lost: 3, underWay: 0, lastAtMs: 900, broken: [] };
    const { verdict, reasons } = verdictOf(observationOf({ metrics: better, phases, evidence }));
    expect(verdict).toBe('invalid');
    expect(reasons[0]).toBe('Log loss: 3 inferences of this experiment are lost for good.');
  });

  test('inferences under way do not', () => {
    const evidence = { lost: 0, underWay: 50, lastAtMs: 900, broken: [] };
    expect(verdictOf(observationOf({ metrics: better, phases, evidence })).verdict).toBe('challenger_better');
  });

  test('a broken phase makes it invalid, and says why', () => {
    const evidence = { lost: 0, underWay: 0, lastAtMs: 900, broken: ['the group was edited by hand'] };
    const { verdict, reasons } = verdictOf(observationOf({ metrics: better, phases, evidence }));
    expect(verdict).toBe('invalid');
    expect(reasons[0]).toBe('Phase broken: the group was edited by hand');
  });

  test('a sample-ratio mismatch makes it invalid, also when it has evened out since', () => {
    const skewed = [phaseUnits([3_000, 2_000])];
    const first = lookAt(definition, observationOf({ metrics: better, phases: skewed }));
    expect(first.srm.fired).toBe(true);
    expect(first.comparisons[0]!.verdict).toBe('invalid');
    expect(first.comparisons[0]!.reasons[0]).toContain('3000 : 2000 units where 2500 : 2500 were expected');
    const later = lookAt(definition, observationOf({ metrics: better, phases, minSrmP: first.srm.minPValue }));
    expect(later.srm).toMatchObject({ pValue: 1, minPValue: first.srm.minPValue, fired: true });
    expect(later.comparisons[0]!.verdict).toBe('invalid');
  });
});

describe('several challengers', () => {
  test('share α', () => {
    const arms = ['old', 'new', 'newer'];
    const score = onePhase(meanSums(3_000, 10, 2), meanSums(3_000, 10, 2), meanSums(3_000, 11, 2));
    const all = [phaseUnits([3_000, 3_000, 3_000])];
    const look = lookAt(definition, observationOf({ metrics: { score }, phases: all, arms }));
    expect(look.comparisons.map(({ challenger, arm }) => [challenger, arm])).toEqual([
      ['new', 1],
      ['newer', 2],
    ]);
    expect(look.comparisons.map(({ primary }) => primary!.alpha)).toEqual([0.025, 0.025]);
    expect(look.comparisons.map(({ fastGuard }) => fastGuard!.threshold)).toEqual([200, 200]);
    expect(look.units).toEqual([3_000, 3_000, 3_000]);
  });
});

test('the order of phases changes nothing', () => {
  const score = [
    { phase: 1, arms: [meanSums(900, 10, 2), meanSums(800, 10.4, 2)] },
    { phase: 2, arms: [meanSums(300, 12, 3), meanSums(700, 12.1, 3)] },
    { phase: 3, arms: [meanSums(50, 9, 1), meanSums(500, 20, 1)] },
  ];
  const units = [
    phaseUnits([900, 800], { failingUnits: [3, 9] }),
    phaseUnits([300, 700], { phase: 2, weightsBp: [3_000, 7_000], failingUnits: [1, 4] }),
    phaseUnits([50, 500], { phase: 3, weightsBp: [900, 9_100], failingUnits: [0, 6] }),
  ];
  const error_rate = score.map(({ phase }, at) => ({
    phase,
    arms: units[at]!.units.map((count, arm) => rateSums(count, units[at]!.failingUnits[arm]!)),
  }));
  const forth = lookAt(definition, observationOf({ metrics: { score, error_rate }, phases: units }));
  const metrics = { score: score.toReversed(), error_rate: error_rate.toReversed() };
  const back = lookAt(definition, observationOf({ metrics, phases: units.toReversed() }));
  expect(back.comparisons[0]!.reasons).toEqual(forth.comparisons[0]!.reasons);
  expect(back.comparisons[0]!.primary!.upper).toBeCloseTo(forth.comparisons[0]!.primary!.upper!, 10);
  expect(back.srm.pValue).toBeCloseTo(forth.srm.pValue, 12);
});

test('a look is JSON: nothing in it is lost when it is stored', () => {
  const nothingFails = { ...better, error_rate: onePhase(rateSums(150, 0), rateSums(150, 3)) };
  const relative = definitionOf({
    primary: { metric: 'score', direction: 'increase' },
    guardrails: [{ metric: 'error_rate', margin: 0.1, relative: true }],
  });
  const look = lookAt(relative, observationOf({ metrics: nothingFails, phases }));
  expect(look.comparisons[0]!.guardrails[0]).toMatchObject({ method: 'small_counts', effect: null, upper: null });
  expect(JSON.parse(JSON.stringify(look))).toEqual(look);
});
