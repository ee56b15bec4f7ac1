import { type EValue, eValueOf } from '../statistics/e-value.ts';
import { twoArmRate } from '../statistics/rate.ts';
import { alphaOfChallenger } from './alpha.ts';
import type { ChampionHistory } from './definition.ts';
import { durationFigure, figure, perCent } from './figures.ts';
import type { FastGuard, PhaseUnits } from './look.ts';
import { type AloneEvidence, type AloneFacts, allowedNow, aloneEvidence, isAlone } from './one-arm-guard.ts';
import { strongestPhase } from './phase-alpha.ts';

export interface FastGuardOptions {
  readonly alpha: number;
  readonly challengers: number;
  /** Left out: a challenger that is alone is judged by nothing. */
  readonly alone?: AloneFacts;
}

/**
 * The fast guard: whether the challenger makes more units fail than its share, by the one-sided two-arm e-process (method (2) of the
 * statistics). If both arms fail alike, a unit that fails is the challenger's with probability = its share of the units exposed to
 * either arm, so an outage that strikes both arms is no evidence, and no error rate needs to be known. Each unit counts once, at its
 * first failure: a single broken client that fails a thousand times can't send a challenger back.
 *
 * Where the champion has too little beside it for that (`isAlone`: all at once, or the end of a ramp), the challenger's failing units are held
 * against what the champion's history allows (one-arm-guard.ts), if it has one; else against the little that is there. Which of the two
 * is used follows from the buckets, which are known before anything is counted.
 *
 * Phases. Each phase is tested alone, with a part of α, and the strongest one speaks (`strongestPhase`). Their e-values are not multiplied,
 * since units come back: six broken clients, most of whom happen to be the challenger's, are so in every phase, and four phases of
 * them multiplied fired in 5 % of equal arms at α = 1 %.
 *
 * It watches with an α of its own (divided by the challengers), since what it protects from is not what the primary metric decides.
 *
 * The share is that of the units seen, not that of the buckets: given the exposed units, the number of failing ones among the
 * challenger's is hypergeometric, which varies less than the binomial that the e-process assumes; and a skewed split is then not
 * mistaken for failures (the sample-ratio alarm is there for it).
 * @param arm the challenger's place in the phases' lists; counts are whole and not negative (`splitOf` refuses others)
 */
export function fastGuard(
  phases: readonly PhaseUnits[],
  arm: number,
  { alpha, challengers, alone }: FastGuardOptions,
): FastGuard {
  const evidence = new Map(phases.map((phase) => [phase, phaseEvidence(phase, arm, alone)]));
  const { eValue, strongest } = strongestPhase(phases, (phase) => evidence.get(phase)!);
  const threshold = 1 / alphaOfChallenger(alpha, challengers);
  const shared = { eValue, threshold, fired: eValue >= threshold };
  const speaks = strongest === null ? undefined : evidence.get(strongest);
  if (strongest === null || speaks === undefined || !isAloneEvidence(speaks)) return { kind: 'two_arm', ...shared };
  const { allowedShare, history } = speaks;
  const [units, failingUnits] = [strongest.units[arm] ?? 0, strongest.failingUnits[arm] ?? 0];
  return { kind: 'one_arm', ...shared, units, failingUnits, allowedShare, history };
}

function isAloneEvidence(evidence: EValue | AloneEvidence): evidence is AloneEvidence {
  return 'allowedShare' in evidence;
}

const NO_EVIDENCE: EValue = eValueOf(0);

function phaseEvidence(phase: PhaseUnits, arm: number, alone: AloneFacts | undefined): EValue | AloneEvidence {
  const { units, failingUnits, weightsBp } = phase;
  if (alone !== undefined && isAlone(weightsBp[0] ?? 0, weightsBp[arm] ?? 0)) {
    const evidence = aloneEvidence(phase, arm, alone);
    if (evidence !== null) return evidence;
  }
  const [champion, challenger] = [units[0] ?? 0, units[arm] ?? 0];
  if (champion === 0 || challenger === 0) return NO_EVIDENCE;
  const evidence = twoArmRate({
    championEvents: failingUnits[0] ?? 0,
    challengerEvents: failingUnits[arm] ?? 0,
    challengerShare: challenger / (champion + challenger),
    side: 'greater',
  });
  if (evidence.kind === 'refused') throw new RangeError(`failing units: ${evidence.field} ${evidence.reason}`);
  return evidence;
}

/** Why the fast guard has nothing to hold a challenger against in a phase, in a sentence; null: it has. */
export function unguardedIn(phase: PhaseUnits, arm: number, challenger: string, alone: AloneFacts): string | null {
  const [championBp, challengerBp] = [phase.weightsBp[0] ?? 0, phase.weightsBp[arm] ?? 0];
  if (championBp > 0 || challengerBp === 0 || allowedNow(phase, alone) !== null) return null;
  const { history } = alone;
  const why =
    history === null || history.units === 0
      ? "and nothing is known of the champion's failures before the start"
      : `and what is known of the champion's before the start (${championFigures(history)}) is too little to go by now`;
  return `No fast guard: no champion serves beside "${challenger}", ${why}.`;
}

/** What the fast guard says of a challenger. */
export function fastGuardSentence(guard: FastGuard): string {
  const { eValue, threshold, fired } = guard;
  const likelier = `the failing units are ${times(eValue)} times as likely if the challenger fails more often`;
  const figures = guard.kind === 'one_arm' ? `${aloneFigures(guard)}: ${likelier}` : likelier;
  if (fired) return `Fast guard fired: ${figures}; ${figure(threshold)} suffices.`;
  return `Fast guard silent: ${figures}; it takes ${figure(threshold)}.`;
}

/** Beyond a million the digits say nothing. */
function times(eValue: number): string {
  return eValue > 1_000_000 ? 'more than a million' : figure(eValue);
}

function championFigures({ failingUnits, units, windowMs }: ChampionHistory): string {
  return `${figure(failingUnits)} of ${figure(units)} units failed in ${durationFigure(windowMs)}`;
}

function aloneFigures(guard: Extract<FastGuard, { kind: 'one_arm' }>): string {
  const { units, failingUnits, allowedShare, history } = guard;
  const before = `${figure(history.failingUnits)} of the champion's ${figure(history.units)} in the ${durationFigure(history.windowMs)} before`;
  return `${figure(failingUnits)} of ${figure(units)} units failed, where ${perCent(allowedShare)} are allowed after ${before}`;
}
