import { type RawBuilder, sql } from 'kysely';
import { type Ingest, ingestSchema } from '#core/experiments/definition.ts';
import { BUILTIN_METRICS, type BuiltinMetricName, isBuiltin } from '#core/experiments/metrics.ts';
import { covariateOf } from './experiment-sums.ts';
import { measuredRows } from './inference-measures.ts';
import type { PastOf, RolloutPast, RolloutPlace } from './log-rows.ts';
import type { Tx } from './pool.ts';
import type { RolloutRow } from './rollouts.ts';

/** Sums of values of any size, which a few huge ones can rule: what is capped where the definition asks for it. */
export const CAPPED = {
  latency_us: 'latency_n',
  first_token_us: 'first_token_n',
  input_tokens: 'input_n',
  output_tokens: 'output_n',
  cost_micro_usd: 'cost_n',
} as const;

/**
 * What the shipper must know to count an inference in an experiment that starts at `at`. Caps are the champion's exact quantiles of the
 * days before: fixed before the first value counts, so that they favour no arm.
 */
export async function ingestOf(
  tx: Tx,
  rollout: RolloutPlace,
  at: Date,
  past: Pick<RolloutPast, 'caps'>,
): Promise<Ingest> {
  const { latencyObjectiveMs, firstTokenObjectiveMs, winsorizeAt, historyDays } = rollout.definition;
  const ingest = ingestSchema.parse({
    latencyObjectiveUs: latencyObjectiveMs * 1_000,
    firstTokenObjectiveUs: firstTokenObjectiveMs * 1_000,
  });
  if (winsorizeAt === null || historyDays === 0) return ingest;
  return { ...ingest, caps: await past.caps(tx, rollout, { at, ingest, quantile: winsorizeAt }) };
}

/** The caps of a rollout from rows in PostgreSQL: a value that is among the champion's own. */
export async function championCaps(
  tx: Tx,
  rollout: RolloutPlace,
  { at, ingest, quantile }: PastOf & { readonly quantile: number },
): Promise<Record<string, number>> {
  const champion = rollout.arms[0]?.model ?? '';
  const rows = measuredRows(
    sql`${historyOf(rollout, daysBefore(rollout, at), at)} AND row.assigned_variant = ${champion}`,
    { ...ingest, caps: {} },
    {},
  );
  const columns = Object.entries(CAPPED).map(
    ([column, counted]) =>
      sql`percentile_disc(${quantile}::float8) WITHIN GROUP (ORDER BY ${sql.ref(column)}) FILTER (WHERE ${sql.ref(counted)} > 0) AS ${sql.ref(column)}`,
  );
  const { rows: found } = await sql<Record<string, number | null>>`
    SELECT ${sql.join(columns)} FROM (${rows}) AS measured`.execute(tx);
  return Object.fromEntries(Object.entries(found[0]!).filter((cap): cap is [string, number] => cap[1] !== null));
}

/** Whether an experiment reads what its units did before. Of feedback nothing is kept by unit outside of experiments. */
export function readsHistory({ definition }: Pick<RolloutRow, 'definition'>): boolean {
  return definition.historyDays > 0 && definition.primary !== null && isBuiltin(definition.primary.metric);
}

/** Which history an experiment keeps of its units. */
export interface WantedHistory {
  readonly metric: BuiltinMetricName;
  readonly since: Date;
  readonly until: Date;
  readonly ingest: Ingest;
}

/** Undefined: none, or it has not started. */
export function wantedHistory(rollout: RolloutRow): WantedHistory | undefined {
  const { definition, started_at: until, ingest } = rollout;
  const metric = definition.primary?.metric;
  if (metric === undefined || until === null || !readsHistory(rollout) || !isBuiltin(metric)) return undefined;
  return { metric, since: daysBefore(rollout, until), until, ingest: ingestSchema.parse(ingest) };
}

/**
 * Keeps what each unit did in the days before the experiment, in its primary metric, for CUPED. Rows before the start do not change:
 * however often it is called, it adds each unit once.
 */
export async function fillHistory(tx: Tx, rollout: RolloutRow): Promise<void> {
  const wanted = wantedHistory(rollout);
  if (wanted === undefined) return;
  const { metric, since, until, ingest } = wanted;
  const { sum, count } = BUILTIN_METRICS[metric];
  const rows = measuredRows(historyOf(rollout, since, until), ingest, { unit: sql`row.unit` });
  await keepUnits(
    tx,
    rollout,
    metric,
    sql`SELECT md5(unit)::uuid AS unit, sum(${sql.ref(count)}) AS n, sum(${sql.ref(sum)}) AS sum
      FROM (${rows}) AS measured GROUP BY measured.unit HAVING sum(${sql.ref(count)}) > 0`,
  );
}

/** What a unit did before an experiment. */
export interface UnitPast {
  /** The MD5 of its name, in hexadecimal digits. */
  readonly unit: string;
  /** Whole numbers of any size, as text. */
  readonly n: string;
  readonly sum: string;
}

/** The same, of units whose rows are elsewhere. */
export async function keepHistory(
  tx: Tx,
  rollout: Pick<RolloutRow, 'id' | 'organization_id'>,
  metric: BuiltinMetricName,
  units: readonly UnitPast[],
): Promise<void> {
  if (units.length === 0) return;
  const column = (of: keyof UnitPast) => units.map((one) => one[of]);
  const found = sql`SELECT * FROM unnest(${column('unit')}::uuid[], ${column('n')}::bigint[], ${column('sum')}::numeric[])
    AS given (unit, n, sum)`;
  await keepUnits(tx, rollout, metric, found);
}

async function keepUnits(
  tx: Tx,
  rollout: Pick<RolloutRow, 'id' | 'organization_id'>,
  metric: BuiltinMetricName,
  units: RawBuilder<unknown>,
): Promise<void> {
  await sql`INSERT INTO experiment_history (experiment_id, unit, organization_id, metric, n, sum, x)
    SELECT ${rollout.id}, unit, ${rollout.organization_id}, ${metric}, n, sum, ${covariateOf(sql`n`, sql`sum`)} FROM (${units}) AS units
    ON CONFLICT (experiment_id, metric, unit) DO NOTHING`.execute(tx);
}

/** Where the history of an experiment that starts at `at` begins. */
export function daysBefore({ definition }: Pick<RolloutRow, 'definition'>, at: Date): Date {
  return new Date(at.getTime() - definition.historyDays * 86_400_000);
}

/** The group's own traffic between two moments; what counts in no experiment does not count here. */
export function historyOf(
  { organization_id, group_id }: Pick<RolloutRow, 'organization_id' | 'group_id'>,
  since: Date,
  at: Date,
): RawBuilder<unknown> {
  return sql`row.organization_id = ${organization_id} AND row.group_id = ${group_id}
    AND row.created_at >= ${since} AND row.created_at < ${at} AND row.shadow_of IS NULL
    AND row.served_reason NOT IN ('pinned', 'shadow') AND row.operation <> 'realtime'`;
}
