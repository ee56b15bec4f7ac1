import { type RawBuilder, sql } from 'kysely';
import { ERROR_CODE_LIST, type ErrorCode } from '#core/errors.ts';
import type { Ingest } from '#core/experiments/definition.ts';
import { judgeFirstAttempt } from '#core/experiments/first-attempt.ts';
import { REFUSALS } from '#core/experiments/refusals.ts';

/**
 * What inferences add to their unit, as columns named like those of `experiment_units`, and how many inferences each sum of tokens is made of: for looking at rows of the log as the shipper
 * counts them (inference-log/experiment-measures.ts, which a test holds this against). Interrupted rows count as requests only.
 *
 * inference-log/sinks/clickhouse/rows/measured-rows.ts asks ClickHouse the same; tests/contract/log-rows.test.ts holds both together.
 *
 * @param where conditions on `row`, a row of `inferences`
 * @param columns more columns of `row`, by name
 */
export function measuredRows(
  where: RawBuilder<unknown>,
  { latencyObjectiveUs, firstTokenObjectiveUs, caps }: Ingest,
  columns: Readonly<Record<string, RawBuilder<unknown>>>,
): RawBuilder<unknown> {
  const more = Object.entries(columns).map(([name, value]) => sql`${value} AS ${sql.ref(name)}`);
  const capped = (column: string, value: RawBuilder<unknown>) => {
    const most = caps[column];
    return most === undefined ? sql`${value}` : sql`least(${value}, ${Math.floor(most)}::bigint)`;
  };
  return sql`
    SELECT m.*, 1::bigint AS requests, (judged = 'failed')::integer::bigint AS failures,
      (judged = 'failed' OR (is_known AND lasted_us > ${latencyObjectiveUs}::bigint))::integer::bigint AS over_objective,
      CASE WHEN judged = 'succeeded' THEN ${capped('latency_us', sql`lasted_us`)} ELSE 0 END AS latency_us,
      (judged = 'succeeded' AND lasted_us IS NOT NULL)::integer::bigint AS latency_n,
      CASE WHEN is_own_token THEN ${capped('first_token_us', sql`token_us`)} ELSE 0 END AS first_token_us,
      (is_own_token AND token_us IS NOT NULL)::integer::bigint AS first_token_n,
      coalesce(is_own_token AND token_us > ${firstTokenObjectiveUs}::bigint, false)::integer::bigint AS first_token_over,
      CASE WHEN has_usage THEN ${capped('input_tokens', sql`coalesce(input, 0)`)} ELSE 0 END AS input_tokens,
      CASE WHEN has_usage THEN ${capped('output_tokens', sql`coalesce(output, 0)`)} ELSE 0 END AS output_tokens,
      has_usage::integer::bigint AS usage_n, (has_usage AND input IS NULL)::integer::bigint AS without_input,
      (has_usage AND output IS NULL)::integer::bigint AS without_output, (has_usage AND input IS NOT NULL)::integer::bigint AS input_n,
      (has_usage AND output IS NOT NULL)::integer::bigint AS output_n,
      CASE WHEN is_known THEN ${capped('cost_micro_usd', sql`coalesce(cost, 0)`)} ELSE 0 END AS cost_micro_usd,
      (is_known AND cost IS NOT NULL)::integer::bigint AS cost_n,
      (has_usage AND coalesce(cached, 0) > 0)::integer::bigint AS cache_hits,
      (is_known AND coalesce(finish_reason = ANY (${[...REFUSALS]}::text[]), false))::integer::bigint AS refusals
    FROM (
      SELECT f.*, judged <> 'unknown' AS is_known, judged <> 'unknown' AND (input IS NOT NULL OR output IS NOT NULL) AS has_usage,
        judged <> 'unknown' AND streamed AND attempt_count = 1 AND coalesce(first ->> 'model' = assigned_variant, false) AS is_own_token
      FROM (SELECT r.*, ${JUDGED} AS judged FROM (
        SELECT ${more.length === 0 ? sql`` : sql`${sql.join(more)}, `}row.assigned_variant, row.outcome, row.error_code, row.streamed,
          row.finish_reason, row.input_tokens AS input, row.output_tokens AS output, row.cached_tokens AS cached,
          row.cost_micro_usd AS cost, round(row.first_token_ns / 1000.0)::bigint AS token_us, row.attempts -> 0 AS first,
          jsonb_array_length(row.attempts) AS attempt_count,
          CASE WHEN (row.attempts -> 0 ->> 'endNs')::numeric >= (row.attempts -> 0 ->> 'startNs')::numeric
            THEN round(((row.attempts -> 0 ->> 'endNs')::numeric - (row.attempts -> 0 ->> 'startNs')::numeric) / 1000)::bigint END AS lasted_us
        FROM inferences AS row WHERE ${where}
      ) AS r) AS f
    ) AS m`;
}

const ATTEMPT = { model: 'v', status: null, errorCode: null };
const JUDGED_CODES = ERROR_CODE_LIST.map((code) => ({
  code,
  judged: judgeFirstAttempt({
    ...{ assignedVariant: 'v', outcome: 'failed', errorCode: null },
    attempts: [{ ...ATTEMPT, errorCode: code as ErrorCode }],
  }),
}));
/** With these errors the first attempt failed by the provider's fault or ours; with all others it was rejected. */
export const FAULTS: readonly string[] = JUDGED_CODES.filter(({ judged }) => judged === 'failed').map(
  ({ code }) => code,
);
/** Statuses from 300 on that speak of the request. */
export const CALLER_STATUSES: readonly number[] = Array.from({ length: 300 }, (_, index) => 300 + index).filter(
  (status) => {
    const attempts = [{ ...ATTEMPT, status }];
    return judgeFirstAttempt({ assignedVariant: 'v', outcome: 'failed', errorCode: null, attempts }) === 'rejected';
  },
);

/** `judgeFirstAttempt` over the columns of a row; its own tables are asked for what they hold. */
const JUDGED = sql`CASE
  WHEN outcome = 'interrupted' THEN 'unknown'
  WHEN attempt_count = 0 THEN CASE WHEN outcome = 'client_closed' THEN 'left' ELSE 'failed' END
  WHEN first ->> 'model' IS DISTINCT FROM assigned_variant THEN 'failed'
  WHEN first ->> 'errorCode' IS NOT NULL THEN CASE WHEN first ->> 'errorCode' = ANY (${[...FAULTS]}::text[]) THEN 'failed' ELSE 'rejected' END
  WHEN attempt_count = 1 AND error_code IS NOT NULL THEN
    CASE WHEN error_code = 'client_closed' THEN 'left' WHEN error_code = ANY (${[...FAULTS]}::text[]) THEN 'failed' ELSE 'rejected' END
  WHEN first ->> 'status' IS NULL THEN 'left'
  WHEN (first ->> 'status')::integer < 300 THEN 'succeeded'
  WHEN (first ->> 'status')::integer = ANY (${[...CALLER_STATUSES]}::integer[]) THEN 'rejected'
  ELSE 'failed' END`;
