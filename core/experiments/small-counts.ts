import { logBetaBinomial } from '../statistics/rate.ts';
import { type ArmPair, complementOf, type EventArm, type EventPhase, eventPhases } from './event-units.ts';

/** An effect and its two-sided interval, valid at every look; null: not bounded on that side, or (the effect) 0 of 0. */
export interface RateEffect {
  readonly effect: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  /** Of "no difference". */
  readonly pValue: number;
}

interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * Difference of two rates at small counts: method (2) of the statistics, made into an interval.
 *
 * Ratio. If the challenger's units have events r times as often, each unit with events is the challenger's with probability
 * π = θr/(θr + 1 − θ), θ being its share of the units. The beta-binomial e-process against π is inverted: the interval holds every r
 * whose e-value is below 1/α. Over phases, whose θ differ, e-values are multiplied. It says nothing of r while there are no events.
 *
 * Difference. An absolute margin can be kept without a single event (nobody failed in 2 000), which no ratio shows. So half of α goes
 * to the ratio's interval and half to one of each arm, the inverted beta-binomial e-process of its units with events; both hold
 * together, and the sharper bound of each side counts. From units to values: a unit with events has at least one and at most all its
 * values, so a rate is at least the share of such units divided by the values to a unit, and at most that share times `spread`, taken
 * from the data (the share itself, while no more is known).
 *
 * Where most values are events, what is no event is counted in their place.
 * @param phases at least one, each with units and values in both arms
 */
export function smallCountRate(of: {
  readonly phases: readonly ArmPair[];
  readonly alpha: number;
  readonly relative: boolean;
}): RateEffect {
  const { alpha, relative } = of;
  const total = of.phases.flatMap(({ champion, challenger }) => [champion, challenger]);
  const sumOf = (key: 'n' | 'sum') => total.reduce((sum, arm) => sum + arm[key], 0);
  const isFlipped = 2 * sumOf('sum') > sumOf('n');
  const counted = isFlipped
    ? of.phases.map(({ champion, challenger }) => ({
        champion: complementOf(champion),
        challenger: complementOf(challenger),
      }))
    : of.phases;
  const phases = eventPhases(counted);
  const share = isFlipped ? (rate: number) => 1 - rate : (rate: number) => rate;
  const a = share(stratified(phases, ({ champion }) => champion.rate));
  const b = share(stratified(phases, ({ challenger }) => challenger.rate));
  const pValue = Math.min(1, Math.exp(-evidenceOf(termsOf(phases))(0)));
  const effect = relative ? (a === 0 ? null : b / a - 1) : b - a;
  if (relative && !isFlipped) return { effect, ...relativeToRatio(ratioBounds(phases, alpha)), pValue };
  const champion = armBounds(phases, 'champion', alpha / 4);
  const difference = differenceBounds(phases, champion, alpha);
  const { low, high } = isFlipped ? { low: -difference.high, high: -difference.low } : difference;
  // The interval excludes 0 at α where the ratio's does at α/2.
  const doubled = Math.min(1, 2 * pValue);
  if (!relative) return { effect, lower: low, upper: high, pValue: doubled };
  const least = 1 - champion.high;
  const most = 1 - champion.low;
  return { effect, lower: divided(low, most, least), upper: divided(high, least, most), pValue: doubled };
}

/** A bound divided by a number between two: by the first if it is positive, else by the other. */
function divided(bound: number, ifPositive: number, ifNegative: number): number | null {
  const by = bound > 0 ? ifPositive : ifNegative;
  if (bound === 0) return 0;
  return by > 0 ? bound / by : null;
}

function relativeToRatio({ low, high }: Bounds): { lower: number; upper: number | null } {
  return { lower: low - 1, upper: Number.isFinite(high) ? high - 1 : null };
}

/** Weighted by each phase's share of the units, as effects on means are. */
function stratified(phases: readonly EventPhase[], value: (phase: EventPhase) => number): number {
  const unitsOf = ({ champion, challenger }: EventPhase) => champion.units + challenger.units;
  const units = phases.reduce((sum, phase) => sum + unitsOf(phase), 0);
  return phases.reduce((sum, phase) => sum + (unitsOf(phase) / units) * value(phase), 0);
}

/** Bounds on B − A at α: each from the arms' own bounds, or from the ratio's. */
function differenceBounds(phases: readonly EventPhase[], a: Bounds, alpha: number): Bounds {
  const b = armBounds(phases, 'challenger', alpha / 4);
  const ratio = ratioBounds(phases, alpha / 2);
  // B − A = B(1 − 1/r) = A(r − 1)
  const more = ratio.low > 1 ? Math.max(b.low * (1 - 1 / ratio.low), a.low * (ratio.low - 1)) : -1;
  const fewer = ratio.high < 1 ? Math.max(a.low * (1 - ratio.high), b.low * (1 / ratio.high - 1)) : -1;
  return { low: Math.max(b.low - a.high, more), high: Math.min(b.high - a.low, -fewer) };
}

