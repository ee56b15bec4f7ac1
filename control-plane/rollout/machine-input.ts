import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import type { Look } from '#core/experiments/look.ts';
import { rolloutMemorySchema } from '#core/rollout/memory.ts';
import { rolloutPlanSchema } from '#core/rollout/plan.ts';
import type { MachineFacts, MachineRollout, ShadowPairs } from '#core/rollout/step.ts';
import type { Tx } from '#store/pool.ts';
import { activeFreeze, gateAnswers, type RolloutRow, runningRollout } from '#store/rollouts.ts';

/** A row as the machine sees it. */
export function machineRollout({ state, plan, definition, arms, memory }: RolloutRow): MachineRollout {
  const { primary, guardrails, winsorizeAt, historyDays } = experimentDefinitionSchema.parse(definition);
  return {
    state,
    plan: rolloutPlanSchema.parse(plan),
    hasPrimary: primary !== null,
    guardrails: guardrails.map(({ metric }) => metric),
    // Quantiles over days of the log: not in a request that somebody waits for.
    preparesAtLength: winsorizeAt !== null && historyDays > 0,
    arms: arms.map(({ model }) => model),
    memory: rolloutMemorySchema.parse(memory),
  };
}

/** What is known beside the row, at this moment. */
export async function machineFacts(
  tx: Tx,
  rollout: RolloutRow,
  {
    look,
    failure = null,
    pairs,
    nowMs,
  }: {
    readonly look: Look | null;
    /** Why looking fails. */
    readonly failure?: string | null;
    readonly pairs: readonly (ShadowPairs | null)[];
    readonly nowMs: number;
  },
): Promise<MachineFacts> {
  return {
    look,
    failure,
    pairs,
    gates: await gateAnswers(tx, rollout.organization_id, rollout.id),
    freeze: await freezeOf(tx, rollout, nowMs),
  };
}

/** A freeze window, or another rollout in a group that waits for its first step. */
async function freezeOf(tx: Tx, rollout: RolloutRow, nowMs: number): Promise<string | null> {
  const { organization_id: organizationId, group_id: groupId } = rollout;
  const freeze = await activeFreeze(tx, organizationId, groupId, new Date(nowMs));
  if (freeze !== undefined) return `it is frozen until ${freeze.ends_at.toISOString()}: ${freeze.reason}`;
  if (rollout.started_at !== null) return null;
  const other = await runningRollout(tx, organizationId, groupId);
  return other === undefined ? null : `the rollout "${other.name}" of the same group has not ended; end it first`;
}
