import { durationFigure } from '../experiments/figures.ts';
import type { Judgement } from './judge.ts';
import type { PauseCause, RolloutMemory } from './memory.ts';
import type { MachineFacts, MachineRollout, Step } from './step.ts';
import { makeStep } from './transitions.ts';

/** What stops the clock, or is written down once. */
export function caution(rollout: MachineRollout, seen: Judgement, nowMs: number): Step | null {
  const { plan, memory } = rollout;
  const isNew = ({ key }: { readonly key: string }) => !memory.noted.includes(key);
  if (seen.invalid !== null && isNew({ key: 'invalid' })) {
    return pauseStep(rollout, 'evidence', seen.invalid, nowMs, { noted: [...memory.noted, 'invalid'] });
  }
  const pausing = seen.pausing.find(isNew);
  if (pausing !== undefined) {
    return pauseStep(rollout, 'evidence', pausing.reason, nowMs, { noted: [...memory.noted, pausing.key] });
  }
  const unguarded = seen.unguarded.find(isNew);
  if (unguarded !== undefined && plan.onUnguarded === 'pause') {
    return pauseStep(rollout, 'evidence', unguarded.reason, nowMs, { noted: [...memory.noted, unguarded.key] });
  }
  const warning = unguarded ?? seen.warnings.find(isNew);
  if (warning !== undefined) {
    return makeStep(rollout, 'warn', { reason: warning.reason, memory: { noted: [...memory.noted, warning.key] } });
  }
  const isKnown = memory.missing !== null;
  return !isKnown && isEarly(rollout, seen, nowMs) ? null : sayMissing(rollout, seen, nowMs);
}

/** For so long the first requests of all arms are waited for before a metric is called missing. */
const FIRST_REQUESTS_MS = 600_000;

/**
 * Whether it is too early to say that a metric is missing: the first look comes with the first traffic, and no row of that can be there
 * yet. Nothing goes forward meanwhile, and who could says so (`sayMissing`).
 */
function isEarly({ plan, memory }: MachineRollout, { allServe }: Judgement, nowMs: number): boolean {
  const graceMs = allServe ? plan.intervalMs : Math.max(plan.intervalMs, FIRST_REQUESTS_MS);
  // Who lets it pause sooner hears of it sooner.
  return nowMs - (memory.trafficSinceMs ?? nowMs) < Math.min(graceMs, plan.missingMetricHoldMs);
}

/** Says once which metrics are missing, and once that they are there; null: that is said, or there is nothing to say. */
export function sayMissing(rollout: MachineRollout, { missing }: Judgement, nowMs: number): Step | null {
  return withoutEvidence(rollout, { metrics: missing, failure: null }, nowMs);
}

/** What is missing to judge by: metrics that nobody measures, or any look at all. */
interface Lack {
  readonly metrics: readonly string[];
  /** Why nobody can look; null: one can. */
  readonly failure: string | null;
}

/**
 * Says once that evidence is missing, for which its story then waits; pauses where that lasts; says once that it is there again. What
 * follows while it is missing is for the others to ask (`blockedBy`).
 */
export function withoutEvidence(rollout: MachineRollout, lack: Lack, nowMs: number): Step | null {
  const { plan, memory } = rollout;
  const { metrics, failure } = lack;
  const known = memory.missing;
  const lookedAgain = known?.failure != null && failure === null;
  if (metrics.length === 0 && failure === null) {
    if (known === null) return null;
    const reason = lookedAgain ? 'it can be looked after again' : 'every metric is measured again';
    return makeStep(rollout, 'found', { reason, memory: { missing: null } });
  }
  const why = lackOf(lack);
  if (known === null || (known.failure === null) !== (failure === null)) {
    const missing = { sinceMs: known?.sinceMs ?? nowMs, metrics: [...metrics], failure };
    const reason = `${lookedAgain ? 'it can be looked after again; ' : ''}holds: ${why}`;
    return makeStep(rollout, 'missing', { reason, memory: { missing } });
  }
  const forMs = nowMs - known.sinceMs;
  if (forMs < plan.missingMetricHoldMs) return null;
  return pauseStep(rollout, 'missing', `${why}, for ${durationFigure(forMs)}`, nowMs, { missing: null });
}

/** Says once that a start waits for what it asks the log; it goes on being tried. */
export function sayUnprepared(rollout: MachineRollout, failure: string, nowMs: number): Step | null {
  if (rollout.memory.missing !== null) return null;
  const missing = { sinceMs: nowMs, metrics: [], failure };
  return makeStep(rollout, 'missing', { reason: `its start waits: ${failure}`, memory: { missing } });
}

/** What is lacking, in words. */
export function lackOf({ metrics, failure }: Lack): string {
  return failure === null ? `nothing is measured of ${metrics.join(', ')}` : `it cannot be looked after: ${failure}`;
}

export function pauseStep(
  rollout: MachineRollout,
  cause: PauseCause,
  reason: string,
  nowMs: number,
  memory: Partial<RolloutMemory> = {},
): Step {
  return makeStep(rollout, 'pause', { reason, memory: { ...memory, pause: { sinceMs: nowMs, reason, cause } } });
}

/** What keeps a challenger from more traffic now; null: nothing. */
export function blockedBy(
  facts: MachineFacts,
  seen: Pick<Judgement, 'invalid' | 'harmful' | 'missing' | 'thin'>,
): string | null {
  if (facts.freeze !== null) return facts.freeze;
  if (seen.invalid !== null) return seen.invalid;
  // The engine is about to send it back, and no order is faster than that.
  const [harm] = seen.harmful;
  if (harm !== undefined) return harm.reason;
  if (seen.missing.length > 0) return lackOf({ metrics: seen.missing, failure: null });
  return seen.thin.length > 0 ? `too little is measured of ${seen.thin.join(', ')}` : null;
}
