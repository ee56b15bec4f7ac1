import type { Command } from '#core/rollout/step.ts';
import type { Tx } from '#store/pool.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import type { StepOutcome } from './apply.ts';

/** What a person orders, and who. */
export interface CommandCall {
  readonly organizationId: string;
  readonly rollout: RolloutRow;
  readonly command: Command;
  /** As the audit log names it. */
  readonly actor: string;
  readonly nowMs: number;
}

/**
 * Does to a rollout what a person orders, in the caller's transaction, by the same transitions as the engine's. The outcome's `audit`
 * and `effect` go to `Changes.apply`, which publishes the snapshot and writes the audit entry.
 * @throws Problem `conflict` when the rollout's state does not allow it: says why and what to do
 */
export declare function command(tx: Tx, call: CommandCall): Promise<StepOutcome>;
