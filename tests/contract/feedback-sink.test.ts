import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unixMsOfId } from '#core/ids.ts';
import type { FeedbackRow } from '#inference-log/feedback-record.ts';
import { createClickHouseFinder } from '#inference-log/sinks/clickhouse/find-inferences.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import { RefusedBatchError, type Sink, type SinkBatch, StaleCursorError } from '#inference-log/spool.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createClickHouseStore, describeWithClickHouse } from '#tests/support/clickhouse-store.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { feedbackRow } from '#tests/support/feedback.ts';
import { POISON_MS } from '#tests/support/memory-sink.ts';
import { beginRecord, endRecord, GROUP_ID, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';

// Feedback lives in PostgreSQL whichever store has the rows, so both sinks do the same with it.

interface SinkUnderTest {
  readonly open: (databaseUrl: string) => Promise<{ readonly sink: Sink; readonly close?: () => Promise<void> }>;
}

function at(offset: number) {
  return { scan: { segment: 1, offset }, shipped: { segment: 1, offset } };
}

function describeFeedback(name: string, { open }: SinkUnderTest): void {
  describe(`feedback in the sink ${name}`, () => {
    let database: Awaited<ReturnType<typeof createTestDatabase>>;
    let opened: Awaited<ReturnType<SinkUnderTest['open']>>;
    let sink: Sink;
    let db: Db;
    beforeAll(async () => {
      database = await createTestDatabase();
      opened = await open(database.url);
      sink = opened.sink;
      db = createPool({ databaseUrl: database.url, role: 'login', maxConnections: 1, applicationName: 'test' });
    });
    afterAll(async () => {
      await sink.close();
      await opened.close?.();
      await db.destroy();
      await database.drop();
    });

    const start = () => {
      const [spoolId, gatewayId] = [randomUUID(), randomUUID()];
      const batch = (changes: Partial<SinkBatch>): SinkBatch => ({
        ...{ spoolId, gatewayId, expected: undefined, cursor: at(10), rows: [], dropped: [], finished: false },
        ...changes,
      });
      const stored = () =>
        db.selectFrom('feedback').selectAll().where('gateway_id', '=', gatewayId).orderBy('id').execute();
      return { spoolId, gatewayId, batch, stored };
    };

    test('is stored with all it says, as pending, beside inferences, and in no ledger', async () => {
      const { gatewayId, batch, stored } = start();
      const atMs = Date.parse('2030-01-31T08:30:00.123Z');
      const given: FeedbackRow[] = [
        feedbackRow({ id: `a-${gatewayId}`, kind: 'numeric', metric: 'csat', value: 0.1, atMs, receivedMs: atMs + 5 }),
        feedbackRow({ id: `b-${gatewayId}`, value: 0, comment: 'a\0b\ud800c' }),
        feedbackRow({ id: `c-${gatewayId}`, kind: 'label', value: null, label: 'ümläut', comment: 'x'.repeat(8_192) }),
        feedbackRow({ id: `d-${gatewayId}`, kind: 'comment', value: null, comment: '"quote" \\ {,}' }),
        feedbackRow({ id: `e-${gatewayId}`, inferenceId: null, correlation: 't\0x', kind: 'numeric', value: -1e12 }),
      ];
      const row = {
        id: newInferenceId(),
        gatewayId,
        begin: beginRecord(),
        end: endRecord(),
        request: null,
        response: null,
      };
      await sink.write(batch({ rows: [row], feedback: given.toReversed() }));
      const found = await stored();
      expect(found.map(({ kind, value, label, comment }) => [kind, value, label, comment])).toEqual([
        ['numeric', '0.1', null, null],
        ['boolean', '0', null, 'a\ufffdb\ufffdc'],
        ['label', null, 'ümläut', 'x'.repeat(8_192)],
        ['comment', null, null, '"quote" \\ {,}'],
        ['numeric', '-1000000000000', null, null],
      ]);
      expect(found[0]).toMatchObject({
        ...{ organization_id: ORGANIZATION_ID, inference_id: given[0]!.inferenceId, correlation: null, metric: 'csat' },
        ...{ key_id: given[0]!.keyId, at: new Date(atMs), received_at: new Date(atMs + 5) },
        ...{ state: 'pending', joined_at: null, experiment_id: null, is_shadow: false, delay_ms: null },
      });
      expect(found[4]).toMatchObject({ inference_id: null, correlation: 't\ufffdx' });
      const totals = await sink.readLedger(gatewayId);
      expect(totals.map(({ stored: count, dropped }) => [count, dropped])).toEqual([[1, 0]]);
    });

    test('a second report with an id changes nothing, in one batch or another; of another organization it is another', async () => {
      const { gatewayId, batch, stored } = start();
      const first = feedbackRow({ id: `x-${gatewayId}`, value: 1 });
      const again = { ...first, value: 0, inferenceId: newInferenceId() };
      await sink.write(batch({ feedback: [first, again] }));
      await sink.write(batch({ expected: at(10), cursor: at(20), feedback: [again] }));
      const rival = { ...again, organizationId: randomUUID() };
      await sink.write(batch({ expected: at(20), cursor: at(30), feedback: [rival, first] }));
      const found = await stored();
      expect(found.map((row) => [row.organization_id, row.value, row.inference_id]).toSorted()).toEqual(
        [
          [first.organizationId, '1', first.inferenceId],
          [rival.organizationId, '0', rival.inferenceId],
        ].toSorted(),
      );
    });

    test('moves with the cursor: a batch that starts elsewhere leaves none of it', async () => {
      const { batch, stored } = start();
      await sink.write(batch({ feedback: [feedbackRow()] }));
      await expect(sink.write(batch({ feedback: [feedbackRow()] }))).rejects.toThrow(StaleCursorError);
      await expect(sink.write(batch({ expected: at(99), feedback: [feedbackRow()] }))).rejects.toThrow(
        StaleCursorError,
      );
      expect(await stored()).toHaveLength(1);
    });

    test.each([
      ['a time that the database has no room for', { atMs: POISON_MS }],
      ['a kind that the table does not know', { kind: 'odd' as never }],
      ['a key that is no UUID', { keyId: 'nobody' }],
    ])('%s is refused as a fault of the data, with all of its batch', async (_, changes) => {
      const { batch, stored } = start();
      const poisoned = batch({ feedback: [feedbackRow(), feedbackRow(changes)] });
      await expect(sink.write(poisoned)).rejects.toThrow(RefusedBatchError);
      expect(await stored()).toEqual([]);
      await sink.write(batch({ feedback: [feedbackRow()] }));
      expect(await stored()).toHaveLength(1);
    });

    test('shippers that bring the same ids at once never wait for each other in a circle', async () => {
      const ids = Array.from({ length: 300 }, () => randomUUID());
      const writes = Array.from({ length: 4 }, (_, index) => {
        const { batch } = start();
        const rows = ids.map((id) => feedbackRow({ id }));
        return sink.write(batch({ feedback: index % 2 === 0 ? rows : rows.toReversed() }));
      });
      await Promise.all(writes);
      const found = await db.selectFrom('feedback').select('id').where('id', 'in', ids).execute();
      expect(found).toHaveLength(ids.length);
    });
  });
}

describeFeedback('postgres', { open: async (databaseUrl) => ({ sink: createPostgresSink({ databaseUrl }) }) });

const stopServer = await describeWithClickHouse('feedback beside ClickHouse', (server) => {
  describeFeedback('clickhouse', {
    async open(databaseUrl) {
      const store = await createClickHouseStore(server());
      return { sink: createClickHouseSink({ databaseUrl, clickhouse: store.address }), close: () => store.close() };
    },
  });

  test('ClickHouse says which inferences it has, for feedback that counts in no experiment', async () => {
    const database = await createTestDatabase();
    const store = await createClickHouseStore(server());
    const sink = createClickHouseSink({ databaseUrl: database.url, clickhouse: store.address });
    const finder = createClickHouseFinder(store.address);
    try {
      const [spoolId, gatewayId] = [randomUUID(), randomUUID()];
      const rowOf = (begin: Parameters<typeof beginRecord>[0]) => ({
        ...{
          id: newInferenceId(),
          gatewayId,
          begin: beginRecord(begin),
          end: endRecord(),
          request: null,
          response: null,
        },
      });
      const rows = [rowOf({}), rowOf({ shadowOf: randomUUID() }), rowOf({}), rowOf({ groupId: randomUUID() })];
      const place = { id: randomUUID(), phase: 1, arm: 0 };
      const yesterday = newInferenceId(Date.now() - 25 * 3_600_000);
      // Where they count may not be committed yet; after a day it is, or was forgotten.
      rows.push(rowOf({ experiment: place }), { ...rowOf({ experiment: place }), id: yesterday });
      const given = { spoolId, gatewayId, dropped: [], finished: false };
      await sink.write({ ...given, expected: undefined, cursor: at(1), rows });
      await sink.write({ ...given, expected: at(1), cursor: at(2), rows: rows.slice(0, 2) });
      const ids = [rows[0]!.id, rows[1]!.id, rows[3]!.id, rows[4]!.id, yesterday, newInferenceId()];
      const sought = { groupIds: [GROUP_ID], ids };
      const found = await finder.find(sought);
      expect(found.map(({ id }) => id)).toContain(yesterday);
      const young = found.filter(({ id }) => id !== yesterday);
      expect(new Map(young.map(({ id, ...rest }) => [id, rest]))).toEqual(
        new Map(
          rows.slice(0, 2).map(({ id }, index) => {
            const createdAt = new Date(unixMsOfId(id));
            return [id, { organizationId: ORGANIZATION_ID, groupId: GROUP_ID, isShadow: index === 1, createdAt }];
          }),
        ),
      );
      expect(await finder.find({ ...sought, groupIds: [] })).toEqual([]);
    } finally {
      finder.close();
      await sink.close();
      await store.close();
      await database.drop();
    }
  });
});
afterAll(stopServer);
