import { logIntegral, rootOf } from './quadrature.ts';
import { Rational } from './rational.ts';

/**
 * The statistics once more, by other algorithms: two passes over units in place of sums, quadrature and urns in place of special
 * functions, search in place of closed forms, exact fractions in place of doubles. Slow, and for comparison only.
 */

/** A unit's sum and its number of values. */
export interface Unit {
  readonly s: number;
  readonly n: number;
  /** What it did before. */
  readonly x: number;
}

function total(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

const meanOf = (values: readonly number[]) => total(values) / values.length;

export function covariance(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at]! - meanA) * (b[at]! - meanB);
  return sum / (a.length - 1);
}

/** Variance of one unit's part in the ratio of means, from variances and covariance by the four-term delta method. */
export function deltaVariance(units: readonly Unit[]): number {
  const [s, n] = [units.map((unit) => unit.s), units.map((unit) => unit.n)];
  const [m, d] = [meanOf(s), meanOf(n)];
  return covariance(s, s) / d ** 2 - (2 * m * covariance(s, n)) / d ** 3 + (m ** 2 * covariance(n, n)) / d ** 4;
}

export function meanAndVariance(units: readonly Unit[]): { readonly mean: number; readonly variance: number } {
  const mean = meanOf(units.map(({ s }) => s)) / meanOf(units.map(({ n }) => n));
  return { mean, variance: deltaVariance(units) / units.length };
}

/** Effect and variance; relative, by the gradient of f(a, b) = (b − a)/|a| at the means. */
export function effect(champion: readonly Unit[], challenger: readonly Unit[], relative: boolean) {
  return effectOfMeans(meanAndVariance(champion), meanAndVariance(challenger), relative);
}

/** Over phases: each arm's mean and variance in exact fractions first, each phase weighted by its share of the units of both; then the effect. */
export function effectByPhase(
  phases: readonly { readonly champion: readonly Unit[]; readonly challenger: readonly Unit[] }[],
  relative: boolean,
) {
  const armOf = (arm: 'champion' | 'challenger') => {
    const means = phases.map((phase) => {
      const { mean, variance } = meanAndVariance(phase[arm]);
      return { effect: mean, variance, units: phase.champion.length + phase.challenger.length };
    });
    const { effect, standardError } = combineExactly(means);
    return { mean: effect, variance: standardError ** 2 };
  };
  return effectOfMeans(armOf('champion'), armOf('challenger'), relative);
}

interface MeanAndVariance {
  readonly mean: number;
  readonly variance: number;
}

function effectOfMeans(a: MeanAndVariance, b: MeanAndVariance, relative: boolean) {
  if (!relative) return { effect: b.mean - a.mean, variance: a.variance + b.variance };
  const gradient = [-b.mean / a.mean ** 2, 1 / a.mean] as const;
  return {
    effect: Math.sign(a.mean) * (b.mean / a.mean - 1),
    variance: gradient[0] ** 2 * a.variance + gradient[1] ** 2 * b.variance,
  };
}

/**
 * CUPED by residuals: least squares of units' parts on X with one slope for all arms, then the plain mean and variance of
 * what is left.
 */
export function cupedByResiduals(arms: readonly (readonly Unit[])[]) {
  const parts = arms.map((units) => {
    const [ratio, perUnit] = [meanAndVariance(units).mean, meanOf(units.map(({ n }) => n))];
    return units.map(({ s, n, x }) => ({ y: ratio + (s - ratio * n) / perUnit, x }));
  });
  const centred = parts.flatMap((arm) => {
    const [y, x] = [meanOf(arm.map((part) => part.y)), meanOf(arm.map((part) => part.x))];
    return arm.map((part) => ({ y: part.y - y, x: part.x - x }));
  });
  const theta = total(centred.map(({ x, y }) => x * y)) / total(centred.map(({ x }) => x * x));
  const meanX = meanOf(parts.flat().map(({ x }) => x));
  return {
    theta,
    arms: parts.map((arm) => {
      const adjusted = arm.map(({ y, x }) => y - theta * (x - meanX));
      return { mean: meanOf(adjusted), varianceOfMean: covariance(adjusted, adjusted) / arm.length };
    }),
  };
}

