import type { Ingest } from '#core/experiments/definition.ts';
import { judgeFirstAttempt } from '#core/experiments/first-attempt.ts';
import { isRefusal } from '#core/experiments/refusals.ts';
import type { AttemptRecord, InferenceRow } from './record.ts';

/** The sums of `experiment_units`, in the order of its columns. Times in microseconds. */
export const SUM_COLUMNS = [
  ...['requests', 'failures', 'over_objective', 'latency_us', 'latency_n'],
  ...['first_token_us', 'first_token_n', 'first_token_over', 'input_tokens', 'output_tokens', 'usage_n'],
  ...['without_input', 'without_output'],
  ...['cost_micro_usd', 'cost_n', 'cache_hits', 'refusals'],
] as const;
export type SumColumn = (typeof SUM_COLUMNS)[number];

/** What one inference adds. */
export interface Measures {
  readonly sums: Readonly<Record<SumColumn, number>>;
  /** For the histograms, in nanoseconds and without a cap; null: not measured. */
  readonly latencyNs: number | null;
  readonly firstTokenNs: number | null;
}

const NS_PER_US = 1_000;

/**
 * Measures an inference for its experiment. Errors and times are those of the assigned variant's first attempt, whoever answered in
 * the end (core/experiments/first-attempt.ts); tokens, cost and refusals are those of the inference.
 *
 * - A caller who left is no failure. Its attempt has no duration, but one that was under way for longer than the objective is over it.
 * - Neither is a request that the provider rejected as the caller's mistake; how fast it did so is no latency either.
 * - An interrupted inference counts as a request, since its unit was assigned, and in nothing else: what became of it is not known.
 * - The first token is timed from the moment the request came in; where a second attempt was made it is not the first one's.
 */
export function measure({ begin, end }: InferenceRow, ingest: Ingest): Measures {
  const first = firstOf(end.attempts);
  const judged = judgeFirstAttempt({
    assignedVariant: begin.assignedVariant,
    outcome: end.outcome,
    errorCode: end.errorCode,
    attempts: first === null ? [] : end.attempts,
  });
  const isKnown = judged !== 'unknown';
  const lastedNs = first === null ? null : durationOf(first);
  const latencyNs = judged === 'succeeded' ? lastedNs : null;
  const isOwnToken = isKnown && begin.streamed && end.attempts.length === 1 && first?.model === begin.assignedVariant;
  const firstTokenNs = isOwnToken ? end.firstTokenNs : null;
  const { inputTokens, outputTokens, cachedTokens, costMicroUsd = null } = end;
  const hasUsage = isKnown && (inputTokens !== null || outputTokens !== null);
  const hasCost = isKnown && costMicroUsd !== null;
  const failed = judged === 'failed';
  const capped = (column: SumColumn, value: number | null) => cap(ingest, column, value ?? 0);
  return {
    latencyNs,
    firstTokenNs,
    sums: {
      requests: 1,
      failures: toCount(failed),
      over_objective: toCount(failed || (isKnown && toUs(lastedNs) > ingest.latencyObjectiveUs)),
      latency_us: capped('latency_us', toUs(latencyNs)),
      latency_n: toCount(latencyNs !== null),
      first_token_us: capped('first_token_us', toUs(firstTokenNs)),
      first_token_n: toCount(firstTokenNs !== null),
      first_token_over: toCount(toUs(firstTokenNs) > ingest.firstTokenObjectiveUs),
      input_tokens: capped('input_tokens', hasUsage ? inputTokens : 0),
      output_tokens: capped('output_tokens', hasUsage ? outputTokens : 0),
      usage_n: toCount(hasUsage),
      // Embeddings have no tokens of an answer: a zero would be a value of a mean that nobody measured.
      without_input: toCount(hasUsage && inputTokens === null),
      without_output: toCount(hasUsage && outputTokens === null),
      cost_micro_usd: capped('cost_micro_usd', hasCost ? costMicroUsd : 0),
      cost_n: toCount(hasCost),
      cache_hits: toCount(hasUsage && (cachedTokens ?? 0) > 0),
      refusals: toCount(isKnown && isRefusal(end.finishReason)),
    },
  };
}

/** Null also for what no release writes: the row is stored all the same. */
function firstOf(attempts: readonly AttemptRecord[]): AttemptRecord | null {
  const first: unknown = attempts[0];
  return typeof first === 'object' && first !== null ? (first as AttemptRecord) : null;
}

function durationOf({ startNs, endNs }: AttemptRecord): number | null {
  const lastedNs = endNs - startNs;
  return Number.isSafeInteger(lastedNs) && lastedNs >= 0 ? lastedNs : null;
}

function toUs(ns: number | null): number {
  return ns === null ? 0 : Math.round(ns / NS_PER_US);
}

function toCount(counts: boolean): number {
  return counts ? 1 : 0;
}

function cap({ caps }: Ingest, column: SumColumn, value: number): number {
  const most = caps[column];
  return most === undefined ? value : Math.min(value, Math.floor(most));
}
