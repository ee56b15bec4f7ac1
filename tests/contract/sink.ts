import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { InferenceRow } from '#inference-log/record.ts';
import { RefusedBatchError, type Sink, type SinkBatch, StaleCursorError } from '#inference-log/spool.ts';
import { type Figures, figuresOf } from '#tests/support/figures.ts';
import { beginRecord, endRecord, GROUP_ID, IN_TABLES, newInferenceId } from '#tests/support/records.ts';

/** What a sink test needs beside the sink. */
export interface SinkUnderTest {
  readonly sink: () => Sink;
  /** The ids of a gateway's stored rows. */
  readonly storedIds: (gatewayId: string) => Promise<readonly string[]>;
  /** A gateway's rollups; left out by a sink that keeps none. */
  readonly rollups?: (gatewayId: string) => Promise<readonly Figures[]>;
  /**
   * Whether a row that is there already counts again when a cursor passes it. Not in a store that holds rows and cursor in one
   * transaction; where they are two stores, such a row is what a crash between the two left, uncounted.
   */
  readonly countsKnownRows?: boolean;
}

const OTHER_GROUP = '01890000-0000-7000-8000-0000000000ff';
const FAILED = { outcome: 'failed', status: 502, errorCode: 'upstream_error', servedVariant: null } as const;
const CUT = { outcome: 'interrupted', status: 500, errorCode: 'interrupted', servedVariant: null } as const;

function row(gatewayId: string, changes: Partial<InferenceRow> = {}): InferenceRow {
  const id = newInferenceId();
  return { id, gatewayId, begin: beginRecord(), end: endRecord(), request: null, response: null, ...changes };
}

function at(offset: number) {
  return { scan: { segment: 1, offset }, shipped: { segment: 1, offset } };
}