/** ρ as the paper has it. */
export function rho(alpha: number, plannedN: number): number {
  return ((-2 * Math.log(alpha) + Math.log(1 - 2 * Math.log(alpha))) / plannedN) ** 0.5;
}

/**
 * ln of the normal mixture martingale of a sum of n unit normals that stands at z√n: ∫ exp(λz√n − λ²n/2) dN(λ; 0, ρ²), by
 * quadrature.
 */
export function logNormalMixture(z: number, n: number, ofRho: number): number {
  const log = (lambda: number) =>
    lambda * z * Math.sqrt(n) -
    (lambda ** 2 * n) / 2 -
    (lambda / ofRho) ** 2 / 2 -
    Math.log(ofRho * Math.sqrt(2 * Math.PI));
  const centre = (z * Math.sqrt(n)) / (n + 1 / ofRho ** 2);
  const spread = 1 / Math.sqrt(n + 1 / ofRho ** 2);
  return logIntegral(log, centre - 14 * spread, centre + 14 * spread);
}

/** Standard errors at which the mixture martingale reaches 1/α, by search. */
export function halfWidthInErrors(n: number, ofRho: number, alpha: number): number {
  const t = n * ofRho ** 2 + 1;
  return rootOf((z) => -Math.log(t) / 2 + ((ofRho * z) ** 2 * n) / (2 * t) + Math.log(alpha), 0, 1e4);
}

/** One-sided, as the paper has it: arXiv 2103.06476, the bound with ln(1 + √(tρ²+1)/(2α)). */
export function oneSidedWidthInErrors(n: number, ofRho: number, alpha: number): number {
  const t = n * ofRho ** 2 + 1;
  return Math.sqrt(n) * Math.sqrt(((2 * t) / (n * ofRho) ** 2) * Math.log(1 + Math.sqrt(t) / (2 * alpha)));
}

/** The α at which the one-sided bound of this ρ touches 0, by search over ln α. */
export function oneSidedP(z: number, n: number, ofRho: number): number {
  if (z <= 0) return 1;
  const log = rootOf((logAlpha) => z - oneSidedWidthInErrors(n, ofRho, Math.exp(logAlpha)), -740, 0);
  return Math.exp(log);
}

/** Σ (N_k/N)·d_k and √Σ (N_k/N)²·v_k in exact fractions. */
export function combineExactly(phases: readonly { effect: number; variance: number; units: number }[]) {
  const n = phases.reduce((sum, { units }) => sum.plus(Rational.of(units)), Rational.of(0));
  let [combined, variance] = [Rational.of(0), Rational.of(0)];
  for (const phase of phases) {
    const share = Rational.of(phase.units).over(n);
    combined = combined.plus(share.times(Rational.of(phase.effect)));
    variance = variance.plus(share.times(share).times(Rational.of(phase.variance)));
  }
  return { effect: combined.toNumber(), standardError: Math.sqrt(variance.toNumber()), n: n.toNumber() };
}

/**
 * ln of ∫ over a side of (r/p)ˢ((1−r)/(1−p))ᶠ dr, divided by the length of the side: the beta-binomial e-value, by quadrature
 * over the distance of r from p, which also counts where p is next to 1.
 */
export function logRateEvidence(s: number, f: number, p: number, side: 'two' | 'greater' | 'less'): number {
  const log = (up: number, down: number) => (s === 0 ? 0 : s * Math.log1p(up)) + (f === 0 ? 0 : f * Math.log1p(down));
  // Not quite to the end, where the logarithm would be infinite; what lies beyond is nothing.
  const almost = 1 - 2 ** -53;
  const greater = () => logIntegral((t) => log(t / p, -t / (1 - p)), 0, (1 - p) * almost);
  const less = () => logIntegral((t) => log(-t / p, t / (1 - p)), 0, p * almost);
  if (side === 'greater') return greater() - Math.log1p(-p);
  if (side === 'less') return less() - Math.log(p);
  return logOfSum(less(), greater());
}

/**
 * ln of the e-value of a split from Pólya's urn: each unit's predictive probability over its weight, one unit after the
 * other.
 */
