import { type Histogram, observe } from '#core/histogram.ts';
import { unixMsOfId } from '#core/ids.ts';
import type { EndRecord, InferenceRow } from './record.ts';
import { cleanText } from './sinks/columns.ts';
import { INT64_BOUND, integerWithin } from './sinks/growing-buffer.ts';

/** What rows have in common that are counted together. */
export interface RollupKey {
  readonly organizationId: string;
  readonly groupId: string;
  /** The minute of the inference's id, in Unix milliseconds. */
  readonly minuteMs: number;
  readonly assignedVariant: string;
  /** Null: nobody's answer was served. */
  readonly servedVariant: string | null;
  readonly errorCode: string | null;
}

/**
 * Exact figures of some rows of one key. An interrupted row is counted in `interrupted` and nowhere else: its gateway did
 * not live to say what it used or how long it took. A pinned row counts with what it used, under no served variant, and without
 * its durations: they say nothing about a variant. A mirrored call is counted in `count` and in `shadows`, under no served variant, and
 * in nothing else: `count` says how many rows there are, `count − shadows` how much traffic there was. One
 * that never ended is likewise in `interrupted` and in `interruptedShadows`.
 */
export interface Rollup extends RollupKey {
  count: number;
  interrupted: number;
  /** Of `count`: mirrored calls. */
  shadows: number;
  /** Of `interrupted`: mirrored calls. */
  interruptedShadows: number;
  inputTokens: number;
  outputTokens: number;
  cachedTokens: number;
  reasoningTokens: number;
  /** Rows of which the upstream said how many tokens they used. */
  withUsage: number;
  costMicroUsd: number;
  /** Rows that have a cost: of the others it is not known, which is not 0. */
  withCost: number;
  /** Sums in nanoseconds. They outgrow 2^53: 1 000 streams of an hour come near. */
  totalNs: bigint;
  firstTokenNs: bigint;
  /** Of nanoseconds. */
  readonly latency: Histogram;
  readonly firstToken: Histogram;
}

const MS_PER_MINUTE = 60_000;

/**
 * Rolls rows up, in one order for everyone: whoever adds them to the store takes its row locks in this order, so that
 * two never deadlock. Each row must be one that was stored now; pure otherwise.
 * @throws RefusedBatchError when a row has a duration that no clock gives
 */
export function rollUp(rows: readonly InferenceRow[]): readonly Rollup[] {
  const rollups = new Map<string, Rollup>();
  for (const row of rows) {
    const minuteMs = Math.floor(unixMsOfId(row.id) / MS_PER_MINUTE) * MS_PER_MINUTE;
    const { groupId } = row.begin;
    // As the store will hold them: two that it holds alike must be one here.
    const assigned = cleanText(row.begin.assignedVariant);
    const { servedVariant, servedReason } = row.end;
    const isServed = servedVariant !== null && servedReason !== 'pinned' && !isShadow(row);
    const served = isServed ? cleanText(servedVariant) : null;
    const code = row.end.errorCode === null ? null : cleanText(row.end.errorCode);
    const key = `${groupId}\0${minuteMs}\0${assigned}\0${keyOf(served)}\0${keyOf(code)}`;
    let rollup = rollups.get(key);
    if (rollup === undefined) {
      rollup = empty({
        ...{ organizationId: row.begin.organizationId, groupId, minuteMs },
        ...{ assignedVariant: assigned, servedVariant: served, errorCode: code },
      });
      rollups.set(key, rollup);
    }
    count(rollup, row);
  }
  return [...rollups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rollup]) => rollup);
}

function isShadow({ begin, end }: InferenceRow): boolean {
  return begin.shadowOf !== undefined || end.servedReason === 'shadow';
}

/** Null is not the empty text. */
function keyOf(text: string | null): string {
  return text === null ? '' : `=${text}`;
}

function empty(key: RollupKey): Rollup {
  return {
    ...key,
    ...{
      count: 0,
      interrupted: 0,
      shadows: 0,
      interruptedShadows: 0,
      inputTokens: 0,
      outputTokens: 0,
      cachedTokens: 0,
      reasoningTokens: 0,
    },
    ...{ withUsage: 0, costMicroUsd: 0, withCost: 0, totalNs: 0n, firstTokenNs: 0n, latency: {}, firstToken: {} },
  };
}

/** The store has seen those of rows that it took; rows that have expired come here first. @throws RefusedBatchError */
function nanoseconds(column: string, value: number): bigint {
  return BigInt(integerWithin(column, value, -INT64_BOUND, INT64_BOUND));
}

// hot: once a row
function count(rollup: Rollup, row: InferenceRow): void {
  const { end } = row;
  if (end.outcome === 'interrupted') {
    rollup.interrupted++;
    if (isShadow(row)) rollup.interruptedShadows++;
    return;
  }
  rollup.count++;
  if (isShadow(row)) {
    rollup.shadows++;
    return;
  }
  if (end.servedReason !== 'pinned') countDurations(rollup, end);
  if (end.inputTokens !== null || end.outputTokens !== null) rollup.withUsage++;
  rollup.inputTokens += end.inputTokens ?? 0;
  rollup.outputTokens += end.outputTokens ?? 0;
  rollup.cachedTokens += end.cachedTokens ?? 0;
  rollup.reasoningTokens += end.reasoningTokens ?? 0;
  const cost = end.costMicroUsd ?? null;
  if (cost === null) return;
  rollup.withCost++;
  rollup.costMicroUsd += cost;
}

function countDurations(rollup: Rollup, { totalNs, firstTokenNs }: EndRecord): void {
  rollup.totalNs += nanoseconds('total_ns', totalNs);
  observe(rollup.latency, totalNs);
  if (firstTokenNs === null) return;
  rollup.firstTokenNs += nanoseconds('first_token_ns', firstTokenNs);
  observe(rollup.firstToken, firstTokenNs);
}