/** The suite that every sink passes. */
export function describeSink(name: string, { sink, storedIds, rollups, countsKnownRows = false }: SinkUnderTest): void {
  const start = () => {
    const [spoolId, gatewayId] = [randomUUID(), randomUUID()];
    const batch = (changes: Partial<SinkBatch>): SinkBatch => ({
      ...{ spoolId, gatewayId, expected: undefined, cursor: at(10), rows: [], dropped: [], finished: false },
      ...changes,
    });
    return { spoolId, gatewayId, batch };
  };

  describe(`the sink ${name}`, () => {
    test('knows no cursor of a spool that it has not seen, and gives back what it was given', async () => {
      const { spoolId, batch } = start();
      expect(await sink().readCursor(spoolId)).toBeUndefined();
      await sink().write(batch({}));
      expect(await sink().readCursor(spoolId)).toEqual(at(10));
      const moved = { scan: { segment: 2, offset: 5_000_000_000 }, shipped: { segment: 3, offset: 0 } };
      await sink().write(batch({ expected: at(10), cursor: moved, finished: true }));
      expect(await sink().readCursor(spoolId)).toEqual(moved);
    });

    test('stores rows, counts and cursor together', async () => {
      const { gatewayId, batch } = start();
      const rows = [
        row(gatewayId, { request: Buffer.from('a'), response: Buffer.from('b') }),
        row(gatewayId, { end: endRecord({ outcome: 'interrupted', status: 500 }) }),
        row(gatewayId, { begin: beginRecord({ groupId: OTHER_GROUP }) }),
      ];
      const dropped = [{ groupId: OTHER_GROUP, reason: 'bad' }];
      await sink().write(batch({ rows, dropped }));
      await sink().write(batch({ expected: at(10), cursor: at(20), rows: [row(gatewayId)] }));
      expect(await storedIds(gatewayId)).toHaveLength(4);
      const totals = [...(await sink().readLedger(gatewayId))].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
      expect(totals).toEqual([
        { groupId: GROUP_ID, stored: 2, ...IN_TABLES, interrupted: 1, dropped: 0 },
        { groupId: OTHER_GROUP, stored: 1, ...IN_TABLES, interrupted: 0, dropped: 1 },
      ]);
    });

    test('refuses a batch that starts elsewhere than at its cursor, whole', async () => {
      const { spoolId, gatewayId, batch } = start();
      await sink().write(batch({ rows: [row(gatewayId)] }));
      const late = { rows: [row(gatewayId)], dropped: [{ groupId: GROUP_ID, reason: 'bad' }], cursor: at(30) };
      await expect(sink().write(batch(late))).rejects.toThrow(StaleCursorError);
      await expect(sink().write(batch({ ...late, expected: at(20) }))).rejects.toThrow(StaleCursorError);
      expect(await storedIds(gatewayId)).toHaveLength(1);
      expect(await sink().readLedger(gatewayId)).toEqual([
        { groupId: GROUP_ID, stored: 1, ...IN_TABLES, interrupted: 0, dropped: 0 },
      ]);
      expect(await sink().readCursor(spoolId)).toEqual(at(10));
    });

    test('takes one of several shippers that write at once', async () => {
      const { gatewayId, batch } = start();
      const attempts = Array.from({ length: 6 }, () => sink().write(batch({ rows: [row(gatewayId)] })));
      const results = await Promise.allSettled(attempts);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(StaleCursorError);
      }
      expect(await storedIds(gatewayId)).toHaveLength(1);
    });

    test(`doubles no row that it has${countsKnownRows ? '' : ', and does not count it'}`, async () => {
      const { gatewayId, batch } = start();
      const [known, fresh] = [row(gatewayId), row(gatewayId)];
      await sink().write(batch({ rows: [known] }));
      await sink().write(batch({ expected: at(10), cursor: at(20), rows: [known, fresh] }));
      expect(await storedIds(gatewayId)).toHaveLength(2);
      expect(await sink().readLedger(gatewayId)).toEqual([
        { groupId: GROUP_ID, stored: countsKnownRows ? 3 : 2, ...IN_TABLES, interrupted: 0, dropped: 0 },
      ]);
    });

    test('does the same for a batch that is large enough for another way in, of several groups and sizes', async () => {
      const { gatewayId, batch } = start();
      const other = { begin: beginRecord({ groupId: OTHER_GROUP }) };
      const rows = [
        ...Array.from({ length: 40 }, () => row(gatewayId, { request: Buffer.from('a'), response: null })),
        ...Array.from({ length: 3 }, () => row(gatewayId, other)),
        row(gatewayId, { end: endRecord({ outcome: 'interrupted', status: 500 }) }),
      ];
      await sink().write(batch({ rows: rows.slice(1) }));
      await sink().write(batch({ expected: at(10), cursor: at(20), rows }));
      const fresh = Array.from({ length: 20 }, () => row(gatewayId, other));
      await sink().write(batch({ expected: at(20), cursor: at(30), rows: [rows[41]!, ...fresh] }));
      expect(await storedIds(gatewayId)).toHaveLength(64);
      const totals = [...(await sink().readLedger(gatewayId))].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
      const [ofGroup, ofOther] = countsKnownRows ? [39 + 40, 3 + 3 + 21] : [40, 23];
      expect(totals).toEqual([
        { groupId: GROUP_ID, stored: ofGroup, ...IN_TABLES, interrupted: countsKnownRows ? 2 : 1, dropped: 0 },
        { groupId: OTHER_GROUP, stored: ofOther, ...IN_TABLES, interrupted: 0, dropped: 0 },
      ]);
    });

    test.skipIf(rollups === undefined)('rolls up each row that it stores, once, and no other', async () => {
      const { gatewayId, batch } = start();
      const minute = Date.parse('2026-03-02T10:00:00Z');
      const varied = Array.from({ length: 60 }, (_, i) =>
        row(gatewayId, {
          id: newInferenceId(minute + i * 5_000),
          begin: beginRecord(
            i % 3 === 0 ? { groupId: OTHER_GROUP } : { assignedVariant: i % 2 === 0 ? 'small' : 'b\0' },
          ),
          end: endRecord({
            ...(i % 7 === 0 ? FAILED : {}),
            ...(i % 11 === 0 ? CUT : {}),
            ...{ inputTokens: i % 4 === 0 ? null : i, outputTokens: i % 4 === 0 ? null : 2 * i, cachedTokens: i % 5 },
            ...{
              costMicroUsd: i % 2 === 0 ? i * 1_000 : null,
              totalNs: i ** 4 * 1_000,
              firstTokenNs: i % 3 === 0 ? i : null,
            },
          }),
        }),
      );
      const clean = varied.map((each) => ({
        ...each,
        begin: { ...each.begin, assignedVariant: each.begin.assignedVariant.replace('\0', '\uFFFD') },
      }));
      await sink().write(batch({ rows: varied.slice(0, 25) }));
      expect(await rollups!(gatewayId)).toEqual(figuresOf(clean.slice(0, 25)));
      // Some of them for the second time, in the small and in the large way in.
      await sink().write(batch({ expected: at(10), cursor: at(20), rows: varied.slice(20, 30) }));
      await sink().write(batch({ expected: at(20), cursor: at(30), rows: varied.slice(10, 60) }));
      const counted = countsKnownRows ? [...clean.slice(0, 25), ...clean.slice(20, 30), ...clean.slice(10, 60)] : clean;
      expect(await rollups!(gatewayId)).toEqual(figuresOf(counted));
      const late = batch({ expected: at(10), cursor: at(40), rows: [row(gatewayId)] });
      await expect(sink().write(late)).rejects.toThrow(StaleCursorError);
      const poison = [row(gatewayId), row(gatewayId, { end: endRecord({ status: 70_000 }) })];
      await expect(sink().write(batch({ expected: at(30), cursor: at(40), rows: poison }))).rejects.toThrow(
        RefusedBatchError,
      );
      expect(await rollups!(gatewayId)).toEqual(figuresOf(counted));
    });

    test('says when the data is at fault, and has then stored nothing of it', async () => {
      const { spoolId, gatewayId, batch } = start();
      const rows = [row(gatewayId), row(gatewayId, { end: endRecord({ status: 70_000 }) })];
      await expect(sink().write(batch({ rows }))).rejects.toThrow(RefusedBatchError);
      const many = [...Array.from({ length: 20 }, () => row(gatewayId)), rows[1]!];
      await expect(sink().write(batch({ rows: many }))).rejects.toThrow(RefusedBatchError);
      expect(await storedIds(gatewayId)).toHaveLength(0);
      expect(await sink().readCursor(spoolId)).toBeUndefined();
      expect(await sink().readLedger(gatewayId)).toEqual([]);
    });
  });
}
