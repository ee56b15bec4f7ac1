import { gatesFor } from './gates.ts';
import type { Hook } from './plan.ts';
import type { MachineFacts, MachineRollout, Step } from './step.ts';
import { makeStep } from './transitions.ts';

/** Whether those who are asked before a move have agreed. */
export type Clearance =
  | { readonly kind: 'clear' }
  /** They must be asked first: take this step. */
  | { readonly kind: 'ask'; readonly step: Step }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'refused'; readonly reason: string };

interface Question {
  /** The move that is asked for; a person's approval names it. */
  readonly key: string;
  readonly hook: Hook | null;
  readonly needsPerson: boolean;
  /** The move in words, behind "before". */
  readonly what: string;
}

/**
 * Asks webhooks and people once and reads their answers. A dry run asks nobody: outsiders would act on it.
 * No answer is no consent: a gate that failed refuses, one that is pending holds.
 */
export function clearanceFor(rollout: MachineRollout, facts: MachineFacts, question: Question): Clearance {
  const { plan, memory } = rollout;
  if (plan.dryRun) return { kind: 'clear' };
  const { key, hook, what } = question;
  const needsPerson = question.needsPerson && !memory.approved.includes(key) && memory.skipped !== key;
  const gates = hook === null ? [] : gatesFor(plan, hook, key, memory.gateRound);
  if (!needsPerson && gates.length === 0) return { kind: 'clear' };
  if (memory.asked !== key) {
    const asked = [...(needsPerson ? ['approval'] : []), ...(gates.length > 0 ? [`webhook ${hook}`] : [])];
    const reason = `waits for ${asked.join(' and ')} before ${what}`;
    return { kind: 'ask', step: makeStep(rollout, 'ask', { reason, memory: { asked: key }, gates }) };
  }
  const answers = gates.map(({ gate }) => facts.gates.get(gate) ?? { state: 'pending' as const, detail: '' });
  const no = answers.find(({ state }) => state === 'denied' || state === 'failed');
  if (no !== undefined) {
    const said = no.state === 'denied' ? 'refused' : 'could not be asked';
    return { kind: 'refused', reason: `webhook ${hook} ${said} before ${what}${no.detail && `: ${no.detail}`}` };
  }
  const agreed = !needsPerson && answers.every(({ state }) => state === 'approved');
  return agreed ? { kind: 'clear' } : { kind: 'waiting' };
}
