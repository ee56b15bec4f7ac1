import type { Step } from '#core/rollout/step.ts';
import type { RolloutRow } from '#store/rollouts.ts';
import type { Change, Effect } from '../publish/change.ts';

/** A step that was applied: what is left to do is to publish the snapshot (`effect`) and to write the audit entry. */
export interface StepOutcome {
  readonly step: Step;
  /** The rollout after it. */
  readonly rollout: RolloutRow;
  readonly audit: Change['audit'];
  readonly effect: Effect;
}
