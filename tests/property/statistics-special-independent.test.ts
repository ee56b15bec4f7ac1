import { describe, test } from 'vitest';
import { chiSquareTail, normalCdf, normalQuantile } from '#core/statistics/special/distributions.ts';
import { incompleteBeta, logIncompleteBeta } from '#core/statistics/special/incomplete-beta.ts';
import { lowerIncompleteGamma, upperIncompleteGamma } from '#core/statistics/special/incomplete-gamma.ts';
import { logGamma } from '#core/statistics/special/log-gamma.ts';
import { agree, INPUTS } from '../support/statistics/agreement.ts';
import * as independent from '../support/statistics/independent.ts';

describe(`on ${INPUTS} inputs, special functions to 1e-10`, () => {
  test('incomplete beta', () => {
    agree(
      31,
      (random, agreement) => {
        const [a, b] = [random.magnitude(0.2, 1e6), random.magnitude(0.2, 1e6)];
        const odds = Math.log(a / b) + random.normal() * random.pick([0.1, 2, 8]) * Math.sqrt(1 / a + 1 / b);
        const [x, y] = [1 / (1 + Math.exp(-odds)), 1 / (1 + Math.exp(odds))];
        const theirs = independent.logBetaBelow(a, b, odds);
        agreement.compare('log', logIncompleteBeta(x, y, a, b), theirs, { a, b, odds }, 1);
        if (x < 0.9) agreement.compare('itself', incompleteBeta(x, a, b), Math.exp(theirs), { a, b, odds }, 1e-3);
      },
      1e-10,
    );
  });

  test('incomplete gamma and its logarithm, χ²', () => {
    agree(
      32,
      (random, agreement) => {
        const a = random.magnitude(0.2, 1e4);
        const x = Math.max(1e-3, a + random.normal() * random.pick([0.1, 2, 6]) * Math.sqrt(a));
        const theirs = independent.gammaTails(a, x);
        agreement.compare('upper', upperIncompleteGamma(a, x), Math.exp(theirs.upper), { a, x }, 1e-12);
        agreement.compare('lower', lowerIncompleteGamma(a, x), Math.exp(theirs.lower), { a, x }, 1e-12);
        agreement.compare('χ²', chiSquareTail(2 * x, 2 * a), Math.exp(theirs.upper), { a, x }, 1e-12);
        agreement.compare('ln Γ', logGamma(a), theirs.logGamma, { a }, 1);
      },
      1e-10,
    );
  });

  test('normal distribution and its quantile, also in the tails', () => {
    agree(
      33,
      (random, agreement) => {
        const z = random.between(0, 37);
        const tail = Math.exp(independent.logNormalTail(z));
        agreement.compare('tail', normalCdf(-z), tail, { z });
        agreement.compare('body', normalCdf(z), 1 - tail, { z });
        agreement.compare('quantile', normalQuantile(tail), -z, { z }, 1);
        if (z < 3) agreement.compare('upper quantile', normalQuantile(1 - tail), z, { z }, 1);
      },
      1e-10,
    );
  });
});
