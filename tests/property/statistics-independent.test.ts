import { describe, expect, test } from 'vitest';
import { halfWidth, pValueOf, rhoFor, sequentialEstimate } from '#core/statistics/confidence-sequence.ts';
import { cuped, cupedArms } from '#core/statistics/cuped.ts';
import { differenceOfMeans, meanDifference, pairedDifference } from '#core/statistics/mean-difference.ts';
import { msprt } from '#core/statistics/msprt.ts';
import { combinePhases, meanDifferenceByPhase } from '#core/statistics/phases.ts';
import {
  minimumDetectableEffect,
  type PlanBasis,
  requiredDuration,
  requiredUnits,
  requiredWeight,
} from '#core/statistics/planner.ts';
import { armMean, effectOf, ratioVariance, ratioVarianceOfMoments } from '#core/statistics/ratio.ts';
import { chiSquareSplit, srmSequential } from '#core/statistics/split-ratio.ts';
import { capOfHistory, winsorize } from '#core/statistics/winsorize.ts';
import { agree, compareEstimate, INPUTS, of, options } from '../support/statistics/agreement.ts';
import { drawUnits, sumsOf } from '../support/statistics/draw.ts';
import * as independent from '../support/statistics/independent.ts';
import { logIntegral, rootOf } from '../support/statistics/quadrature.ts';
import { SeededRandom } from '../support/statistics/random.ts';

