import { type RawBuilder, sql } from 'kysely';
import type { Ingest } from '#core/experiments/definition.ts';
import type { ArmSums } from '#core/experiments/look.ts';
import { REPLAY_MEASURES, type ReplayCell, type ReplayMeasure } from '#core/replay/replay.ts';
import type { BucketRange } from '#core/split/ranges.ts';
import { armSums, type FlatSums } from './experiment-sums.ts';
import { measuredRows } from './inference-measures.ts';
import type { Tx } from './pool.ts';

/** The inferences that a replay goes over. */
export interface ReplayWindow {
  readonly organizationId: string;
  readonly groupId: string;
  readonly since: Date;
  readonly until: Date;
  /** Every unit whose digest begins below it is taken whole: 256 for all, 64 for a quarter. */
  readonly shareOf256: number;
}

/** Which buckets a variant would own. */
export interface ProposedShare {
  readonly variant: string;
  readonly ranges: readonly BucketRange[];
}

/** The most that one variant got in a minute. */
export interface Peak {
  readonly variant: string;
  readonly inferences: number;
  readonly tokens: number;
}

/** The sum and the count of each measure, as `measuredRows` names them. */
export const REPLAY_COLUMNS: Readonly<Record<ReplayMeasure, readonly [sum: string, count: string]>> = {
  cost: ['cost_micro_usd', 'cost_n'],
  outputTokens: ['output_tokens', 'output_n'],
  failures: ['failures', 'requests'],
  latency: ['latency_us', 'latency_n'],
  overObjective: ['over_objective', 'requests'],
};
/** Requests that are alike have about the same size. */
export const SIZES: readonly number[] = [1_024, 4_096, 16_384, 65_536, 262_144];

/** How many inferences the window holds by the rollups, which are complete wherever the rows are. */
export async function countInferences(tx: Tx, window: ReplayWindow): Promise<number> {
  const { rows } = await sql<{ count: number }>`SELECT coalesce(sum(count - shadows), 0)::bigint AS count FROM rollups
    WHERE organization_id = ${window.organizationId} AND group_id = ${window.groupId}
      AND minute >= date_trunc('minute', ${window.since}::timestamptz) AND minute < ${window.until}`.execute(tx);
  return rows[0]!.count;
}

/**
 * Sums of the window's inferences, by what they were assigned to, what they would be, and their kind. A bucket is the row's own, whatever
 * hash gave it: the share of buckets that would move is the same, though other units would.
 */
export async function replayCells(
  tx: Tx,
  window: ReplayWindow,
  proposed: readonly ProposedShare[],
  ingest: Ingest,
): Promise<ReplayCell[]> {
  const rows = measuredRows(conditionsOf(window), ingest, {
    actual: sql`row.assigned_variant`,
    proposed: proposedOf(proposed),
    unit: sql`md5(row.unit)`,
    kind: sql`concat_ws(' ', row.operation, CASE WHEN row.streamed THEN 'streamed' END,
      'size ' || width_bucket(row.request_bytes, ${[...SIZES]}::bigint[]))`,
  });
  const perUnit = REPLAY_MEASURES.map((measure) => {
    const [sum, count] = REPLAY_COLUMNS[measure];
    return sql`sum(${sql.ref(sum)})::numeric AS ${sql.ref(`${measure}_s`)}, sum(${sql.ref(count)})::numeric AS ${sql.ref(`${measure}_n`)}`;
  });
  const { rows: found } = await sql<FlatCell>`
    SELECT actual, proposed, kind, sum(inferences)::bigint AS inferences, ${sql.join(REPLAY_MEASURES.map(sumsOf))}
    FROM (
      SELECT actual, proposed, kind, count(*) AS inferences, ${sql.join(perUnit)}
      FROM (${rows}) AS measured GROUP BY actual, proposed, kind, unit
    ) AS units
    GROUP BY actual, proposed, kind ORDER BY actual COLLATE "C", proposed COLLATE "C", kind COLLATE "C"`.execute(tx);
  return found.map((row) => ({
    actual: row.actual,
    proposed: row.proposed,
    kind: row.kind,
    inferences: row.inferences,
    measures: Object.fromEntries(REPLAY_MEASURES.map((measure) => [measure, readSums(row[measure])])) as Record<
      ReplayMeasure,
      ArmSums
    >,
  }));
}

