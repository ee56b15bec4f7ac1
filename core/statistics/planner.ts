import { halfWidth, rhoFor } from './confidence-sequence.ts';
import { MIN_UNITS_PER_ARM } from './mean-difference.ts';
import { checkAlpha, checkBetween, checkCount, checkNumber, type Refusal, refuse } from './result.ts';
import { normalQuantile } from './special/distributions.ts';

/**
 * Planning: the smallest effect that an experiment finds ↔ units ↔ days ↔ the challenger's weight. With M units of the group,
 * variance σ² of a unit and shares of the arms that are worth f, the standard error is σ/√(Mf), and an effect is found when it is a
 * multiple of that:
 *
 *     fixed             z(1 − α/2) + z(power)     one look at the end
 *     sequence          k + z(power)              looks at any time; a share `power` of such experiments has decided by then
 *     sequenceTypical   k                         the same, half of them
 *
 * k is the half-width of the confidence sequence in standard errors at the planned number of units, N = N*; it depends on α
 * alone. "half-width = effect at the planned N" is an approximation of the stopping time, and a careful one: a sequence that
 * crossed earlier has decided already.
 */
export interface PlanBasis {
  /** Of one unit's part in the metric (`ratioVariance`); for relative effects, divided by the square of the champion's mean. */
  readonly variance: number;
  /** Already divided by the number of challengers. */
  readonly alpha: number;
  /** What of it the confidence sequence has (`formAlphas`); left out: all. */
  readonly sequenceAlpha?: number;
  /** 0.8 if left out. */
  readonly power?: number;
  /** What the challenger is compared with: all units that no challenger has, or (a monitored ramp) a slice as large as its own. */
  readonly champion: 'rest' | 'equal';
  /** All of the same share; 1 if left out. */
  readonly challengers?: number;
}

/** One answer for each way to test. */
export interface PerTest<T> {
  readonly fixed: T;
  readonly sequence: T;
  readonly sequenceTypical: T;
}

export interface UnitsNeeded {
  /** Of the whole group, also where some are in neither arm. */
  readonly units: number;
  readonly championUnits: number;
  /** Of one challenger. */
  readonly challengerUnits: number;
}

/** The smallest effect, in the metric's unit or (relative) as a share, that so many units of the group find. */
export function minimumDetectableEffect(
  basis: PlanBasis & { readonly challengerShare: number; readonly units: number },
): ({ readonly kind: 'plan' } & PerTest<number>) | Refusal {
  const refusal = checkBasis(basis) ?? checkShare(basis) ?? checkNumber('units', basis.units, 1);
  if (refusal !== null) return refusal;
  const standardError = Math.sqrt(basis.variance / (basis.units * worth(basis)));
  return { kind: 'plan', ...perTest(basis, (multiple) => multiple * standardError) };
}

/** How many units find an effect of this size; at least 100 in each arm, below which nothing is concluded. */
export function requiredUnits(
  basis: PlanBasis & { readonly challengerShare: number; readonly effect: number },
): ({ readonly kind: 'plan' } & PerTest<UnitsNeeded>) | Refusal {
  const refusal = checkBasis(basis) ?? checkShare(basis) ?? checkPositive('effect', basis.effect);
  if (refusal !== null) return refusal;
  return { kind: 'plan', ...perTest(basis, (multiple) => unitsFor(basis, multiple)) };
}

/**
 * How many days find an effect of this size.
 * @param basis.unitsPerDay new units a day. Where the same units come back every day there are fewer than a day has: take what a
 *   past period of about the planned length had, divided by its days
 */
export function requiredDuration(
  basis: PlanBasis & { readonly challengerShare: number; readonly effect: number; readonly unitsPerDay: number },
): ({ readonly kind: 'plan' } & PerTest<UnitsNeeded & { readonly days: number }>) | Refusal {
  const refusal = checkPositive('unitsPerDay', basis.unitsPerDay);
  const needed = refusal ?? requiredUnits(basis);
  if (needed.kind === 'refused') return needed;
  const timed = (units: UnitsNeeded) => ({ ...units, days: units.units / basis.unitsPerDay });
  const { fixed, sequence, sequenceTypical } = needed;
  return { kind: 'plan', fixed: timed(fixed), sequence: timed(sequence), sequenceTypical: timed(sequenceTypical) };
}

/** The smallest share of a challenger with which so many days find an effect of this size; null: no share does. */
export function requiredWeight(
  basis: PlanBasis & { readonly effect: number; readonly unitsPerDay: number; readonly days: number },
): ({ readonly kind: 'plan' } & PerTest<number | null>) | Refusal {
  const { effect, unitsPerDay, days } = basis;
  const refusal =
    checkBasis(basis) ??
    checkPositive('effect', effect) ??
    checkPositive('unitsPerDay', unitsPerDay) ??
    checkPositive('days', days);
  if (refusal !== null) return refusal;
  const units = unitsPerDay * days;
  return {
    kind: 'plan',
    ...perTest(basis, (multiple) => shareWorth(basis, unitsTimesWorth(basis, multiple) / units, units)),
  };
}

