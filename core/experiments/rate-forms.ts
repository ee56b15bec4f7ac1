import { needsSmallCounts } from '../statistics/rate.ts';
import { type ArmPair, complementOf, type EventPhase, eventPhases } from './event-units.ts';
import { partOfAlpha } from './phase-alpha.ts';

/**
 * Whether a rate is at small counts, in the phases that the sequence would use: an arm has fewer than 100 units, or fewer than 10 units with events or with non-events (that is "10
 * events" where each unit has one value; ten failures of one broken user are not), or no phase has `minUnits` in both arms, since that form
 * needs no least number.
 */
export function isAtSmallCounts(all: readonly ArmPair[], minUnits: number): boolean {
  const phases = all.filter(({ champion, challenger }) => Math.min(champion.units, challenger.units) >= minUnits);
  if (phases.length === 0) return true;
  const events = eventPhases(phases);
  const others = eventPhases(
    phases.map(({ champion, challenger }) => ({
      champion: complementOf(champion),
      challenger: complementOf(challenger),
    })),
  );
  const total = (of: readonly EventPhase[], arm: keyof EventPhase, key: 'units' | 'eventUnits') =>
    of.reduce((sum, phase) => sum + phase[arm][key], 0);
  return (['champion', 'challenger'] as const).some((arm) => {
    const withEvents = total(events, arm, 'eventUnits');
    const counts = { units: total(events, arm, 'units'), events: withEvents };
    return needsSmallCounts({ ...counts, n: withEvents + total(others, arm, 'eventUnits') });
  });
}

/**
 * Whether each unit has a single value of 0 or 1. Then the form for small counts is exact at any counts: nothing is lost in going from units
 * with events to values.
 */
export function isOfTrials(phases: readonly ArmPair[]): boolean {
  return phases.every(({ champion, challenger }) =>
    [champion, challenger].every(
      ({ units, n, nSquares, sum, sumSquares }) =>
        [n, nSquares].every((count) => count === units) && sum === sumSquares,
    ),
  );
}

/**
 * The part of α of each phase (`partOfAlpha`), by its place among all phases of the experiment: one in which nothing is measured yet keeps its
 * part, so that no other gets it meanwhile.
 */
export function partsOfPhases(measured: readonly number[], all: readonly number[]): number[] {
  const inOrder = [...new Set([...all, ...measured])].sort((one, other) => one - other);
  return measured.map((phase) => partOfAlpha(inOrder.indexOf(phase)));
}

interface Bounds {
  readonly lower: number | null;
  readonly upper: number | null;
}

/** Both hold at once, so the sharper bound of each side does. Where they contradict each other, what lies between them stays open. */
export function sharper(one: Bounds, other: Bounds): Bounds {
  const lower = mostOf(one.lower, other.lower, Math.max);
  const upper = mostOf(one.upper, other.upper, Math.min);
  return lower !== null && upper !== null && lower > upper ? { lower: upper, upper: lower } : { lower, upper };
}

function mostOf(one: number | null, other: number | null, choose: (one: number, other: number) => number) {
  return one === null || other === null ? (one ?? other) : choose(one, other);
}
