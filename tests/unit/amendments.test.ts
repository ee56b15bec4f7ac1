import { expect, test } from 'vitest';
import { amendmentsOf } from '#core/experiments/amendments.ts';
import { lookAt } from '#core/experiments/look-at.ts';
import { definitionOf, meanSums, observationOf, onePhase, rateSums } from '#tests/support/looks.ts';

const definition = definitionOf({
  primary: { metric: 'rating', direction: 'increase' },
  guardrails: [
    { metric: 'error_rate', margin: 0.01 },
    { metric: 'rating', margin: 1, relative: false, direction: 'increase' },
  ],
});
const errors = onePhase(rateSums(1_000, 50), rateSums(1_000, 50));
const lookOf = (ratings: number, mean: number) =>
  lookAt(
    definition,
    observationOf({
      metrics: { error_rate: errors, rating: onePhase(meanSums(ratings, 3, 1), meanSums(ratings, mean, 1)) },
    }),
  );

test('what came after the end is told by metric, once, and what stayed as it was is not', () => {
  const [last, now] = [lookOf(200, 3), lookOf(400, 4)];
  expect(amendmentsOf(last, last)).toEqual([]);
  expect(amendmentsOf(last, now)).toMatchObject([
    { arm: 1, challenger: 'new', metric: 'rating', valuesAtEnd: 400, values: 800, effectAtEnd: 0 },
  ]);
  expect(amendmentsOf(last, now)[0]!.effect).toBeGreaterThan(0);
});

test('a metric of which there was nothing then had no values and no effect', () => {
  const last = lookAt(definition, observationOf({ metrics: { error_rate: errors } }));
  expect(amendmentsOf(last, lookOf(200, 3))).toMatchObject([
    { metric: 'rating', valuesAtEnd: 0, values: 400, effectAtEnd: null, effect: 0 },
  ]);
});