/** f: the standard error is σ/√(Mf), and f = 1/(1/w + 1/c) for arms that have the shares w and c of all units. */
function worth(basis: PlanBasis & { readonly challengerShare: number }) {
  const { challengerShare } = basis;
  return 1 / (1 / challengerShare + 1 / championShareOf(basis, challengerShare));
}

/** c, the share of all units that a challenger of the share w is compared with. */
export function championShareOf({ champion, challengers = 1 }: PlanBasis, challengerShare: number): number {
  return champion === 'rest' ? 1 - challengers * challengerShare : challengerShare;
}

/**
 * The smallest share w that is worth f, and large enough for 100 units. With the rest 1 − kw beside k challengers it is the smaller root
 * of kw² − (1 + f(k − 1))w + f = 0, written without cancellation. More than 1/(√k + 1)² no share is worth: a larger one leaves the
 * champion too little.
 */
function shareWorth(basis: PlanBasis, f: number, units: number): number | null {
  const { champion, challengers: k = 1 } = basis;
  const linear = 1 + f * (k - 1);
  if (champion === 'rest' && f > 1 / (Math.sqrt(k) + 1) ** 2) return null;
  const share = champion === 'rest' ? (2 * f) / (linear + Math.sqrt(Math.max(0, linear * linear - 4 * k * f))) : 2 * f;
  const enough = Math.max(share, MIN_UNITS_PER_ARM / units);
  return enough <= mostShare(basis) ? enough : null;
}

/** Up to which a larger share is worth more. Of equal slices: each of the challengers' and the champion's. */
function mostShare({ champion, challengers: k = 1 }: PlanBasis): number {
  return champion === 'rest' ? 1 / (k + Math.sqrt(k)) : 1 / (k + 1);
}

function unitsFor(
  basis: PlanBasis & { readonly challengerShare: number; readonly effect: number },
  multiple: number,
): UnitsNeeded {
  const { challengerShare } = basis;
  const championShare = championShareOf(basis, challengerShare);
  const least = MIN_UNITS_PER_ARM / Math.min(championShare, challengerShare);
  const units = Math.ceil(Math.max(least, unitsTimesWorth(basis, multiple) / worth(basis)));
  return {
    units,
    championUnits: Math.round(units * championShare),
    challengerUnits: Math.round(units * challengerShare),
  };
}

/** M·f for which the effect is so many standard errors. */
function unitsTimesWorth(
  { variance, effect }: { readonly variance: number; readonly effect: number },
  multiple: number,
): number {
  return variance * (multiple / effect) ** 2;
}

function perTest<T>(
  { alpha, sequenceAlpha = alpha, power = 0.8 }: PlanBasis,
  answer: (multiple: number) => T,
): PerTest<T> {
  const zPower = normalQuantile(power);
  const k = halfWidth({ standardError: 1, n: 1, rho: rhoFor(sequenceAlpha, 1), alpha: sequenceAlpha });
  return {
    fixed: answer(zPower - normalQuantile(alpha / 2)),
    sequence: answer(k + zPower),
    sequenceTypical: answer(k),
  };
}

function checkBasis({ variance, alpha, sequenceAlpha, power = 0.8, challengers = 1 }: PlanBasis): Refusal | null {
  return (
    checkPositive('variance', variance) ??
    checkAlpha(alpha) ??
    (sequenceAlpha === undefined ? null : checkBetween('sequenceAlpha', sequenceAlpha, 0, 1)) ??
    checkBetween('power', power, 0, 1) ??
    (power >= 0.5 ? null : refuse('power', `is ${power}; it is at least 0.5`)) ??
    checkCount('challengers', challengers) ??
    (challengers >= 1 ? null : refuse('challengers', 'is 0; it is at least 1'))
  );
}

function checkShare(basis: PlanBasis & { readonly challengerShare: number }): Refusal | null {
  const { champion, challengers = 1, challengerShare } = basis;
  const refusal = checkBetween('challengerShare', challengerShare, 0, 1);
  if (refusal !== null) return refusal;
  const slices = champion === 'equal' ? challengers + 1 : challengers;
  // A third times three is 1.
  if (slices * challengerShare < 1 + Number.EPSILON && championShareOf(basis, challengerShare) > 0) return null;
  return refuse(
    'challengerShare',
    champion === 'equal'
      ? `is ${challengerShare}; ${slices} equal slices have at most ${1 / slices} each`
      : `is ${challengerShare}; ${challengers} challengers of it leave the champion nothing`,
  );
}

function checkPositive(field: string, value: number): Refusal | null {
  return checkBetween(field, value, 0, Number.POSITIVE_INFINITY);
}