export function logUrn(counts: readonly number[], shares: readonly number[]): number {
  let log = 0;
  let drawn = 0;
  for (const [arm, count] of counts.entries()) {
    for (let k = 0; k < count; k++, drawn++) {
      log += Math.log((10_000 * shares[arm]! + k) / (10_000 + drawn) / shares[arm]!);
    }
  }
  return log;
}

/** Σ(o − e)²/e in exact fractions. */
export function chiSquareExactly(counts: readonly number[], weights: readonly number[]): number {
  const sum = (values: readonly number[]) => values.reduce((s, value) => s.plus(Rational.of(value)), Rational.of(0));
  const [n, all] = [sum(counts), sum(weights)];
  return counts
    .reduce((statistic, count, arm) => {
      if (weights[arm] === 0) return statistic;
      const expected = n.times(Rational.of(weights[arm]!)).over(all);
      const difference = Rational.of(count).minus(expected);
      return statistic.plus(difference.times(difference).over(expected));
    }, Rational.of(0))
    .toNumber();
}

/** Panels of integrals whose tails fall as slowly as e⁻⁰·²ᵗ. */
const FINE = 16;

/** ln of the two tails of Γ(a): ∫ exp(au − eᵘ) du up to, and from, u = ln x, each divided by the whole. */
export function gammaTails(
  a: number,
  x: number,
): { readonly lower: number; readonly upper: number; readonly logGamma: number } {
  // As a distance from the peak u = ln a, so that nothing is lost at large a.
  const log = (t: number) => a * (t - Math.expm1(t));
  const [at, far] = [Math.log(x / a), 90 / Math.min(a, 1) + 5];
  const [low, high] = [
    logIntegral(log, Math.min(at, 0) - far, at, FINE),
    logIntegral(log, at, Math.max(at, 0) + Math.log1p(800 / a) + 2, FINE),
  ];
  const whole = logOfSum(low, high);
  return { lower: low - whole, upper: high - whole, logGamma: whole + a * Math.log(a) - a };
}

/** ln I_x(a, b) from ∫ of the beta density in log-odds; `odds` is ln(x/(1−x)). */
export function logBetaBelow(a: number, b: number, odds: number): number {
  // As a distance from the peak p = a/(a+b); ln(1 + p(eᵗ − 1)) = t + ln(1 + q(e⁻ᵗ − 1)).
  const [p, q] = [a / (a + b), b / (a + b)];
  const log = (t: number) =>
    a < b ? a * t - (a + b) * Math.log1p(p * Math.expm1(t)) : -b * t - (a + b) * Math.log1p(q * Math.expm1(-t));
  const at = odds - Math.log(a / b);
  const low = logIntegral(log, Math.min(at, 0) - 90 / Math.min(a, 1), at, FINE);
  return low - logOfSum(low, logIntegral(log, at, Math.max(at, 0) + 90 / Math.min(b, 1), FINE));
}

function logOfSum(a: number, b: number): number {
  const top = Math.max(a, b);
  return top + Math.log(Math.exp(a - top) + Math.exp(b - top));
}

/** ln Φ(−z), z ≥ 0, by quadrature of the density. */
export function logNormalTail(z: number): number {
  return logIntegral((x) => (-x * x) / 2, z, z + 40) - Math.log(2 * Math.PI) / 2;
}

/** z with Φ(−z) = tail, by search. */
export function normalPoint(tail: number): number {
  return rootOf((z) => Math.log(tail) - logNormalTail(z), 0, 40);
}

/** Wilson's bounds by their definition: the rates p with |p̂ − p| = z√(p(1−p)/n), by search. */
export function wilsonBySearch(
  n: number,
  events: number,
  z: number,
): { readonly lower: number; readonly upper: number } {
  const rate = events / n;
  const distance = (p: number) => Math.abs(rate - p) - z * Math.sqrt((p * (1 - p)) / n);
  return {
    lower: events === 0 ? 0 : rootOf((p) => -distance(p), 0, rate),
    upper: events === n ? 1 : rootOf(distance, rate, 1),
  };
}
