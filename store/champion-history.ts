import { sql } from 'kysely';
import type { ChampionHistory } from '#core/experiments/definition.ts';
import { historyOf } from './experiment-history.ts';
import { measuredRows } from './inference-measures.ts';
import type { PastOf } from './log-rows.ts';
import type { Tx } from './pool.ts';
import type { RolloutRow } from './rollouts.ts';

/** How far back it reaches at most. */
export const LONGEST_MS = 7 * 86_400_000;
/** Newest rows that are read at most: about a second, in a start that somebody may wait for. */
export const MAX_HISTORY_ROWS = 100_000;

/**
 * How many of the champion's units failed before a rollout starts at `at`: of the group's newest rows of seven days, each unit by the same
 * rules as `experiment_totals` counts it.
 * @returns null when the log has nothing of the champion there
 */
export async function championHistory(
  tx: Tx,
  rollout: Pick<RolloutRow, 'organization_id' | 'group_id' | 'arms'>,
  { at, ingest, maxRows = MAX_HISTORY_ROWS }: PastOf & { readonly maxRows?: number },
): Promise<ChampionHistory | null> {
  const champion = rollout.arms[0]?.model ?? '';
  const longest = new Date(at.getTime() - LONGEST_MS);
  const { rows: bound } = await sql<{ since: Date }>`
    SELECT row.created_at AS since FROM inferences AS row WHERE ${historyOf(rollout, longest, at)}
    ORDER BY row.created_at DESC OFFSET ${maxRows} LIMIT 1`.execute(tx);
  // The row at the bound is the first one too many; others of its millisecond stay out with it.
  const since = bound[0] === undefined ? longest : new Date(bound[0].since.getTime() + 1);
  const rows = measuredRows(
    sql`${historyOf(rollout, since, at)} AND row.assigned_variant = ${champion}`,
    { ...ingest, caps: {} },
    { unit: sql`row.unit`, at: sql`row.created_at` },
  );
  const { rows: found } = await sql<{ units: number; failingUnits: number; oldest: Date | null }>`
    SELECT count(*)::bigint AS units, (count(*) FILTER (WHERE has_failed))::bigint AS "failingUnits", min(oldest) AS oldest
    FROM (SELECT unit, sum(failures) > 0 AS has_failed, min(at) AS oldest FROM (${rows}) AS measured GROUP BY unit) AS units`.execute(
    tx,
  );
  const { units, failingUnits, oldest } = found[0]!;
  return oldest === null ? null : pastOfChampion(at, oldest, { units, failingUnits });
}

/** @param oldest when the oldest row of the champion's was made */
export function pastOfChampion(
  at: Date,
  oldest: Date,
  counts: Pick<ChampionHistory, 'units' | 'failingUnits'>,
): ChampionHistory {
  return { ...counts, windowMs: Math.max(1, at.getTime() - oldest.getTime()) };
}
