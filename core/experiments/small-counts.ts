import { logAbove, logistic, lowerLogOdds } from '../statistics/rate-bounds.ts';
import { type ArmPair, complementOf, type EventArm, type EventPhase, eventPhases } from './event-units.ts';

/** An effect and its bounds, valid at every look; null: not bounded on that side, or (the effect) relative to nothing. */
export interface RateEffect {
  readonly effect: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
  /** Of "in no phase is there a difference" or, one-sided, "in no phase does the challenger have more". */
  readonly pValue: number;
}

/** Why an effect or a bound is null: only what is relative to a mean of 0 has none. Null: none is. */
export function reasonOfNull({ effect, lower, upper }: Omit<RateEffect, 'pValue'>): string | null {
  if (effect !== null && lower !== null && upper !== null) return null;
  return "the champion's mean may be 0, and an effect relative to that has no bound";
}

/** A phase, and the part of α that it may spend (`partOfAlpha`); left out: all. */
export interface RatePhase extends ArmPair {
  readonly part?: number;
}

/**
 * Difference of two rates at small counts: method (2) of the statistics, made into bounds. Each side has half of α (one-sided: all), and
 * divides it among what its bound is made of; by the union bound that holds however these depend on each other.
 *
 * Ratio. If the challenger's units have events r times as often, each unit with events is the challenger's with probability
 * π = θr/(θr + 1 − θ), θ being its share of the units. r is at least what the one-sided e-process on that share has not excluded.
 * Over phases, whose θ differ, the phase that excludes most speaks, each with its part of α: units come back, so that evidence of phases may not be
 * multiplied, and a mean of it holds at each look but not at all of them at once. If phases exclude "equal" on both sides, what lies between
 * the two bounds stays open. There are no bounds while there are no events.
 *
 * Difference. An absolute margin can be kept without a single event (nobody failed in 2 000), which no ratio shows. So a side gives half
 * of its α to the ratio and a quarter to one bound of each arm, the same e-process on its units with events:
 *
 *     B − A  ≥  B⁻ − A⁺      and, where r⁻ > 1,      B − A = B(1 − 1/r)  ≥  B⁻(1 − 1/r⁻)
 *
 * and the sharper one counts; the upper bound is that of the arms changed over. From units to values: a unit with events has at least one and at most all its values, so a rate
 * is at least the share of such units divided by the values to a unit, and at most that share times `spread`, taken from the data (the
 * share itself, while no more is known).
 *
 * Where most values are events, what is no event is counted in their place; a relative effect is then the difference divided by a bound
 * of the champion's rate, which has a fifth of the side's α, as the arms' bounds have.
 * @param phases at least one, each with units and values in both arms
 */
export function smallCountRate(of: {
  readonly phases: readonly RatePhase[];
  readonly alpha: number;
  readonly relative: boolean;
  readonly sided?: 'two' | 'one';
}): RateEffect {
  const { relative, sided = 'two' } = of;
  const isFlipped = isMostlyEvents(of.phases);
  const phases = countedPhases(of.phases, isFlipped);
  const side = sided === 'two' ? of.alpha / 2 : of.alpha;
  const ratioPart = relative ? (isFlipped ? 0.4 : 1) : 0.5;
  const effect = effectOf(phases, isFlipped, relative);
  const pValue = Math.min(1, pValueOf(isFlipped ? phases.map(turned) : phases, sided) / ratioPart);
  if (relative && !isFlipped) {
    const { low, high } = ratioBounds(phases, side);
    return { effect, lower: low - 1, upper: Number.isFinite(high) ? high - 1 : null, pValue };
  }
  const share = { ratio: side * ratioPart, arm: (side * (1 - ratioPart)) / (relative ? 3 : 2) };
  const found = differenceBounds(phases, share);
  if (!isFlipped) return { effect, lower: found.low, upper: found.high, pValue };
  const [low, high] = [-found.high, -found.low];
  if (!relative) return { effect, lower: low, upper: high, pValue };
  const others = armBounds(phases, 'champion', share.arm);
  const [least, most] = [1 - others.high, 1 - others.low];
  return { effect, lower: divided(low, most, least), upper: divided(high, least, most), pValue };
}

/** A phase's arms by units with events, and its part of α. */
interface CountedPhase extends EventPhase {
  readonly part: number;
}

interface Bounds {
  readonly low: number;
  readonly high: number;
}

function isMostlyEvents(phases: readonly ArmPair[]): boolean {
  const arms = phases.flatMap(({ champion, challenger }) => [champion, challenger]);
  const sumOf = (key: 'n' | 'sum') => arms.reduce((sum, arm) => sum + arm[key], 0);
  return 2 * sumOf('sum') > sumOf('n');
}

