import { sql } from 'kysely';
import type { Histogram } from '#core/histogram.ts';
import type { ExperimentRef } from './experiment-sums.ts';
import type { Tx } from './pool.ts';

/** What was counted in one phase and arm, by all gateways. */
export interface ArmTotals {
  readonly phase: number;
  readonly arm: number;
  readonly units: number;
  readonly failingUnits: number;
  readonly requests: number;
  readonly failures: number;
  /** Of nanoseconds. */
  readonly latency: Histogram;
  readonly firstToken: Histogram;
  /** When the newest inference that counts was stored. */
  readonly lastAt: Date;
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