/** The busiest minute of each variant, as it was and as it would have been. */
export async function replayPeaks(
  tx: Tx,
  window: ReplayWindow,
  proposed: readonly ProposedShare[],
): Promise<{ before: Peak[]; after: Peak[] }> {
  const { rows } = await sql<Peak & { is_before: boolean }>`
    SELECT is_before, variant, max(inferences)::bigint AS inferences, max(tokens)::bigint AS tokens
    FROM (
      SELECT minute, is_before, variant, count(*) AS inferences, sum(tokens) AS tokens
      FROM (
        SELECT date_trunc('minute', row.created_at) AS minute, row.assigned_variant AS actual, ${proposedOf(proposed)} AS proposed,
          coalesce(row.input_tokens, 0)::bigint + coalesce(row.output_tokens, 0) AS tokens
        FROM inferences AS row WHERE ${conditionsOf(window)}
      ) AS placed CROSS JOIN LATERAL (VALUES (true, actual), (false, proposed)) AS side (is_before, variant)
      GROUP BY minute, is_before, variant
    ) AS minutes
    GROUP BY is_before, variant ORDER BY variant COLLATE "C"`.execute(tx);
  const side = (isBefore: boolean) =>
    rows
      .filter((row) => row.is_before === isBefore)
      .map(({ variant, inferences, tokens }) => ({ variant, inferences, tokens }));
  return { before: side(true), after: side(false) };
}

type FlatCell = Readonly<Record<ReplayMeasure, FlatSums>> & {
  readonly actual: string;
  readonly proposed: string;
  readonly kind: string;
  readonly inferences: number;
};

/** In `numeric`, as text: what is rounded is the result alone. */
function sumsOf(measure: ReplayMeasure): RawBuilder<unknown> {
  const [s, n] = [sql.ref(`${measure}_s`), sql.ref(`${measure}_n`)];
  const of = (value: RawBuilder<unknown>) => sql`coalesce(sum(${value}) FILTER (WHERE ${n} > 0), 0)::text`;
  return sql`jsonb_build_object('units', (count(*) FILTER (WHERE ${n} > 0))::text, 'count', ${of(n)},
    'countSquares', ${of(sql`${n} * ${n}`)}, 'sum', ${of(s)}, 'sumSquares', ${of(sql`${s} * ${s}`)},
    'products', ${of(sql`${s} * ${n}`)}) AS ${sql.ref(measure)}`;
}

/** Whole numbers of bounded size: they are numbers. */
function readSums(sums: FlatSums): ArmSums {
  return armSums(sums)!;
}

function proposedOf(proposed: readonly ProposedShare[]): RawBuilder<unknown> {
  const cases = proposed.flatMap(({ variant, ranges }) =>
    ranges.map(
      ([from, to]) => sql`WHEN row.bucket >= ${from}::smallint AND row.bucket < ${to}::smallint THEN ${variant}::text`,
    ),
  );
  return sql`CASE ${sql.join(cases, sql` `)} END`;
}

/** Sessions and mirrored calls are not split. */
function conditionsOf({ organizationId, groupId, since, until, shareOf256 }: ReplayWindow): RawBuilder<unknown> {
  const sampled =
    shareOf256 >= 256 ? sql`` : sql` AND get_byte(decode(left(md5(row.unit), 2), 'hex'), 0) < ${shareOf256}`;
  return sql`row.organization_id = ${organizationId} AND row.group_id = ${groupId} AND row.created_at >= ${since}
    AND row.created_at < ${until} AND row.shadow_of IS NULL AND row.served_reason <> 'pinned'${sampled}`;
}
