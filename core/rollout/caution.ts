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
  if (seen.missing.length === 0) {
    if (memory.missing === null) return null;
    return makeStep(rollout, 'found', { reason: 'every metric is measured again', memory: { missing: null } });
  }
  const metrics = seen.missing.join(', ');
  if (memory.missing === null) {
    const missing = { sinceMs: nowMs, metrics: [...seen.missing] };
    return makeStep(rollout, 'missing', { reason: `holds: nothing is measured of ${metrics}`, memory: { missing } });
  }
  if (nowMs - memory.missing.sinceMs < plan.missingMetricHoldMs) return null;
  const since = durationFigure(nowMs - memory.missing.sinceMs);
  return pauseStep(rollout, 'missing', `nothing is measured of ${metrics}, for ${since}`, nowMs, { missing: null });
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
  if (seen.missing.length > 0) return `nothing is measured of ${seen.missing.join(', ')}`;
  return seen.thin.length > 0 ? `too little is measured of ${seen.thin.join(', ')}` : null;
}
