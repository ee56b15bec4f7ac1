import { describe, expect, test } from 'vitest';
import { newcombe, orderStatisticRanks, wilson } from '#core/statistics/intervals.ts';
import { oneArmRateE, twoArmRate } from '#core/statistics/rate.ts';
import { rateDifference, rateInterval, smallCountDifference } from '#core/statistics/rate-difference.ts';
import { agree, compareEstimate, INPUTS, of, options } from '../support/statistics/agreement.ts';
import * as independent from '../support/statistics/independent.ts';
import { rootOf } from '../support/statistics/quadrature.ts';
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

  test('intervals: factorials by adding logarithms, and search', () => {
    const factorials = independent.logFactorials(20_000);
    const logE = (s: number, f: number, odds: number) =>
      factorials[s]! +
      factorials[f]! -
      factorials[s + f + 1]! +
      s * Math.log1p(Math.exp(-odds)) +
      f * Math.log1p(Math.exp(odds));
    const bounds = (s: number, f: number, alpha: number) => {
      const [top, level] = [Math.log(s / f), Math.log(1 / alpha)];
      return {
        lower:
          s === 0 ? Number.NEGATIVE_INFINITY : rootOf((odds) => level - logE(s, f, odds), -600, f === 0 ? 600 : top),
        upper:
          f === 0 ? Number.POSITIVE_INFINITY : rootOf((odds) => logE(s, f, odds) - level, s === 0 ? -600 : top, 600),
      };
    };
    const rate = (odds: number) => 1 / (1 + Math.exp(-odds));
    agree(12, (random, agreement) => {
      const alpha = random.magnitude(1e-4, 0.5);
      const arm = () => {
        const n = Math.round(random.magnitude(1, 1e4));
        return { n, events: random.pick([random.integer(0, n), Math.min(n, random.integer(0, 9))]) };
      };
      const [a, b] = [arm(), arm()];
      const input = { champion: a, challenger: b, alpha };
      const ours = rateInterval(b, alpha);
      const theirs = bounds(b.events, b.n - b.events, alpha);
      agreement.compare('lower rate', ours.lower, rate(theirs.lower), input);
      agreement.compare('upper rate', ours.upper, rate(theirs.upper), input);
      const half = [a, b].map(({ n, events }) => bounds(events, n - events, alpha / 2));
      const absolute = of('small_counts', smallCountDifference({ ...input, relative: false }));
      agreement.compare('lower', absolute.lower!, rate(half[1]!.lower) - rate(half[0]!.upper), input, 0.1);
      agreement.compare('upper', absolute.upper!, rate(half[1]!.upper) - rate(half[0]!.lower), input, 0.1);
      agreement.compare('effect', absolute.effect!, b.events / b.n - a.events / a.n, input, 0.1);
      const share = bounds(b.events, a.events, alpha);
      const relative = of('small_counts', smallCountDifference({ ...input, relative: true }));
      const exposure = b.n / a.n;
      agreement.compare('least ratio', relative.lower!, Math.exp(share.lower) / exposure - 1, input, 0.1);
      if (share.upper < 600)
        agreement.compare('largest ratio', relative.upper! + 1, Math.exp(share.upper) / exposure, input);
      else expect(relative.upper).toBeNull();
      if (a.events > 0) agreement.compare('ratio', relative.effect! + 1, b.events / a.events / exposure, input);
      else expect(relative.effect).toBeNull();
      const log = independent.logRateEvidence(b.events, a.events, b.n / (a.n + b.n), 'two');
      agreement.compare('evidence', relative.logEValue, log, input, 1);
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
