import { type EValue, eValueOf } from '../statistics/e-value.ts';
import { twoArmRate } from '../statistics/rate.ts';
import type { Comparison, PhaseUnits } from './look.ts';
import { strongestPhase } from './phase-alpha.ts';

/**
 * The fast guard: whether the challenger makes more units fail than its share, by the one-sided two-arm e-process (method (2) of the
 * statistics). If both arms fail alike, a unit that fails is the challenger's with probability = its share of the units exposed to
 * either arm, so an outage that strikes both arms is no evidence, and no error rate needs to be known. Each unit counts once, at its
 * first failure: a single broken client that fails a thousand times can't send a challenger back.
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
  { alpha, challengers }: { readonly alpha: number; readonly challengers: number },
): NonNullable<Comparison['fastGuard']> {
  const { eValue } = strongestPhase(phases, (phase) => phaseEvidence(phase, arm));
  const threshold = challengers / alpha;
  return { eValue, threshold, fired: eValue >= threshold };
}

const NO_EVIDENCE: EValue = eValueOf(0);

function phaseEvidence({ units, failingUnits }: PhaseUnits, arm: number): EValue {
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
