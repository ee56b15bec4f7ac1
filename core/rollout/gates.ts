import type { RolloutMemory } from './memory.ts';
import type { Hook, RolloutPlan } from './plan.ts';

/** A call that one of a rollout's webhooks is to get. Its name tells one question from another, so that each is asked once. */
export interface GateRequest {
  readonly hook: Hook;
  /** `<hook>:<what about>:<round>#<place of the webhook in plan.webhooks>` */
  readonly gate: string;
}

/** The calls for a hook: one for each webhook that the plan has for it. */
export function gatesFor(plan: RolloutPlan, hook: Hook, about: string, round: number): GateRequest[] {
  return plan.webhooks.flatMap((webhook, index) =>
    webhook.hook === hook ? [{ hook, gate: `${hook}:${about}:${round}#${index}` }] : [],
  );
}

/** Whether a question is the one that is asked now. Others were answered, or taken back with the move that waited for them. */
export function isAskedNow(gate: string, { asked, gateRound }: Pick<RolloutMemory, 'asked' | 'gateRound'>): boolean {
  return asked !== null && gate.slice(0, gate.lastIndexOf('#')).endsWith(`:${asked}:${gateRound}`);
}

/** The webhook that a gate is for; undefined: the name is none that `gatesFor` gave. */
export function webhookOfGate(plan: RolloutPlan, gate: string): RolloutPlan['webhooks'][number] | undefined {
  const index = /#(\d+)$/.exec(gate)?.[1];
  return index === undefined ? undefined : plan.webhooks[Number(index)];
}
