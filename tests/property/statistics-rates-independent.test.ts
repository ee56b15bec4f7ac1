import { describe, expect, test } from 'vitest';
import { rateDifference } from '#core/experiments/rate-difference.ts';
import { newcombe, orderStatisticRanks, wilson } from '#core/statistics/intervals.ts';
import { oneArmRateE, twoArmRate } from '#core/statistics/rate.ts';
import { logistic, lowerLogOdds } from '#core/statistics/rate-bounds.ts';
import { agree, compareEstimate, INPUTS, of, options } from '../support/statistics/agreement.ts';
import * as independent from '../support/statistics/independent.ts';
import { SeededRandom } from '../support/statistics/random.ts';

describe(`on ${INPUTS} inputs, rates`, () => {
  test('e-values of one arm and two: quadrature of the likelihood ratio', () => {
    agree(11, (random, agreement) => {
      const p = random.pick([random.next(), random.magnitude(1e-9, 1), 1 - random.magnitude(1e-9, 1)]);
      if (!(p > 0 && p < 1)) return;
      const n = Math.round(random.magnitude(1, 1e7));
      const around = Math.round(n * p + random.normal() * 4 * Math.sqrt(n * p * (1 - p)) + random.integer(-3, 3));
      const s = Math.min(n, Math.max(0, random.pick([around, random.integer(0, Math.min(n, 20)), around])));
      const side = random.pick(['two', 'greater', 'less'] as const);
      const theirs = independent.logRateEvidence(s, n - s, p, side);
      const counts = { championEvents: n - s, challengerEvents: s, challengerShare: p, side };
      const two = of('evidence', twoArmRate(counts));
      agreement.compare('two arms', two.logEValue, theirs, counts, 1);
      agreement.compare(
        'one arm',
        of('evidence', oneArmRateE({ events: s, n, p0: p, side })).logEValue,
        theirs,
        counts,
        1,
      );
      agreement.compare('p', two.pValue, Math.min(1, Math.exp(-theirs)), counts, 1e-300);
    });
  });

  test('bounds: where the quadrature of the likelihood ratio is 1/α', () => {
    agree(12, (random, agreement) => {
      const alpha = random.magnitude(1e-5, 0.3);
      const n = Math.round(random.magnitude(1, 1e4));
      const s = random.pick([random.integer(0, n), Math.min(n, random.integer(0, 9))]);
      const logOdds = lowerLogOdds(s, n - s, alpha);
      if (s === 0) return expect(logOdds).toBe(Number.NEGATIVE_INFINITY);
      const e = independent.logRateEvidence(s, n - s, logistic(logOdds), 'greater');
      agreement.compare('at the bound', e, -Math.log(alpha), { s, n, alpha }, 1);
    });
  });

  test('difference of rates: means of zeros and ones', () => {
    agree(13, (random, agreement) => {
      const input = { ...options(random), relative: random.next() < 0.5 };
      const arm = () => {
        const n = Math.round(random.magnitude(100, 1e6));
        return { n, events: random.integer(10, n - 10) };
      };
      const [a, b] = [arm(), arm()];
      const ours = of('estimate', rateDifference({ ...input, champion: a, challenger: b }));
      // Σ(x − p)²/n over the events and the others.
      const variance = ({ n, events }: { n: number; events: number }) =>
        (events * (1 - events / n) ** 2 + (n - events) * (events / n) ** 2) / n / n;
      const [p, q] = [a.events / a.n, b.events / b.n];
      const theirs = input.relative
        ? { effect: q / p - 1, variance: variance(b) / p ** 2 + (q ** 2 * variance(a)) / p ** 4 }
        : { effect: q - p, variance: variance(a) + variance(b) };
      compareEstimate(agreement, ours, theirs, input);
    });
  });

  test('Wilson and Newcombe: by search; ranks: by counting', () => {
    const random = new SeededRandom(15);
    const points = Array.from({ length: 40 }, () => {
      const alpha = random.magnitude(1e-6, 0.9);
      return { alpha, z: independent.normalPoint(alpha / 2) };
    });
    agree(15, (inputs, agreement) => {
      const { alpha, z } = inputs.pick(points);
      const arm = () => {
        const n = Math.round(inputs.magnitude(1, 1e6));
        return { n, events: inputs.integer(0, inputs.pick([n, Math.min(n, 5)])) };
      };
      const [a, b] = [arm(), arm()];
      const [boundsA, boundsB] = [a, b].map(({ n, events }) => independent.wilsonBySearch(n, events, z)) as [
        ReturnType<typeof independent.wilsonBySearch>,
        ReturnType<typeof independent.wilsonBySearch>,
      ];
      const ours = of('interval', wilson(a, alpha));
      agreement.compare('lower', ours.lower, boundsA.lower, { a, alpha });
      agreement.compare('upper', ours.upper, boundsA.upper, { a, alpha });
      const difference = of('interval', newcombe(a, b, alpha));
      const [p, q] = [a.events / a.n, b.events / b.n];
      const below = Math.sqrt((q - boundsB.lower) ** 2 + (boundsA.upper - p) ** 2);
      const above = Math.sqrt((boundsB.upper - q) ** 2 + (p - boundsA.lower) ** 2);
      agreement.compare('lower difference', difference.lower, q - p - below, { a, b, alpha }, below);
      agreement.compare('upper difference', difference.upper, q - p + above, { a, b, alpha }, above);
      const [n, quantile] = [inputs.integer(1, 5000), inputs.between(0.01, 0.99)];
      const isOutside = (rank: number) => (rank - n * quantile) ** 2 >= z * z * n * quantile * (1 - quantile);
      let [low, high] = [Math.floor(n * quantile), Math.ceil(n * quantile)];
      while (low > 1 && !isOutside(low)) low--;
      while (high < n && !isOutside(high)) high++;
      expect(orderStatisticRanks(n, quantile, alpha)).toEqual({
        kind: 'interval',
        lower: Math.max(1, low),
        upper: high,
      });
    });
  });
});
