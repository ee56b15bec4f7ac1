import type { Tx } from './pool.ts';

/** Where the inferences of an experiment are: in one group, from its start on. */
export interface ExperimentSpan {
  readonly groupId: string;
  /** Null: it has not started, and has none. */
  readonly startedAt: Date | null;
}

export async function experimentSpan(
  tx: Tx,
  organizationId: string,
  experimentId: string,
): Promise<ExperimentSpan | undefined> {
  const row = await tx
    .selectFrom('rollouts')
    .select(['group_id', 'started_at'])
    .where('organization_id', '=', organizationId)
    .where('id', '=', experimentId)
    .executeTakeFirst();
  return row === undefined ? undefined : { groupId: row.group_id, startedAt: row.started_at };
}
