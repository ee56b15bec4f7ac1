import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ingestSchema } from '#core/experiments/definition.ts';
import { BUILTIN_METRICS, type BuiltinMetricName } from '#core/experiments/metrics.ts';
import { unixMsOfId } from '#core/ids.ts';
import type { InferenceRow } from '#inference-log/record.ts';
import { createAsking } from '#inference-log/sinks/clickhouse/rows/asking.ts';
import { createClickHouseLogRows } from '#inference-log/sinks/clickhouse/rows/log-rows.ts';
import { createClickHouseRolloutPast } from '#inference-log/sinks/clickhouse/rows/rollout-past.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import { sql } from '#inference-log/sinks/clickhouse/statement.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { Sink } from '#inference-log/spool.ts';
import { type LogRows, LogTooMuchError, type RolloutPast, type RowsRead } from '#store/log-rows.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import { createPool, type Db, inOrganization, type Tx } from '#store/pool.ts';
import { POSTGRES_LOG_ROWS, POSTGRES_ROLLOUT_PAST } from '#store/postgres-log-rows.ts';
import { findRollout } from '#store/rollouts.ts';
import type { Dimension, RowFilter } from '#store/row-sums.ts';
import {
  type ClickHouseStore,
  createClickHouseStore,
  describeWithClickHouse,
} from '#tests/support/clickhouse-store.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { type Drawn, drawnInference, drawnRow } from '#tests/support/drawn-inferences.ts';
import { plantGroup } from '#tests/support/experiments.ts';
import { plantExperiment } from '#tests/support/planted-experiment.ts';
import { GROUP_ID, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';

const DAY_MS = 86_400_000;
const AT = Date.parse('2026-03-02T10:00:00Z');
const [SINCE, UNTIL] = [new Date(AT), new Date(AT + 2 * DAY_MS)];
const NAMES = Object.keys(BUILTIN_METRICS) as BuiltinMetricName[];
const OBJECTIVES = { latencyObjectiveUs: 2_000, firstTokenObjectiveUs: 500 };
const INGEST = ingestSchema.parse({
  ...OBJECTIVES,
  caps: { latency_us: 4_000, output_tokens: 700, cost_micro_usd: 80 },
});
/** What must stay a value on its way into a statement, and out of an answer. */
const TENANTS = ['acme', '', 'o\'br\\ien\t\n"{p0:String}"', '渋谷 💡', "') OR 1 = 1 --"];
const PLACE = { organizationId: ORGANIZATION_ID, groupId: GROUP_ID, gatewayId: randomUUID() };
const WINDOW = { organizationId: ORGANIZATION_ID, groupId: GROUP_ID, since: SINCE, until: UNTIL };

/** What most inferences are. */
function succeeded(drawn: Drawn): Drawn {
  const lastedNs = 1_500 + drawn.unit * 333_333;
  const attempts = [{ isOther: false, status: 200 as const, errorCode: null, lastedNs }];
  return { ...drawn, outcome: 'completed', errorCode: null, attempts };
}

/** Spread over two days, of many kinds, some of which count nowhere. */
function rowsOf(drawn: readonly Drawn[], experimentId: string): InferenceRow[] {
  return drawn.map((any, index) => {
    const one = index % 2 === 0 ? succeeded(any) : any;
    const atMs = AT + ((index * 7_919_333) % (2 * DAY_MS));
    const bucket = (one.unit * 761 + index) % 10_000;
    const row = drawnRow(
      one,
      { ...PLACE, experimentId, atMs },
      {
        ...{ bucket, requestBytes: 2 ** (index % 20), configVersion: 5 + (index % 3) },
        ...(one.tenant === null ? {} : { metadata: { tenant: TENANTS[index % TENANTS.length]! } }),
        ...(index % 41 === 0 ? { operation: 'realtime' } : {}),
        ...(index % 43 === 0 ? { shadowOf: randomUUID() } : {}),
        // Beyond what squares of 64 bits hold.
        ...(index % 53 === 0 ? { unit: 'heavy' } : {}),
      },
    );
    const end = {
      ...row.end,
      ...(index % 47 === 0 ? { servedReason: 'pinned' as const } : {}),
      ...(index % 53 === 0 ? { costMicroUsd: 2 ** 52 + index } : {}),
    };
    return { ...row, end };
  });
}

async function ship(sink: Sink, rows: readonly InferenceRow[]): Promise<void> {
  const cursor = { scan: { segment: 2, offset: 0 }, shipped: { segment: 2, offset: 0 } };
  const of = { spoolId: randomUUID(), gatewayId: PLACE.gatewayId, expected: undefined, cursor };
  await sink.write({ ...of, rows, dropped: [], finished: true });
}

const stopServer = await describeWithClickHouse('rows of the log, in PostgreSQL and in ClickHouse', (server) => {
  let [admin, application]: Db[] = [];
  let store: ClickHouseStore;
  let dropDatabase: () => Promise<void>;
  let clickhouse: LogRows & { close(): void };
  let past: RolloutPast & { close(): void };
  let experimentId: string;
  let rows: InferenceRow[];

  beforeAll(async () => {
    const database = await createTestDatabase();
    dropDatabase = database.drop;
    store = await createClickHouseStore(server());
    const options = { databaseUrl: database.url, maxConnections: 2, applicationName: 'test' };
    admin = createPool({ ...options, role: 'login' });
    application = createPool({ ...options, role: 'application' });
    clickhouse = createClickHouseLogRows(store.address);
    past = createClickHouseRolloutPast({ address: store.address, limitMs: 20_000, unitsAtOnce: 3, nowMs: Date.now });
    await plantGroup(admin, ORGANIZATION_ID, GROUP_ID);
    const definition = { historyDays: 14, winsorizeAt: 0.95, primary: { metric: 'latency' } };
    experimentId = await plantExperiment(admin, {
      ...PLACE,
      definition,
      startedAt: UNTIL,
      phases: [
        [1, 1],
        [1, 2],
      ],
    });
    rows = rowsOf(fc.sample(drawnInference, { numRuns: 1_200, seed: 11 }), experimentId);
    // Of another organization, in the same group: nobody's figures.
    const strangers = rows.slice(0, 50).map((row) => ({
      ...row,
      ...{ id: newInferenceId(unixMsOfId(row.id)), begin: { ...row.begin, organizationId: randomUUID() } },
    }));
    const inPostgres = createPostgresSink({ databaseUrl: database.url });
    const inClickHouse = createClickHouseSink({ databaseUrl: database.url, clickhouse: store.address });
    for (const sink of [inPostgres, inClickHouse]) await ship(sink, [...rows, ...strangers]);
    // As after a fault: they lie there twice until they are merged.
    await store.client.query('SYSTEM STOP MERGES inferences');
    await ship(inClickHouse, rows.slice(0, 700));
    expect(await store.rows('SELECT count() AS lines FROM inferences')).toEqual([{ lines: rows.length + 750 }]);
    await inPostgres.close();
    await inClickHouse.close();
  });
  afterAll(async () => {
    for (const one of [clickhouse, past]) one.close();
    for (const pool of [admin!, application!]) await pool.destroy();
    await store.close();
    await dropDatabase();
  });

  const inTx = <Result>(work: (tx: Tx) => Promise<Result>) => inOrganization(application!, ORGANIZATION_ID, work);
  /** Asks both; what they answer is the same, to the digit. */
  const same = async <Result>(question: (of: LogRows, read: RowsRead) => Promise<Result>): Promise<Result> => {
    const ask = (of: LogRows) => inTx((tx) => question(of, { tx, leftMs: async () => 20_000 }));
    const [found, expected] = [await ask(clickhouse), await ask(POSTGRES_LOG_ROWS)];
    expect(found).toEqual(expected);
    return found;
  };
  const counted = (): RowFilter => ({ ...WINDOW, of: { experimentId } });
  const assigned: RowFilter = { ...WINDOW, of: { phase: 2, hashVersion: 1, variants: ['b', 'a'] } };

  test('sums of every built-in metric by phase and arm, of an experiment and of a split', async () => {
    const sums = await same((of, read) => of.rowSums(read, counted(), INGEST, NAMES));
    expect(sums).toHaveLength(NAMES.length * 4);
    const whole = await same((of, read) => of.rowSums(read, assigned, { ...INGEST, caps: {} }, NAMES));
    expect(whole).toHaveLength(NAMES.length * 2);
    expect(Math.max(...whole.map((one) => one.sums!.sumSquares))).toBeGreaterThan(2 ** 64);
    const nobody = { ...counted(), of: { experimentId: randomUUID() } };
    expect(await same((of, read) => of.rowSums(read, nobody, INGEST, NAMES))).toEqual([]);
  });

  test.each<[string, Dimension]>([
    ['key', { kind: 'key' }],
    ['version', { kind: 'version' }],
    ['metadata', { kind: 'metadata', field: 'tenant' }],
    ['a field that no row has', { kind: 'metadata', field: "x') --" }],
  ])('sums by %s', async (_, dimension) => {
    for (const limit of [2, 50]) {
      const { values } = await same((of, read) => of.topValues(read, counted(), dimension, limit));
      const sums = await same((of, read) =>
        of.rowSums(read, counted(), INGEST, ['error_rate', 'cost'], { dimension, values }),
      );
      expect(new Set(sums.map(({ value }) => value))).toEqual(new Set(values));
    }
  });

  test('figures and quantiles by phase and arm', async () => {
    const small = { ...INGEST, caps: { cost_micro_usd: 1_000 } };
    const figures = await same((of, read) => of.rowFigures(read, counted(), small));
    expect(figures.map(({ latencyUs }) => latencyUs!.n).every((n) => n > 20)).toBe(true);
    await same((of, read) => of.rowFigures(read, { ...assigned, until: new Date(AT + 90_000_000) }, small));
  });

  test('units of each step, and who was assigned by an older split', async () => {
    const variants = [] as const;
    const splits = [5, 6, 7].map((configVersion, index) => ({
      ...{ from: new Date(AT + index * 20_000_000), configVersion, variants },
    }));
    const steps = await same((of, read) => of.stepUnits(read, { ...WINDOW, stepMs: 3_600_000 }, splits));
    expect(steps).toHaveLength(48);
    expect(steps.some(({ stale, staleGateways }) => stale > 0 && staleGateways === 1)).toBe(true);
  });

  test('what a plan is made from: traffic, built-in metrics, and what was reported', async () => {
    expect(await same((of, read) => of.unitTraffic(read, WINDOW))).toMatchObject({ units: 14 });
    expect(await same((of, read) => of.unitTraffic(read, { ...WINDOW, until: SINCE }))).toMatchObject({
      firstAt: null,
    });
    for (const metric of ['cost', 'latency', 'first_token_over_objective'])
      await same((of, read) => of.variantSums(read, WINDOW, 'a', metric, OBJECTIVES));
    const report = { organization_id: ORGANIZATION_ID, key_id: randomUUID(), gateway_id: randomUUID() };
    const when = { received_at: new Date(AT + DAY_MS), at: new Date(AT + DAY_MS) };
    await admin!
      .insertInto('feedback')
      .values(
        rows.map(({ id }, index) => ({
          ...{ ...report, ...when, id: `f${index}`, inference_id: id, metric: 'rating' },
          ...(index % 2 === 0
            ? { kind: 'numeric' as const, value: index / 7 }
            : { kind: 'label' as const, label: ['good', 'bad'][index % 3] ?? 'so-so' }),
        })),
      )
      .execute();
    for (const metric of ['rating', 'rating=good', 'rating=nothing', 'unheard-of']) {
      const sums = await same((of, read) => of.variantSums(read, WINDOW, 'a', metric, OBJECTIVES));
      expect(sums!.units > 0, metric).toBe(metric !== 'unheard-of');
    }
  });

  test.each([256, 64])('what a replay goes over, of %i of 256 units', async (shareOf256) => {
    const proposed = [
      { variant: 'a', ranges: [[0, 2_500] as const, [7_000, 10_000] as const] },
      { variant: "it's b", ranges: [[2_500, 7_000] as const] },
    ];
    const window = { ...WINDOW, shareOf256 };
    const cells = await same((of, read) => of.replayCells(read, window, proposed, INGEST));
    const peaks = await same((of, read) => of.replayPeaks(read, window, proposed));
    if (shareOf256 < 256) return;
    expect(cells.length).toBeGreaterThan(20);
    expect(peaks.after.map(({ variant }) => variant)).toEqual(['a', "it's b"]);
  });

  describe('what a rollout asks about the time before it', () => {
    const rollout = () => inTx(async (tx) => (await findRollout(tx, ORGANIZATION_ID, experimentId))!);
    const both = async <Result>(question: (of: RolloutPast, tx: Tx) => Promise<Result>): Promise<Result> => {
      const [found, expected] = [
        await inTx((tx) => question(past, tx)),
        await inTx((tx) => question(POSTGRES_ROLLOUT_PAST, tx)),
      ];
      expect(found).toEqual(expected);
      return found;
    };

    test('caps', async () => {
      const row = await rollout();
      for (const quantile of [0.9, 0.999]) {
        const caps = await both((of, tx) => of.caps(tx, row, { at: UNTIL, ingest: INGEST, quantile }));
        expect(Object.keys(caps)).toHaveLength(5);
      }
      const before = { at: SINCE, ingest: INGEST, quantile: 0.9 };
      expect(await both((of, tx) => of.caps(tx, row, before))).toEqual({});
    });

    test("the champion's failures, and of its newest rows alone", async () => {
      const row = await rollout();
      for (const maxRows of [100_000, 300, 1]) {
        const asked = { at: UNTIL, ingest: INGEST, maxRows };
        expect((await both((of, tx) => of.championHistory(tx, row, asked)))?.units ?? 0).toBeLessThan(15);
      }
      const stranger = { ...row, arms: [{ modelId: randomUUID(), model: "no'body" }] };
      expect(await both((of, tx) => of.championHistory(tx, stranger, { at: UNTIL, ingest: INGEST }))).toBeNull();
    });

    test('the history of units, page by page and once', async () => {
      const kept = async (of: RolloutPast) => {
        const row = { ...(await rollout()), ingest: INGEST };
        await admin!.deleteFrom('experiment_history').execute();
        for (let round = 0; round < 2; round++) await inTx((tx) => of.fillHistory(tx, row));
        return admin!.selectFrom('experiment_history').selectAll().orderBy('unit').execute();
      };
      const [found, expected] = [await kept(past), await kept(POSTGRES_ROLLOUT_PAST)];
      expect(found).toHaveLength(14);
      expect(found).toEqual(expected);
    });

    test('a question that takes longer than it may is ended, and has no answer', async () => {
      const asking = createAsking(store.client);
      const endless = asking.lines(sql`SELECT count() AS n FROM numbers(100000000000)`, 1);
      await expect(endless).rejects.toThrow(LogTooMuchError);
      await expect(endless).rejects.toThrow('TIMEOUT_EXCEEDED');
    });

    test('without ClickHouse it says so, with and without the address', async () => {
      const away = createClickHouseRolloutPast({
        address: { ...store.address, port: 1 },
        limitMs: 1_000,
        nowMs: Date.now,
      });
      const row = await rollout();
      const error = await inTx((tx) => away.championHistory(tx, row, { at: UNTIL, ingest: INGEST })).catch(
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(LogUnavailableError);
      expect(error).toMatchObject({ why: 'cannot be reached: ECONNREFUSED', message: expect.stringContaining(':1 ') });
      away.close();
    });
  });
});
afterAll(stopServer);
