import { type EValue, eValueOf } from '../statistics/e-value.ts';

/**
 * The evidence of several phases whose units come back. A unit is in its old arm again in the next phase, and brings the chance of its
 * assignment a second time, so that e-values of phases are not independent and may not be multiplied. Each phase is tested alone, with
 * a part of α, and the strongest one speaks: its e-value times its part. By the union bound that holds however phases depend on each other.
 * @returns evidence of 1 where there is no phase, with the phase that it is of
 */
export function strongestPhase<Phase extends { readonly phase: number }>(
  phases: readonly Phase[],
  evidenceOf: (phase: Phase) => EValue,
): EValue & { readonly strongest: Phase | null } {
  const inOrder = phases.toSorted((one, other) => one.phase - other.phase);
  const logEValues = inOrder.map((phase, place) => evidenceOf(phase).logEValue + Math.log(partOfAlpha(place)));
  if (logEValues.length === 0) return { ...eValueOf(0), strongest: null };
  const most = Math.max(...logEValues);
  return { ...eValueOf(most), strongest: inOrder[logEValues.indexOf(most)] ?? null };
}

/**
 * What a phase may spend: 4/5 for the first one, in which a ramp does its most dangerous part, and 1/(5k(k + 1)) for the k-th after it,
 * when there is more traffic to be sure from. All together are 1, however many phases come.
 * @param place from 0
 */
export function partOfAlpha(place: number): number {
  return place === 0 ? 0.8 : 0.2 / (place * (place + 1));
}
