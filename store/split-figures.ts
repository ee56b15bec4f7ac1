import { sql } from 'kysely';
import type { WeightVersionVariant } from './database.ts';
import type { Tx } from './pool.ts';

export interface SplitWindow {
  readonly organizationId: string;
  readonly groupId: string;
  /** Both on a whole step. */
  readonly since: Date;
  readonly until: Date;
  readonly stepMs: number;
}

/** A split and from when on it was in force, until the next one. */
export interface SplitInForce {
  readonly from: Date;
  readonly configVersion: number;
  readonly variants: readonly WeightVersionVariant[];
}

/** What became of inferences of one step that the split assigned to one variant. */
export interface StepOutcome {
  readonly stepMs: number;
  readonly assigned: string;
  /** Null: nobody's answer reached the caller. */
  readonly served: string | null;
  readonly errorCode: string | null;
  readonly count: number;
  readonly interrupted: number;
}

/** Who was assigned in one step, as the rows themselves say. */
export interface StepUnits {
  readonly stepMs: number;
  readonly requests: number;
  readonly units: number;
  /** Σ of the squares of the units' requests. */
  readonly squares: number;
  /** Requests of the unit that has most, and to which variant they went. */
  readonly heaviest: number;
  readonly heaviestVariant: string;
  /** Requests that were assigned by an older split than the one in force when they came, by how many gateways. */
  readonly stale: number;
  readonly staleGateways: number;
}

/** The splits that were in force in a window, the first of them since before it. */
export async function splitsInForce(
  tx: Tx,
  { organizationId, groupId, since, until }: SplitWindow,
): Promise<SplitInForce[]> {
  const { rows } = await sql<SplitInForce>`
    SELECT created_at AS from, config_version AS "configVersion", variants FROM weight_versions
    WHERE organization_id = ${organizationId} AND group_id = ${groupId} AND created_at < ${until}
      AND config_version >= coalesce((SELECT max(config_version) FROM weight_versions
        WHERE organization_id = ${organizationId} AND group_id = ${groupId} AND created_at <= ${since}), 0)
    ORDER BY config_version`.execute(tx);
  return rows;
}

/** What was counted with the rows as they were stored: exact, also where the rows have left since. Mirrored calls are no traffic. */
export async function stepOutcomes(tx: Tx, window: SplitWindow): Promise<StepOutcome[]> {
  const { organizationId, groupId, since, until } = window;
  const { rows } = await sql<StepOutcome>`
    SELECT ${stepOf(window, 'minute')} AS "stepMs", assigned_variant AS assigned, served_variant AS served, error_code AS "errorCode",
      sum(count - shadows)::bigint AS count, sum(interrupted - interrupted_shadows)::bigint AS interrupted
    FROM rollups WHERE organization_id = ${organizationId} AND group_id = ${groupId} AND minute >= ${since} AND minute < ${until}
    GROUP BY 1, 2, 3, 4 HAVING sum(count - shadows + interrupted - interrupted_shadows) > 0 ORDER BY 1, 2, 3, 4`.execute(
    tx,
  );
  return rows;
}

/** Reads the rows of the window. @param splits those in force in it */
export async function stepUnits(tx: Tx, window: SplitWindow, splits: readonly SplitInForce[]): Promise<StepUnits[]> {
  const { organizationId, groupId, since, until } = window;
  const { rows } = await sql<StepUnits>`
    WITH splits AS (SELECT * FROM unnest(${splits.map(({ from }) => from)}::timestamptz[],
      ${splits.map(({ configVersion }) => configVersion)}::bigint[]) AS s (begins, config_version)),
    assigned AS MATERIALIZED (
      SELECT ${stepOf(window, 'row.created_at')} AS step, row.unit, row.assigned_variant, row.gateway_id,
        EXISTS (SELECT FROM splits AS s WHERE s.begins <= row.created_at AND s.config_version > row.config_version) AS is_stale
      FROM inferences AS row
      WHERE row.organization_id = ${organizationId} AND row.group_id = ${groupId} AND row.created_at >= ${since}
        AND row.created_at < ${until} AND row.shadow_of IS NULL AND row.served_reason <> 'shadow'),
    units AS (SELECT step, unit, count(*) AS requests, max(assigned_variant COLLATE "C") AS variant FROM assigned GROUP BY step, unit),
    stale AS (SELECT step, count(*) AS requests, count(DISTINCT gateway_id) AS gateways FROM assigned WHERE is_stale GROUP BY step)
    SELECT u.step AS "stepMs", sum(u.requests)::bigint AS requests, count(*) AS units, sum(u.requests * u.requests)::bigint AS squares,
      max(u.requests) AS heaviest, (array_agg(u.variant ORDER BY u.requests DESC, u.unit COLLATE "C"))[1] AS "heaviestVariant",
      coalesce(max(s.requests), 0) AS stale, coalesce(max(s.gateways), 0) AS "staleGateways"
    FROM units AS u LEFT JOIN stale AS s USING (step) GROUP BY u.step ORDER BY u.step`.execute(tx);
  return rows;
}

/** The step that a time lies in, in Unix milliseconds; steps are counted from the window's begin. */
function stepOf({ since, stepMs }: SplitWindow, column: 'minute' | 'row.created_at') {
  return sql`(${since.getTime()}::bigint + floor((extract(epoch FROM ${sql.ref(column)}) * 1000 - ${since.getTime()}::bigint)
    / ${stepMs}::bigint)::bigint * ${stepMs}::bigint)`;
}
