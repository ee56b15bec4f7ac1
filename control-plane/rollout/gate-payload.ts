import type { Look } from '#core/experiments/look.ts';
import type { Step } from '#core/rollout/step.ts';
import { rulesOf } from '#core/rollout/strategies/rules.ts';
import { lastLook } from '#store/experiment-looks.ts';
import { variantsOf } from '#store/groups.ts';
import type { Tx } from '#store/pool.ts';
import { rolloutFacts } from '#store/rollout-facts.ts';
import type { GateRow, RolloutRow } from '#store/rollouts.ts';

/**
 * The calls that a step makes, with what each webhook is told: where the rollout is, what is asked, and what was seen last.
 * @param rollout as it is after the step, its weights moved
 */
export async function gateCalls(tx: Tx, rollout: RolloutRow, step: Step): Promise<GateRow[]> {
  if (step.gates.length === 0) return [];
  const { id, organization_id: organizationId, group_id: groupId } = rollout;
  const facts = await rolloutFacts(tx, organizationId, [id]);
  const variants = (await variantsOf(tx, organizationId, [groupId])).get(groupId) ?? [];
  const look = await lastLook(tx, organizationId, id);
  const { stages } = rulesOf(rollout.plan.strategy);
  const { stage, asked } = step.memory;
  const payload = {
    rollout: { id, name: rollout.name, state: rollout.state, phase: rollout.phase },
    group: { id: groupId, name: facts.get(id)?.group ?? null },
    arms: rollout.arms.map(({ model }) => model),
    event: step.event,
    reason: step.reason,
    // The move that waits for the answer: `start`, `step:<number from 0>` or `promotion:<arm>`.
    asked,
    step: { number: stage + 1, of: stages.length, weightBp: stages[stage]?.weightBp ?? null },
    weights: Object.fromEntries(variants.map(({ model, weight_bp }) => [model, weight_bp])),
    look: look === undefined ? null : summaryOf(look),
  };
  return step.gates.map(({ hook, gate }) => ({ hook, gate, payload: { hook, ...payload } }));
}

/** The numbers are at `GET /experiments/{id}`. */
function summaryOf({ atMs, units, requests, comparisons }: Look): object {
  return {
    at: new Date(atMs).toISOString(),
    units,
    requests,
    comparisons: comparisons.map(({ challenger, verdict, reasons }) => ({ challenger, verdict, reasons })),
  };
}