/** Bounds on an arm's stratified rate; α is divided by the phases, whose bounds must hold together. */
function armBounds(phases: readonly EventPhase[], arm: keyof EventPhase, alpha: number): Bounds {
  const bounds = new Map(phases.map((phase) => [phase, rateBounds(phase[arm], alpha / phases.length)]));
  return {
    low: stratified(phases, (phase) => bounds.get(phase)!.low),
    high: stratified(phases, (phase) => bounds.get(phase)!.high),
  };
}

function rateBounds({ units, eventUnits, perUnit, spread }: EventArm, alpha: number): Bounds {
  const without = units - eventUnits;
  const evidence = evidenceOf([{ a: without, b: eventUnits, logOdds: 0 }]);
  const { low, high } = crossings(evidence, Math.log(eventUnits / without), -Math.log(alpha));
  return { low: logistic(low) / perUnit, high: Math.min(1, logistic(high) * spread) };
}

/** The interval of the ratio of the shares of units with events. */
function ratioBounds(phases: readonly EventPhase[], alpha: number): Bounds {
  const { low, high } = crossings(evidenceOf(termsOf(phases)), likeliestRatio(phases), -Math.log(alpha));
  return { low: Math.exp(low), high: Math.exp(high) };
}

/** Of a + b things, b were of the kind whose probability has these log-odds under "equal". */
interface Term {
  readonly a: number;
  readonly b: number;
  readonly logOdds: number;
}

/** Units with events: how many are the challenger's. A phase without any is no evidence. */
function termsOf(phases: readonly EventPhase[]): Term[] {
  return phases
    .map((phase) => ({ a: phase.champion.eventUnits, b: phase.challenger.eventUnits, logOdds: logOddsOf(phase) }))
    .filter(({ a, b }) => a + b > 0);
}

/**
 * ln e against log-odds that are `shift` more. From one hypothesis to another only the likelihood under it changes, so that the e-value
 * itself is needed once.
 */
function evidenceOf(terms: readonly Term[]): (shift: number) => number {
  const logLikelihood = (shift: number) =>
    terms.reduce(
      (sum, { a, b, logOdds }) => sum + b * logLogistic(logOdds + shift) + a * logLogistic(-logOdds - shift),
      0,
    );
  const atEqual = terms.reduce((sum, { a, b, logOdds }) => sum + logBetaBinomial(b, a, logistic(logOdds), 'two'), 0);
  const base = atEqual + logLikelihood(0);
  return (shift) => base - logLikelihood(shift);
}

function logOddsOf({ champion, challenger }: EventPhase): number {
  return Math.log(challenger.units / champion.units);
}

/** Probability that a unit with events is the challenger's. */
function belongs(phase: EventPhase, logRatio: number): number {
  return logistic(logOddsOf(phase) + logRatio);
}

/** ln of the ratio at which as many units with events as there are in the challenger's arm are expected. */
function likeliestRatio(phases: readonly EventPhase[]): number {
  const inChallenger = phases.reduce((sum, { challenger }) => sum + challenger.eventUnits, 0);
  const inChampion = phases.reduce((sum, { champion }) => sum + champion.eventUnits, 0);
  if (inChampion === 0) return Number.POSITIVE_INFINITY;
  if (inChallenger === 0) return Number.NEGATIVE_INFINITY;
  const missing = (logRatio: number) =>
    phases.reduce((sum, phase) => {
      const { champion, challenger } = phase;
      return sum + challenger.eventUnits - (champion.eventUnits + challenger.eventUnits) * belongs(phase, logRatio);
    }, 0);
  return bisect(-FAR, FAR, (logRatio) => missing(logRatio) < 0);
}

function logistic(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** ln of the same. */
function logLogistic(logit: number): number {
  return logit > 0 ? -Math.log1p(Math.exp(-logit)) : logit - Math.log1p(Math.exp(logit));
}

/** In logarithms: beyond it a rate or a ratio is 0 or infinite. */
const FAR = 30;

/**
 * Where a convex function crosses a level on both sides of its minimum; infinite where it stays below. Phases that contradict each
 * other can leave nothing below the level: then both ends are the minimum.
 */
function crossings(value: (x: number) => number, minimumAt: number, level: number): Bounds {
  const middle = Math.max(-FAR, Math.min(FAR, minimumAt));
  const isAbove = (x: number) => value(x) >= level;
  return {
    low: isAbove(-FAR) && middle > -FAR ? bisect(-FAR, middle, (x) => !isAbove(x)) : Number.NEGATIVE_INFINITY,
    high: isAbove(FAR) && middle < FAR ? bisect(middle, FAR, isAbove) : Number.POSITIVE_INFINITY,
  };
}

/** Halvings that bring an interval of 2·FAR below 1e-10. */
const HALVINGS = 40;

/** The end of the part of [low, high] in which `isBeyond` is false; it is true from there on. */
function bisect(low: number, high: number, isBeyond: (x: number) => boolean): number {
  let from = low;
  let to = high;
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (from + to) / 2;
    if (isBeyond(middle)) to = middle;
    else from = middle;
  }
  return (from + to) / 2;
}
