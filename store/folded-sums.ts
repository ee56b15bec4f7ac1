import { type RawBuilder, sql } from 'kysely';
import type { ExperimentRef, FlatHistory, FlatMetric } from './experiment-sums.ts';
import type { Tx } from './pool.ts';

/**
 * A condition: the experiment's units are still what is looked at. In the statement that reads them, so that nobody sees a part of them
 * while they are removed.
 */
export function isUnfolded({ organizationId, experimentId }: ExperimentRef): RawBuilder<unknown> {
  return sql`NOT EXISTS (SELECT FROM rollouts AS r
    WHERE r.organization_id = ${organizationId} AND r.id = ${experimentId} AND r.folded_at IS NOT NULL)`;
}

/** The sums of metrics as they were when the experiment's units were folded; empty before. */
export async function foldedSums(tx: Tx, ref: ExperimentRef, metrics: readonly string[]): Promise<FlatMetric[]> {
  const { rows } = await sql<FlatMetric>`
    SELECT metric, phase, arm, sums FROM experiment_sums
    WHERE organization_id = ${ref.organizationId} AND experiment_id = ${ref.experimentId}
      AND metric = ANY (${[...metrics]}::text[]) ORDER BY metric, phase, arm`.execute(tx);
  return rows;
}

/** The same beside their units' history, where they have one. */
export async function foldedHistory(tx: Tx, ref: ExperimentRef, metric: string): Promise<FlatHistory[]> {
  const { rows } = await sql<Pick<FlatHistory, 'phase' | 'arm'> & { history: Omit<FlatHistory, 'phase' | 'arm'> }>`
    SELECT phase, arm, history FROM experiment_sums
    WHERE organization_id = ${ref.organizationId} AND experiment_id = ${ref.experimentId} AND metric = ${metric}
      AND history IS NOT NULL ORDER BY phase, arm`.execute(tx);
  return rows.map(({ phase, arm, history }) => ({ phase, arm, ...history }));
}