function countedPhases(phases: readonly RatePhase[], isFlipped: boolean): CountedPhase[] {
  const pairs = isFlipped
    ? phases.map((pair) => ({ champion: complementOf(pair.champion), challenger: complementOf(pair.challenger) }))
    : phases;
  return eventPhases(pairs).map((phase, at) => ({ ...phase, part: phases[at]!.part ?? 1 }));
}

function effectOf(phases: readonly CountedPhase[], isFlipped: boolean, relative: boolean): number | null {
  const rateOf = (arm: keyof EventPhase) => {
    const rate = stratified(phases, (phase) => phase[arm].rate);
    return isFlipped ? 1 - rate : rate;
  };
  const [a, b] = [rateOf('champion'), rateOf('challenger')];
  if (!relative) return b - a;
  return a === 0 ? null : b / a - 1;
}

/** The arms changed over. */
function turned(phase: CountedPhase): CountedPhase {
  return { ...phase, champion: phase.challenger, challenger: phase.champion };
}

/** A bound divided by a number between two: by the first if it is positive, else by the other. */
function divided(bound: number, ifPositive: number, ifNegative: number): number | null {
  const by = bound > 0 ? ifPositive : ifNegative;
  if (bound === 0) return 0;
  return by > 0 ? bound / by : null;
}

function unitsOf({ champion, challenger }: EventPhase): number {
  return champion.units + challenger.units;
}

/** Weighted by each phase's share of the units, as effects on means are. */
function stratified(phases: readonly CountedPhase[], value: (phase: CountedPhase) => number): number {
  const units = phases.reduce((sum, phase) => sum + unitsOf(phase), 0);
  return phases.reduce((sum, phase) => sum + (unitsOf(phase) / units) * value(phase), 0);
}

/** Bounds on B − A: each with one of the ratio and two of the arms, at these levels. */
function differenceBounds(phases: readonly CountedPhase[], alpha: { ratio: number; arm: number }): Bounds {
  const a = armBounds(phases, 'champion', alpha.arm);
  const b = armBounds(phases, 'challenger', alpha.arm);
  const ratio = ratioBounds(phases, alpha.ratio);
  const more = ratio.low > 1 ? b.low * (1 - 1 / ratio.low) : -1;
  const fewer = ratio.high < 1 ? a.low * (1 - ratio.high) : -1;
  return { low: Math.max(b.low - a.high, more), high: Math.min(b.high - a.low, -fewer) };
}

/** Bounds on an arm's stratified rate, each with α, which is divided among the phases: their bounds must hold together. */
function armBounds(phases: readonly CountedPhase[], arm: keyof EventPhase, alpha: number): Bounds {
  const bounds = new Map(phases.map((phase) => [phase, rateBounds(phase[arm], alpha * phase.part)]));
  return {
    low: stratified(phases, (phase) => bounds.get(phase)!.low),
    high: stratified(phases, (phase) => bounds.get(phase)!.high),
  };
}

function rateBounds({ units, eventUnits, perUnit, spread }: EventArm, alpha: number): Bounds {
  const without = units - eventUnits;
  return {
    low: logistic(lowerLogOdds(eventUnits, without, alpha)) / perUnit,
    high: Math.min(1, logistic(-lowerLogOdds(without, eventUnits, alpha)) * spread),
  };
}

/** Bounds on the ratio of the shares of units with events, each with α. */
function ratioBounds(phases: readonly CountedPhase[], alpha: number): Bounds {
  const low = Math.exp(lowerLogRatio(phases, alpha));
  const high = Math.exp(-lowerLogRatio(phases.map(turned), alpha));
  return { low: Math.min(low, high), high: Math.max(low, high) };
}

function lowerLogRatio(phases: readonly CountedPhase[], alpha: number): number {
  return Math.max(
    ...phases.map(({ champion, challenger, part }) => {
      const share = lowerLogOdds(challenger.eventUnits, champion.eventUnits, alpha * part);
      return share - Math.log(challenger.units / champion.units);
    }),
  );
}

/** The smallest α at which the ratio's bounds exclude 1 in some phase: from above, or (two-sided, with half of α for each) from either side. */
function pValueOf(phases: readonly CountedPhase[], sided: 'two' | 'one'): number {
  const more = Math.exp(-evidenceOfMore(phases));
  return sided === 'one' ? more : 2 * Math.min(more, Math.exp(-evidenceOfMore(phases.map(turned))));
}

/** ln e against "in no phase does the challenger have more than its share". */
function evidenceOfMore(phases: readonly CountedPhase[]): number {
  return Math.max(
    ...phases.map(({ champion, challenger, part }) => {
      const logOdds = Math.log(challenger.units / champion.units);
      return logAbove(challenger.eventUnits, champion.eventUnits, logOdds) + Math.log(part);
    }),
  );
}
