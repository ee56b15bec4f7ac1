import { type Selectable, sql } from 'kysely';
import type { Histogram } from '#core/histogram.ts';
import { isUuid } from '#core/ids.ts';
import type { Database } from './database.ts';
import type { ExperimentRef } from './experiment-sums.ts';
import type { Tx } from './pool.ts';

/** An experiment is the evidence of the rollout with its id. */
export type ExperimentRow = Selectable<Database['rollouts']>;

/** What was counted in one phase and arm, by all gateways. */
export interface ArmTotals {
  readonly phase: number;
  readonly arm: number;
  readonly units: number;
  readonly failingUnits: number;
  readonly requests: number;
  readonly failures: number;
  /** Of microseconds. */
  readonly latency: Histogram;
  readonly firstToken: Histogram;
  /** When the newest inference that counts was stored. */
  readonly lastAt: Date;
}

/** The experiment with this id, or the newest one of this name. */
export function findExperiment(tx: Tx, organizationId: string, ref: string): Promise<ExperimentRow | undefined> {
  return tx
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where(isUuid(ref) ? sql<boolean>`(id = ${ref} OR name = ${ref})` : sql<boolean>`name = ${ref}`)
    .orderBy(sql`(id::text = ${ref})::integer DESC`)
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The experiment that a group's inferences count in now. */
export function runningExperiment(tx: Tx, organizationId: string, groupId: string): Promise<ExperimentRow | undefined> {
  return tx
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('group_id', '=', groupId)
    .where('started_at', 'is not', null)
    .where('ended_at', 'is', null)
    .executeTakeFirst();
}

export interface ExperimentFilter {
  readonly groupId: string | undefined;
  /** Whether those are wanted that have not ended, that have, or both. */
  readonly active: boolean | undefined;
  /** The last one of the page before. */
  readonly beforeId: string | undefined;
  readonly limit: number;
}

/** Experiments, the newest first: ids are ordered by time. */
export function listExperiments(tx: Tx, organizationId: string, filter: ExperimentFilter): Promise<ExperimentRow[]> {
  return tx
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .$if(filter.groupId !== undefined, (query) => query.where('group_id', '=', filter.groupId!))
    .$if(filter.active !== undefined, (query) => query.where('ended_at', filter.active ? 'is' : 'is not', null))
    .$if(filter.beforeId !== undefined, (query) => query.where('id', '<', filter.beforeId!))
    .orderBy('id', 'desc')
    .limit(filter.limit)
    .execute();
}

/** The totals of each phase and arm, in order. */
export async function armTotals(tx: Tx, { organizationId, experimentId }: ExperimentRef): Promise<ArmTotals[]> {
  const { rows } = await sql<ArmTotals>`
    SELECT phase, arm, sum(units)::bigint AS units, sum(failing_units)::bigint AS "failingUnits",
      sum(requests)::bigint AS requests, sum(failures)::bigint AS failures, sum_histograms(latency) AS latency,
      sum_histograms(first_token) AS "firstToken", max(last_at) AS "lastAt"
    FROM experiment_totals WHERE organization_id = ${organizationId} AND experiment_id = ${experimentId}
    GROUP BY phase, arm ORDER BY phase, arm`.execute(tx);
  return rows;
}
