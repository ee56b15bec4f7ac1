import { type EValue, eValueOf } from './e-value.ts';
import { checkBetween, checkNumber, type Refusal } from './result.ts';

/** Outcome of a mixture sequential probability ratio test. */
export interface MsprtResult extends EValue {
  readonly kind: 'evidence';
  /** The same as `eValue`. */
  readonly likelihoodRatio: number;
  /** The smallest 1/Λ of this look and those before (`previousPValue`), at most 1. */
  readonly pValue: number;
}

/**
 * Mixture sequential probability ratio test (Johari, Koomen, Pekelis, Walsh: "Peeking at A/B tests", KDD 2017) of a difference of
 * means with arms of equal size and a known variance; the mixture is normal around θ₀ with variance τ². V = 2σ²:
 *
 *     Λ = √(V/(V+nτ²)) · exp{ n²τ²(d−θ₀)² / (2V(V+nτ²)) }
 *
 * Method (4) of the statistics; confidence sequences decide, this one is to check them by.
 */
export function msprt(at: {
  /** Observations of each arm. */
  readonly n: number;
  readonly difference: number;
  /** σ² of one observation. */
  readonly variance: number;
  /** τ² */
  readonly mixtureVariance: number;
  /** θ₀ */
  readonly nullDifference?: number;
  readonly previousPValue?: number;
}): MsprtResult | Refusal {
  const { n, difference, variance, mixtureVariance, nullDifference = 0, previousPValue = 1 } = at;
  const refusal =
    checkNumber('n', n, 0) ??
    checkNumber('difference', difference) ??
    checkBetween('variance', variance, 0, Number.POSITIVE_INFINITY) ??
    checkBetween('mixtureVariance', mixtureVariance, 0, Number.POSITIVE_INFINITY) ??
    checkNumber('nullDifference', nullDifference) ??
    checkBetween('previousPValue', previousPValue, -Number.MIN_VALUE, 1 + Number.EPSILON);
  if (refusal !== null) return refusal;
  const v = 2 * variance;
  const total = v + n * mixtureVariance;
  const shift = n * (difference - nullDifference);
  const log = -Math.log1p((n * mixtureVariance) / v) / 2 + (shift * shift * mixtureVariance) / (2 * v * total);
  const evidence = eValueOf(log);
  return {
    ...evidence,
    kind: 'evidence',
    likelihoodRatio: evidence.eValue,
    pValue: Math.min(previousPValue, evidence.pValue),
  };
}