describe(`on ${INPUTS} inputs, means`, () => {
  test('difference of two arms: two passes over units, and the mixture martingale by quadrature', () => {
    agree(1, (random, agreement) => {
      const manyValues = random.next() < 0.5;
      const [a, b] = [0, 0].map(() => drawUnits(random, random.integer(100, 105), manyValues)) as [
        independent.Unit[],
        independent.Unit[],
      ];
      const input = { ...options(random), relative: random.next() < 0.5 };
      const ours = of('estimate', meanDifference({ ...input, champion: sumsOf(a), challenger: sumsOf(b) }));
      compareEstimate(agreement, ours, independent.effect(a, b, input.relative), input);
    });
  });

  test('variance of a ratio; mean of an arm; effect; moments', () => {
    agree(2, (random, agreement) => {
      const [a, b] = [drawUnits(random, random.integer(2, 60), false), drawUnits(random, random.integer(2, 60), true)];
      if (b.every(({ n }) => n === 0)) return;
      const variance = independent.deltaVariance(b);
      // A unit or two with values have a variance of nothing but rounding.
      const scale = independent.meanAndVariance(b).mean ** 2;
      agreement.compare('ratioVariance', ratioVariance(sumsOf(b)), variance, b, scale);
      const [s, n] = [b.map((unit) => unit.s), b.map((unit) => unit.n)];
      const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const moments = {
        ...{ meanS: mean(s), meanN: mean(n), covariance: independent.covariance(s, n) },
        ...{ varianceS: independent.covariance(s, s), varianceN: independent.covariance(n, n) },
      };
      agreement.compare('moments', ratioVarianceOfMoments(moments), variance, b, scale);
      const [first, second] = [armMean(sumsOf(a)), armMean(sumsOf(b))];
      if ('kind' in first || 'kind' in second) throw new Error('nothing measured');
      agreement.compare(
        'mean',
        second.mean,
        independent.meanAndVariance(b).mean,
        b,
        Math.sqrt(scale + Math.abs(variance)),
      );
      const relative = random.next() < 0.5;
      const [ours, theirs] = [effectOf(first, second, relative), independent.effect(a, b, relative)];
      if ('kind' in ours) throw new Error('no effect');
      agreement.compare('effect', ours.effect, theirs.effect, { a, b }, Math.sqrt(theirs.variance));
      agreement.compare('variance', ours.variance, theirs.variance, { a, b }, theirs.effect ** 2);
    });
  });

  test('the sequence itself, from an effect and its error', () => {
    agree(3, (random, agreement) => {
      const input = { ...options(random), n: random.integer(200, 1_000_000) };
      const theirs = { effect: random.normal() * 4, variance: random.magnitude(1e-2, 10) };
      const ours = sequentialEstimate({ ...input, effect: theirs.effect, standardError: Math.sqrt(theirs.variance) });
      compareEstimate(agreement, ours, theirs, input);
      const at = { n: input.n, rho: rhoFor(input.alpha, input.plannedN), standardError: 1 };
      const z = random.between(-8, 8);
      agreement.compare('ρ', at.rho, independent.rho(input.alpha, input.plannedN), input);
      const width = independent.halfWidthInErrors(input.n, at.rho, input.alpha);
      agreement.compare('h', halfWidth({ ...at, alpha: input.alpha }), width, input);
      const p = Math.min(1, Math.exp(-independent.logNormalMixture(z, input.n, at.rho)));
      agreement.compare('p', pValueOf({ ...at, effect: z }), p, { z, input });
    });
  });

  test('means and their variances given; paired differences', () => {
    agree(4, (random, agreement) => {
      const input = options(random);
      const arm = () => ({
        ...{ mean: random.between(1, 3), varianceOfMean: random.magnitude(1e-4, 1) },
        units: random.integer(100, 1e6),
      });
      const [a, b] = [arm(), arm()];
      const ours = of('estimate', differenceOfMeans({ ...input, champion: a, challenger: b, relative: false }));
      const variance = a.varianceOfMean + b.varianceOfMean;
      compareEstimate(agreement, ours, { effect: b.mean - a.mean, variance }, input);
      const units = drawUnits(random, random.integer(100, 105), true);
      const paired = of('estimate', pairedDifference({ ...input, differences: sumsOf(units) }));
      const theirs = independent.meanAndVariance(units);
      compareEstimate(agreement, paired, { effect: theirs.mean, variance: theirs.variance }, input);
    });
  });

  test('phases: exact fractions', () => {
    agree(5, (random, agreement) => {
      const phases = Array.from({ length: random.integer(1, 6) }, () => ({
        ...{ effect: random.normal(), variance: random.magnitude(1e-6, 1), units: random.integer(200, 1_000_000) },
      }));
      const [ours, theirs] = [combinePhases(phases), independent.combineExactly(phases)];
      agreement.compare('effect', ours.effect, theirs.effect, phases, ours.standardError);
      agreement.compare('standardError', ours.standardError, theirs.standardError, phases);
      agreement.compare('n', ours.n, theirs.n, phases);
    });
  });

  test('difference by phase: each arm over its phases first, by two passes', () => {
    agree(6, (random, agreement) => {
      const input = { ...options(random), relative: random.next() < 0.5 };
      const phases = Array.from({ length: random.integer(1, 3) }, () => ({
        champion: drawUnits(random, random.integer(95, 105), true),
        challenger: drawUnits(random, random.integer(100, 105), true),
      }));
      const used = phases.filter(({ champion }) => champion.length >= 100);
      const sums = phases.map(({ champion, challenger }) => ({
        champion: sumsOf(champion),
        challenger: sumsOf(challenger),
      }));
      const ours = meanDifferenceByPhase({ ...input, phases: sums });
      if (used.length === 0) return expect(ours.kind).toBe('insufficient');
      compareEstimate(agreement, of('estimate', ours), independent.effectByPhase(used, input.relative), input);
    });
  });

  test('CUPED: residuals of a regression', () => {
    agree(7, (random, agreement) => {
      const arms = Array.from({ length: random.integer(2, 3) }, () => drawUnits(random, random.integer(20, 60), true));
      const [ours, theirs] = [of('adjusted', cupedArms(arms.map(sumsOf))), independent.cupedByResiduals(arms)];
      agreement.compare('θ', ours.theta, theirs.theta, arms, 0.1);
      for (const [at, arm] of theirs.arms.entries()) {
        const error = Math.sqrt(arm.varianceOfMean);
        agreement.compare('mean', ours.arms[at]!.mean, arm.mean, arms, error);
        agreement.compare('variance', ours.arms[at]!.varianceOfMean, arm.varianceOfMean, arms);
        const before = independent.meanAndVariance(arms[at]!).variance;
        agreement.compare('reduction', ours.reductions[at]!, 1 - arm.varianceOfMean / before, arms, 1);
      }
      const [y, x] = [arms[0]!.map(({ s }) => s), arms[0]!.map((unit) => unit.x)];
      const [varianceY, varianceX] = [independent.covariance(y, y), independent.covariance(x, x)];
      const one = of('adjusted', cuped({ varianceY, varianceX, covariance: independent.covariance(x, y) }));
      const residuals = y.map((value, at) => value - one.theta * x[at]!);
      agreement.compare('variance of one', one.variance, independent.covariance(residuals, residuals), arms[0]);
      agreement.compare('uncorrelated', independent.covariance(residuals, x), 0, arms[0], varianceX);
    });
  });
});

