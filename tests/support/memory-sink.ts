import { mergeHistograms } from '#core/histogram.ts';
import type { FeedbackRow } from '#inference-log/feedback-record.ts';
import type { InferenceRow } from '#inference-log/record.ts';
import { type Rollup, rollUp } from '#inference-log/rollup.ts';
import {
  type LedgerTotals,
  RefusedBatchError,
  type Sink,
  type SinkBatch,
  type SpoolCursor,
  StaleCursorError,
} from '#inference-log/spool.ts';

/** A sink in memory for the properties of what stands before it; it passes the same contract suite as the real ones. */
export interface MemorySink extends Sink {
  readonly rows: ReadonlyMap<string, InferenceRow>;
  /** Reports by organization and id: `<organization> <id>`. */
  readonly feedback: ReadonlyMap<string, FeedbackRow>;
  /** Every id in the order in which it came, repeated ones included. */
  readonly written: readonly string[];
  readonly cursors: ReadonlyMap<string, { readonly cursor: SpoolCursor; readonly finished: boolean }>;
  /** Summed over all batches. */
  readonly rollups: (gatewayId: string) => readonly Rollup[];
}

/** A time that no sink takes, and that no gateway writes: 8.6e15 is the year 274492. */
export const POISON_MS = 8.6e15;

export function createMemorySink(): MemorySink {
  const rows = new Map<string, InferenceRow>();
  const written: string[] = [];
  const feedback = new Map<string, FeedbackRow>();
  const cursors = new Map<string, { cursor: SpoolCursor; finished: boolean }>();
  const rollups = new Map<string, Map<string, Rollup>>();
  const ledger = new Map<string, Map<string, { stored: number; interrupted: number; dropped: number }>>();
  const totals = (gatewayId: string, groupId: string) => {
    const groups = ledger.get(gatewayId) ?? new Map();
    ledger.set(gatewayId, groups);
    const found = groups.get(groupId) ?? { stored: 0, interrupted: 0, dropped: 0 };
    groups.set(groupId, found);
    return found;
  };
  return {
    ...{ rows, written, cursors, feedback },
    rollups: (gatewayId) => [...(rollups.get(gatewayId) ?? new Map()).values()],
    async readCursor(spoolId) {
      return cursors.get(spoolId)?.cursor;
    },
    async write(batch: SinkBatch) {
      const stored = cursors.get(batch.spoolId)?.cursor;
      if (JSON.stringify(stored) !== JSON.stringify(batch.expected)) throw new StaleCursorError('moved');
      for (const { end } of batch.rows) {
        if (Math.abs(end.status) > 32_767) throw new RefusedBatchError('status out of range');
      }
      // What PostgreSQL cannot hold as a time.
      for (const { atMs } of batch.feedback ?? []) {
        if (atMs >= POISON_MS) throw new RefusedBatchError('time out of range');
      }
      for (const row of batch.feedback ?? []) {
        const key = `${row.organizationId} ${row.id}`;
        if (!feedback.has(key)) feedback.set(key, structuredClone(row));
      }
      cursors.set(batch.spoolId, { cursor: batch.cursor, finished: batch.finished });
      const added: InferenceRow[] = [];
      for (const row of batch.rows) {
        written.push(row.id);
        if (rows.has(row.id)) continue;
        // Copies, as a database would hold them.
        rows.set(row.id, structuredClone(row));
        added.push(row);
        totals(batch.gatewayId, row.begin.groupId)[row.end.outcome === 'interrupted' ? 'interrupted' : 'stored']++;
      }
      for (const { groupId } of batch.dropped) totals(batch.gatewayId, groupId).dropped++;
      const known = rollups.get(batch.gatewayId) ?? new Map<string, Rollup>();
      rollups.set(batch.gatewayId, known);
      for (const rollup of rollUp(added)) {
        const { groupId, minuteMs, assignedVariant, servedVariant, errorCode } = rollup;
        const key = JSON.stringify([groupId, minuteMs, assignedVariant, servedVariant, errorCode]);
        const before = known.get(key);
        known.set(key, before === undefined ? rollup : addRollups(before, rollup));
      }
    },
    async readLedger(gatewayId): Promise<LedgerTotals[]> {
      return [...(ledger.get(gatewayId) ?? [])].map(([groupId, counts]) => ({
        groupId,
        archived: 0,
        expired: 0,
        ...counts,
      }));
    },
    async close() {},
  };
}

/** What the real store does in SQL. */
function addRollups(a: Rollup, b: Rollup): Rollup {
  return {
    ...a,
    count: a.count + b.count,
    interrupted: a.interrupted + b.interrupted,
    shadows: a.shadows + b.shadows,
    interruptedShadows: a.interruptedShadows + b.interruptedShadows,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    withUsage: a.withUsage + b.withUsage,
    costMicroUsd: a.costMicroUsd + b.costMicroUsd,
    withCost: a.withCost + b.withCost,
    totalNs: a.totalNs + b.totalNs,
    firstTokenNs: a.firstTokenNs + b.firstTokenNs,
    latency: mergeHistograms(a.latency, b.latency),
    firstToken: mergeHistograms(a.firstToken, b.firstToken),
  };
}
