import type { Ingest } from '#core/experiments/definition.ts';
import { REFUSALS } from '#core/experiments/refusals.ts';
import { CALLER_STATUSES, FAULTS } from '#store/inference-measures.ts';
import { INFERENCES } from '../columns.ts';
import { type Fragment, int, ints, join, name, sql, texts } from '../statement.ts';

/**
 * What inferences add to their unit, as `measuredRows` of store/inference-measures.ts has it for PostgreSQL: a test holds both against
 * each other and against what the shipper counts.
 *
 * An alias hides a column of the same name in all of its SELECT, so those of the innermost one have names of their own.
 *
 * @param where conditions on the columns of `inferences`
 * @param columns more columns, by name
 */
export function measuredRows(
  where: Fragment,
  { latencyObjectiveUs, firstTokenObjectiveUs, caps }: Ingest,
  columns: Readonly<Record<string, Fragment>>,
): Fragment {
  const names = Object.keys(columns).map(name);
  const capped = (column: string, value: Fragment) => {
    const most = caps[column];
    return most === undefined ? value : sql`least(${value}, ${int(Math.floor(most))})`;
  };
  const when = (condition: Fragment, column: string, value: Fragment) =>
    sql`if(${condition}, ${capped(column, sql`ifNull(${value}, 0)`)}, 0) AS ${name(column)}`;
  return sql`
    SELECT ${join([
      ...names,
      sql`1 AS requests`,
      sql`judged = 'failed' AS failures`,
      sql`(judged = 'failed' OR (is_known AND ifNull(lasted_us > ${int(latencyObjectiveUs)}, false))) AS over_objective`,
      when(sql`judged = 'succeeded'`, 'latency_us', sql`lasted_us`),
      sql`(judged = 'succeeded' AND lasted_us IS NOT NULL) AS latency_n`,
      when(sql`is_own_token`, 'first_token_us', sql`token_us`),
      sql`(is_own_token AND token_us IS NOT NULL) AS first_token_n`,
      sql`(is_own_token AND ifNull(token_us > ${int(firstTokenObjectiveUs)}, false)) AS first_token_over`,
      when(sql`has_usage`, 'input_tokens', sql`input`),
      when(sql`has_usage`, 'output_tokens', sql`output`),
      sql`has_usage AS usage_n, (has_usage AND input IS NOT NULL) AS input_n, (has_usage AND output IS NOT NULL) AS output_n`,
      when(sql`is_known`, 'cost_micro_usd', sql`cost`),
      sql`(is_known AND cost IS NOT NULL) AS cost_n`,
      sql`(has_usage AND ifNull(cached, 0) > 0) AS cache_hits`,
      sql`(is_known AND has(${texts([...REFUSALS])}, ifNull(finish, ''))) AS refusals`,
    ])}
    FROM (${knownRows(where, columns)})`;
}

/** Rows with what is known of them. */
function knownRows(where: Fragment, columns: Readonly<Record<string, Fragment>>): Fragment {
  return sql`
    SELECT *, judged != 'unknown' AS is_known, is_known AND (input IS NOT NULL OR output IS NOT NULL) AS has_usage,
      is_known AND is_stream AND attempt_count = 1 AND ifNull(tupleElement(first, 'model') = variant, false) AS is_own_token
    FROM (SELECT *, ${JUDGED} AS judged FROM (${firstAttempts(where, columns)}))`;
}

/** The first attempt is read once: `attempts` is JSON. Of a missing one, each part is null. */
function firstAttempts(where: Fragment, columns: Readonly<Record<string, Fragment>>): Fragment {
  const more = Object.entries(columns).map(([as, value]) => sql`${value} AS ${name(as)}`);
  return sql`
    SELECT ${join([
      ...more,
      sql`toString(assigned_variant) AS variant, toString(outcome) AS ended, CAST(error_code, 'Nullable(String)') AS code`,
      sql`streamed AS is_stream, CAST(finish_reason, 'Nullable(String)') AS finish, JSONLength(attempts) AS attempt_count`,
      sql`input_tokens AS input, output_tokens AS output, cached_tokens AS cached, cost_micro_usd AS cost`,
      sql`${roundedUs(sql`first_token_ns`)} AS token_us`,
      sql`JSONExtract(attempts, 1, 'Tuple(model Nullable(String), status Nullable(Int64), errorCode Nullable(String),
        startNs Nullable(Int64), endNs Nullable(Int64))') AS first`,
      sql`tupleElement(first, 'endNs') - tupleElement(first, 'startNs') AS lasted_ns`,
      sql`if(lasted_ns >= 0, ${roundedUs(sql`lasted_ns`)}, NULL) AS lasted_us`,
    ])}
    FROM ${name(INFERENCES.name)} FINAL WHERE ${where}`;
}

/** Halves away from zero, as PostgreSQL rounds `numeric`. */
function roundedUs(ns: Fragment): Fragment {
  return sql`sign(${ns}) * intDiv(abs(${ns}) + 500, 1000)`;
}

/** `judgeFirstAttempt` (core/experiments/first-attempt.ts). A condition that is null does not hold. */
const JUDGED = sql`multiIf(
  ended = 'interrupted', 'unknown',
  attempt_count = 0, if(ended = 'client_closed', 'left', 'failed'),
  tupleElement(first, 'model') IS NULL OR tupleElement(first, 'model') != variant, 'failed',
  tupleElement(first, 'errorCode') IS NOT NULL,
    if(has(${texts(FAULTS)}, ifNull(tupleElement(first, 'errorCode'), '')), 'failed', 'rejected'),
  attempt_count = 1 AND code IS NOT NULL,
    multiIf(code = 'client_closed', 'left', has(${texts(FAULTS)}, ifNull(code, '')), 'failed', 'rejected'),
  tupleElement(first, 'status') IS NULL, 'left',
  tupleElement(first, 'status') < 300, 'succeeded',
  has(${ints(CALLER_STATUSES)}, ifNull(tupleElement(first, 'status'), 0)), 'rejected',
  'failed')`;