describe(`on ${INPUTS} inputs, splits, sequential ratios and plans`, () => {
  test("sequential split: Pólya's urn, unit by unit", () => {
    agree(21, (random, agreement) => {
      const weights = Array.from({ length: random.integer(2, 4) }, () => random.integer(1, 10_000));
      const all = weights.reduce((sum, weight) => sum + weight, 0);
      const shares = weights.map((weight) => weight / all);
      const n = Math.round(random.magnitude(1, 2000));
      const counts = shares.map((share) => Math.round(n * share * random.between(0.5, 1.5)));
      const ours = of('evidence', srmSequential(counts, weights));
      const theirs = independent.logUrn(counts, shares);
      agreement.compare('log e', ours.logEValue, theirs, { counts, weights }, 1);
      agreement.compare('p', ours.pValue, Math.min(1, Math.exp(-theirs)), { counts, weights });
    });
  });

  test('χ²: exact fractions, and quadrature of the tail', () => {
    agree(22, (random, agreement) => {
      const weights = Array.from({ length: random.integer(2, 5) }, () => random.integer(1, 10_000));
      const all = weights.reduce((sum, weight) => sum + weight, 0);
      const n = Math.round(random.magnitude(10, 1e6));
      const counts = weights.map((weight) => {
        const expected = (n * weight) / all;
        return Math.max(0, Math.round(expected + random.normal() * 2 * Math.sqrt(expected)));
      });
      const ours = of('chi_square', chiSquareSplit(counts, weights));
      const statistic = independent.chiSquareExactly(counts, weights);
      // Where a count is as expected, its part is the square of a rounding.
      agreement.compare('statistic', ours.statistic, statistic, { counts, weights }, 1e-6);
      const p = statistic === 0 ? 1 : Math.exp(independent.gammaTails((weights.length - 1) / 2, statistic / 2).upper);
      agreement.compare('p', ours.pValue, p, { counts, weights });
    });
  });

  test('mSPRT: quadrature of the mixture', () => {
    agree(23, (random, agreement) => {
      const [n, variance, mixtureVariance] = [
        random.integer(1, 100_000),
        random.magnitude(0.01, 10),
        random.magnitude(1e-4, 1),
      ];
      const nullDifference = random.normal();
      const v = 2 * variance;
      const shift = random.normal() * 3 * Math.sqrt(v / n);
      const log = (x: number) =>
        (n * (2 * shift * x - x * x)) / (2 * v) -
        (x * x) / (2 * mixtureVariance) -
        Math.log(2 * Math.PI * mixtureVariance) / 2;
      const spread = 1 / Math.sqrt(n / v + 1 / mixtureVariance);
      const centre = (n / v) * shift * spread * spread;
      const theirs = logIntegral(log, centre - 14 * spread, centre + 14 * spread);
      const input = { n, variance, mixtureVariance, nullDifference, difference: nullDifference + shift };
      const previousPValue = random.next();
      const ours = of('evidence', msprt({ ...input, previousPValue }));
      agreement.compare('log Λ', ours.logEValue, theirs, input, 1);
      agreement.compare('Λ', ours.likelihoodRatio, Math.exp(theirs), input);
      agreement.compare('p', ours.pValue, Math.min(previousPValue, 1, Math.exp(-theirs)), input);
    });
  });

  test('plans: search for the units, the effect and the share', () => {
    const random = new SeededRandom(24);
    const levels = Array.from({ length: 40 }, () => {
      const [alpha, power] = [random.magnitude(1e-4, 0.2), random.between(0.5, 0.99)];
      const zPower = independent.normalPoint(1 - power);
      const k = independent.halfWidthInErrors(1000, independent.rho(alpha, 1000), alpha);
      const multiples = {
        fixed: independent.normalPoint(alpha / 2) + zPower,
        sequence: k + zPower,
        sequenceTypical: k,
      };
      return { alpha, power, multiples };
    });
    agree(24, (inputs, agreement) => {
      const { alpha, power, multiples } = inputs.pick(levels);
      const champion = inputs.pick(['rest', 'equal'] as const);
      const challengers = inputs.integer(1, 4);
      const basis: PlanBasis = { variance: inputs.magnitude(0.01, 100), alpha, power, champion, challengers };
      const championShare = (share: number) => (champion === 'rest' ? 1 - challengers * share : share);
      const challengerShare = inputs.between(0.01, champion === 'rest' ? 0.99 / challengers : 1 / (challengers + 1));
      const [units, unitsPerDay] = [inputs.integer(1000, 1e7), inputs.magnitude(100, 1e6)];
      const error = (of: number, share: number) =>
        Math.sqrt(basis.variance / (share * of) + basis.variance / (championShare(share) * of));
      const found = of('plan', minimumDetectableEffect({ ...basis, challengerShare, units }));
      const effect = inputs.magnitude(0.01, 1);
      const needed = of('plan', requiredUnits({ ...basis, challengerShare, effect }));
      const lasting = of('plan', requiredDuration({ ...basis, challengerShare, effect, unitsPerDay }));
      const days = inputs.magnitude(1, 100);
      const weight = of('plan', requiredWeight({ ...basis, effect, unitsPerDay, days }));
      const all = unitsPerDay * days;
      for (const name of ['fixed', 'sequence', 'sequenceTypical'] as const) {
        const input = { ...basis, challengerShare, units, effect, unitsPerDay, days, name };
        const multiple = multiples[name];
        agreement.compare('effect', found[name], multiple * error(units, challengerShare), input);
        const log = rootOf((x) => effect - multiple * error(Math.exp(x), challengerShare), -20, 60);
        const smaller = Math.min(challengerShare, championShare(challengerShare));
        const least = Math.max(100 / smaller, Math.exp(log));
        // Rounded up to a whole unit.
        expect(Math.abs(needed[name].units - least - 0.5)).toBeLessThanOrEqual(0.5 + 1e-8 * least);
        agreement.compare('days', lasting[name].days, needed[name].units / unitsPerDay, input);
        // Of the rest, √k times a challenger's share is best for the champion.
        const best = champion === 'rest' ? 1 / (challengers + Math.sqrt(challengers)) : 1 / (challengers + 1);
        const isEnough = effect >= multiple * error(all, best) && all * best >= 100;
        if (!isEnough) expect(weight[name]).toBeNull();
        else {
          const share = rootOf((x) => effect - multiple * error(all, x), 0, best);
          agreement.compare('share', weight[name]!, Math.max(share, 100 / all), input);
        }
      }
    });
  });

  test('caps: by counting', () => {
    agree(25, (random, agreement) => {
      const history = Array.from({ length: random.integer(1, 40) }, () => random.magnitude(1e-3, 1e6));
      const quantile = random.between(0.01, 0.999);
      const enough = history.filter(
        (value) => history.filter((other) => other <= value).length >= quantile * history.length,
      );
      const { cap } = of('cap', capOfHistory(history, quantile));
      agreement.compare('cap', cap, Math.min(...enough), { history, quantile });
      const value = random.pick(history);
      agreement.compare('value', winsorize(value, cap), value > cap ? cap : value, { value, cap });
    });
  });
});
