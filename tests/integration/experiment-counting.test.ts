import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AlarmCode } from '#inference-log/alarms.ts';
import { countExperiments, type KnownExperiment } from '#inference-log/experiments.ts';
import type { BeginRecord, EndRecord, InferenceRow } from '#inference-log/record.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import { type Sink, StaleCursorError } from '#inference-log/spool.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createClickHouseStore, describeWithClickHouse } from '#tests/support/clickhouse-store.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { drawIn, expectedCounts, INGEST, plantGroup, plantRollout, storedCounts } from '#tests/support/experiments.ts';
import { beginRecord, endRecord, GROUP_ID, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';

interface Rig {
  readonly db: Db;
  readonly alarms: { readonly code: AlarmCode; readonly message: string }[];
  /** Two of them, as two gateways' shippers. */
  readonly sinks: readonly Sink[];
  close(): Promise<void>;
}

const PLACE = { organizationId: ORGANIZATION_ID, groupId: GROUP_ID };
const known = (id: string) => new Map<string, KnownExperiment>([[id, { ...PLACE, ingest: INGEST }]]);

function row(
  experiment: BeginRecord['experiment'],
  begin: Partial<BeginRecord> = {},
  end: Partial<EndRecord> = {},
): InferenceRow {
  return {
    ...{ id: newInferenceId(), gatewayId: GROUP_ID, request: null, response: null },
    begin: beginRecord({ experiment, ...begin }),
    end: endRecord(end),
  };
}

function drawnRows(id: string, seed: number, count: number): InferenceRow[] {
  return drawIn(seed, count).map(({ unit, phase, arm, fails, us }) => {
    const attempts = [{ ...endRecord().attempts[0]!, status: fails ? 500 : 200, startNs: 0, endNs: us * 1_000 }];
    const failed = { outcome: 'failed', status: 502, errorCode: 'upstream_error', servedVariant: null } as const;
    return row({ id, phase, arm }, { unit }, { attempts, costMicroUsd: us, ...(fails ? failed : {}) });
  });
}

/** A gateway's spool, shipped batch by batch. */
function openSpool(sink: Sink, gatewayId = randomUUID()) {
  const spoolId = randomUUID();
  const at = (offset: number) => ({ scan: { segment: 1, offset }, shipped: { segment: 1, offset } });
  let offset = 0;
  const batchOf = (rows: readonly InferenceRow[]) => {
    const given = { expected: offset === 0 ? undefined : at(offset), cursor: at(offset + 1) };
    return { spoolId, gatewayId, ...given, rows, dropped: [], finished: false };
  };
  return {
    async ship(rows: readonly InferenceRow[]) {
      await sink.write(batchOf(rows));
      offset++;
    },
    /** As a shipper does that crashed behind its COMMIT. */
    again: (rows: readonly InferenceRow[]) => sink.write(batchOf(rows)),
  };
}

async function shipAll(
  sink: Sink,
  rows: readonly InferenceRow[],
  size: number,
  gatewayId = randomUUID(),
): Promise<void> {
  const spool = openSpool(sink, gatewayId);
  for (let from = 0; from < rows.length; from += size) await spool.ship(rows.slice(from, from + size));
}

function describeCounting(rig: () => Rig): void {
  test.each([
    [1, 1],
    [2, 7],
    [3, 40],
    [4, 200],
  ])('seed %d in batches of %d, by two shippers at once: the same tables as in one go', async (seed, size) => {
    const { db, sinks } = rig();
    const id = await plantRollout(db, PLACE);
    const rows = drawnRows(id, seed, size === 1 ? 60 : 200);
    const halves = [rows.filter((_, i) => i % 2 === 0), rows.filter((_, i) => i % 2 === 1).toReversed()];
    await Promise.all(halves.map((half, i) => shipAll(sinks[i]!, half, size)));
    expect(await storedCounts(db, id)).toEqual(expectedCounts(countExperiments(rows, known(id))));
  });

  test('two shippers that add the same new unit at the same moment count it once', async () => {
    const { db, sinks } = rig();
    const id = await plantRollout(db, PLACE);
    const failed = { outcome: 'failed', status: 502, errorCode: 'upstream_error', servedVariant: null } as const;
    const attempts = [{ ...endRecord().attempts[0]!, status: 500 }];
    for (let i = 0; i < 20; i++) {
      const batch = () =>
        [0, 1, 2].map((n) => row({ id, phase: 1, arm: 0 }, { unit: `u-${i}-${n}` }, { ...failed, attempts }));
      await Promise.all(sinks.map((sink) => openSpool(sink).ship(batch())));
    }
    const { arms, units } = await storedCounts(db, id);
    expect(arms).toMatchObject([{ units: 60, failingUnits: 60, requests: 120, failures: 120 }]);
    expect(units).toHaveLength(60);
  });

  test('a unit fails once, at its first failure, whichever gateway stores it', async () => {
    const { db, sinks } = rig();
    const id = await plantRollout(db, PLACE);
    const [good, bad] = [0, 1].map((fails) => (unit: string) => {
      const attempts = [{ ...endRecord().attempts[0]!, status: fails === 1 ? 500 : 200 }];
      return row({ id, phase: 1, arm: 1 }, { unit }, { attempts });
    });
    const [first, second] = sinks.map((sink) => openSpool(sink));
    const seen = async () => (await storedCounts(db, id)).arms[0];
    await first!.ship([good!('a'), good!('b')]);
    expect(await seen()).toMatchObject({ units: 2, failingUnits: 0 });
    await second!.ship([bad!('a'), good!('a')]);
    expect(await seen()).toMatchObject({ units: 2, failingUnits: 1 });
    await first!.ship([bad!('a'), bad!('b'), good!('c')]);
    expect(await seen()).toMatchObject({ units: 3, failingUnits: 2, requests: 7, failures: 3 });
  });

  test('a batch that is refused counts nothing, and its good rows count when they are shipped alone', async () => {
    const { db, sinks } = rig();
    const id = await plantRollout(db, PLACE);
    const good = drawnRows(id, 9, 10);
    const poisoned = row({ id, phase: 1, arm: 70_000 });
    const spool = openSpool(sinks[0]!);
    await expect(spool.again([...good, poisoned])).rejects.toThrow();
    expect((await storedCounts(db, id)).units).toEqual([]);
    await spool.ship(good);
    expect(await storedCounts(db, id)).toEqual(expectedCounts(countExperiments(good, known(id))));
  });

  test('a batch that a shipper repeats behind its commit is stale and counts nothing', async () => {
    const { db, sinks } = rig();
    const id = await plantRollout(db, PLACE);
    const rows = drawnRows(id, 5, 30);
    const gatewayId = randomUUID();
    const spoolId = randomUUID();
    const at = { scan: { segment: 1, offset: 1 }, shipped: { segment: 1, offset: 1 } };
    const batch = { spoolId, gatewayId, expected: undefined, cursor: at, rows, dropped: [], finished: false };
    await sinks[0]!.write(batch);
    await expect(sinks[1]!.write(batch)).rejects.toThrow(StaleCursorError);
    expect(await storedCounts(db, id)).toEqual(expectedCounts(countExperiments(rows, known(id))));
  });

  test('late rows of an experiment that has ended join the phase that they were made in', async () => {
    const { db, sinks } = rig();
    const id = await plantRollout(db, PLACE, { endedAt: new Date() });
    await openSpool(sinks[0]!).ship([row({ id, phase: 1, arm: 0 })]);
    expect((await storedCounts(db, id)).arms).toMatchObject([{ arm: '1/0', units: 1 }]);
  });

  test('rows of an experiment that is not known, not started or another group’s are stored, told of once, and count in none', async () => {
    const { db, sinks, alarms } = rig();
    const stranger = await plantRollout(db, PLACE, { startedAt: null });
    const elsewhere = await plantRollout(db, PLACE);
    const nowhere = randomUUID();
    const groupId = randomUUID();
    const rows = [
      row({ id: stranger, phase: 1, arm: 0 }),
      row({ id: nowhere, phase: 1, arm: 0 }),
      row({ id: elsewhere, phase: 1, arm: 0 }, { groupId }),
    ];
    const spool = openSpool(sinks[0]!);
    await spool.ship(rows);
    await spool.ship([row({ id: nowhere, phase: 1, arm: 0 })]);
    for (const id of [stranger, nowhere, elsewhere]) {
      expect(await storedCounts(db, id)).toEqual({ units: [], arms: [], inferences: [] });
      expect(alarms.filter(({ message }) => message.includes(id))).toMatchObject([{ code: 'experiment_unknown' }]);
    }
    await spool.ship([row({ id: elsewhere, phase: 1, arm: 0 })]);
    expect((await storedCounts(db, elsewhere)).arms).toHaveLength(1);
  });

  test('a mirrored call waits to be compared, and the figures of traffic do not know it', async () => {
    const { db, sinks } = rig();
    const id = await plantRollout(db, PLACE);
    const gatewayId = randomUUID();
    const traffic = row({ id, phase: 1, arm: 0 }, { assignedVariant: 'mirror' }, { costMicroUsd: 5 });
    const shadow = { servedReason: 'shadow', servedVariant: null, costMicroUsd: 700 } as const;
    const mirrored = row({ id, phase: 1, arm: 1 }, { assignedVariant: 'mirror', shadowOf: traffic.id }, shadow);
    // One whose gateway died: its begin alone says that it mirrors.
    const died = { outcome: 'interrupted', servedVariant: null, servedReason: 'none', attempts: [] } as const;
    const cut = row({ id, phase: 1, arm: 1 }, { assignedVariant: 'mirror', shadowOf: traffic.id }, died);
    await shipAll(sinks[0]!, [traffic, mirrored, cut], 3, gatewayId);
    expect((await storedCounts(db, id)).arms).toMatchObject([{ arm: '1/0', requests: 1 }]);
    const pair = await db
      .selectFrom('shadow_pairs')
      .selectAll()
      .where('shadow_id', '=', mirrored.id)
      .executeTakeFirstOrThrow();
    expect(pair).toMatchObject({
      inference_id: traffic.id,
      experiment_id: id,
      shadow_variant: 'mirror',
      state: 'pending',
    });
    const place = await db
      .selectFrom('experiment_inferences')
      .selectAll()
      .where('inference_id', '=', mirrored.id)
      .executeTakeFirstOrThrow();
    expect(place).toMatchObject({ shadow_of: traffic.id, arm: 1, unit: pair.unit });
    const kept = await db.selectFrom('rollups').selectAll().where('gateway_id', '=', gatewayId).execute();
    const sum = (column: 'count' | 'shadows' | 'with_usage' | 'cost_micro_usd') =>
      kept.reduce((total, one) => total + one[column], 0);
    expect([sum('count'), sum('shadows'), sum('with_usage'), sum('cost_micro_usd')]).toEqual([2, 1, 1, 5]);
    const seen = await db.selectFrom('rollup_minutes').selectAll().where('assigned_variant', '=', 'mirror').execute();
    expect(seen.reduce((total, one) => total + one.count, 0)).toBe(
      seen.reduce((total, one) => total + one.with_usage, 0),
    );
    expect(seen.map(({ interrupted }) => interrupted)).toEqual(seen.map(() => 0));
    expect(seen.reduce((total, one) => total + one.interrupted_shadows, 0)).toBeGreaterThan(0);
    expect(await sinks[0]!.readLedger(gatewayId)).toMatchObject([{ groupId: GROUP_ID, stored: 2, interrupted: 1 }]);
  });
}

async function openRig(
  sinkOf: (url: string, onAlarm: (code: AlarmCode, message: string) => void) => Sink,
): Promise<Rig> {
  const database = await createTestDatabase();
  const db = createPool({ databaseUrl: database.url, role: 'login', maxConnections: 2, applicationName: 'test' });
  await plantGroup(db, ORGANIZATION_ID, GROUP_ID);
  const alarms: { code: AlarmCode; message: string }[] = [];
  const onAlarm = (code: AlarmCode, message: string) => void alarms.push({ code, message });
  const sinks = [sinkOf(database.url, onAlarm), sinkOf(database.url, onAlarm)];
  return {
    ...{ db, alarms, sinks },
    async close() {
      for (const sink of sinks) await sink.close();
      await db.destroy();
      await database.drop();
    },
  };
}

describe('experiments counted with the rows in PostgreSQL', () => {
  let rig: Rig;
  let url: string;
  beforeAll(async () => {
    rig = await openRig((databaseUrl, onAlarm) => {
      url = databaseUrl;
      return createPostgresSink({ databaseUrl, onAlarm });
    });
  });
  afterAll(() => rig.close());
  beforeEach(() => rig.alarms.splice(0));
  describeCounting(() => rig);

  test('a row that is there already does not count again, also among new ones', async () => {
    const { db, sinks } = rig;
    const id = await plantRollout(db, PLACE);
    const rows = drawnRows(id, 6, 60);
    await shipAll(sinks[0]!, rows.slice(0, 40), 10);
    await shipAll(sinks[1]!, rows, 25);
    expect(await storedCounts(db, id)).toEqual(expectedCounts(countExperiments(rows, known(id))));
  });

  test('who ships reads none of what was reported and none of the pairs', async () => {
    const shipper = createPool({ databaseUrl: url, role: 'shipper', maxConnections: 1, applicationName: 'test' });
    try {
      for (const text of [
        'comment FROM feedback',
        'correlation FROM experiment_inferences',
        'measures FROM shadow_pairs',
      ]) {
        await expect(sql`SELECT ${sql.raw(text)}`.execute(shipper)).rejects.toThrow(/permission denied/);
      }
    } finally {
      await shipper.destroy();
    }
  });

  test('a batch without an experiment asks the database for nothing more', async () => {
    const { db, sinks } = rig;
    // Whoever asked one of these tables would wait.
    await db.transaction().execute(async (tx) => {
      await sql`LOCK TABLE rollouts, experiment_units, experiment_totals, experiment_inferences, shadow_pairs IN ACCESS EXCLUSIVE MODE`.execute(
        tx,
      );
      await openSpool(sinks[0]!).ship([row(undefined), row(undefined)]);
    });
  });
});

const stopServer = await describeWithClickHouse('experiments counted with the rows in ClickHouse', (server) => {
  let rig: Rig;
  let closeStore: () => Promise<void>;
  beforeAll(async () => {
    const store = await createClickHouseStore(server());
    closeStore = store.close;
    rig = await openRig((databaseUrl, onAlarm) =>
      createClickHouseSink({ databaseUrl, clickhouse: store.address, onAlarm }),
    );
  });
  afterAll(async () => {
    await rig.close();
    await closeStore();
  });
  beforeEach(() => rig.alarms.splice(0));
  describeCounting(() => rig);
});
afterAll(() => stopServer());
