import { insertAuditEntry } from '#store/audit.ts';
import type { Tx } from '#store/pool.ts';
import { publishSnapshot } from '#store/snapshots.ts';
import type { StepOutcome } from './apply.ts';

/** What `Changes.apply` does for the changes of people: publishes the snapshot, and then the rows that need its version. */
export async function publishStep(tx: Tx, { rollout, audit, effect }: StepOutcome, actor: string): Promise<void> {
  const { organization_id: organizationId, id } = rollout;
  if (effect.kind !== 'snapshot') throw new Error(`a step of rollout ${id} has the effect ${effect.kind}`);
  const configVersion = await publishSnapshot(tx, organizationId);
  await effect.afterPublish?.(configVersion);
  await insertAuditEntry(tx, { organizationId, actor, ...audit, configVersion, requestId: `rollout:${id}` });
}
