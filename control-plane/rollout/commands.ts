import { commandStep } from '#core/rollout/command-step.ts';
import type { Command } from '#core/rollout/step.ts';
import { lastLook } from '#store/experiment-looks.ts';
import type { RolloutPast } from '#store/log-rows.ts';
import type { Tx } from '#store/pool.ts';
import { findRollout, type RolloutRow } from '#store/rollouts.ts';
import { notFound, Problem } from '../problem.ts';
import { applyStep, type StepOutcome } from './apply.ts';
import { machineFacts, machineRollout } from './machine-input.ts';

/** What a person orders, and who. */
export interface CommandCall {
  readonly organizationId: string;
  /** Read before or in this transaction; it is read again under its lock. */
  readonly rollout: RolloutRow;
  readonly command: Command;
  /** As the audit log names it. */
  readonly actor: string;
  readonly nowMs: number;
  /** What a start asks the log. */
  readonly past: RolloutPast;
}

/**
 * Does to a rollout what a person orders, in the caller's transaction, by the same transitions as the engine's. The outcome's `audit`
 * and `effect` go to `Changes.apply`, which publishes the snapshot and writes the audit entry. Of two at once the second one finds what
 * the first has made of it.
 * @throws Problem `conflict` when the rollout's state does not allow it: says why and what to do
 */
export async function command(tx: Tx, call: CommandCall): Promise<StepOutcome> {
  const { organizationId, actor, nowMs, past } = call;
  const rollout = await findRollout(tx, organizationId, call.rollout.id, 'update');
  if (rollout === undefined) throw notFound('rollout', call.rollout.name);
  const look = (await lastLook(tx, organizationId, rollout.id)) ?? null;
  const facts = await machineFacts(tx, rollout, { look, pairs: [], nowMs });
  const result = commandStep(machineRollout(rollout), facts, call.command, nowMs);
  switch (result.kind) {
    case 'step':
      return applyStep(tx, { rollout, step: result.step, actor, nowMs, past });
    case 'refused':
      throw new Problem('conflict', `The rollout "${rollout.name}" cannot ${call.command.kind} now: ${result.why}.`);
    default:
      return result satisfies never;
  }
}
