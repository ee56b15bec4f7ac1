import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import { createPool, inOrganization } from '#store/pool.ts';
import { figuresOfTable, rolledFigures } from '#tests/support/figures.ts';
import { createLogRig, type LogRig } from '#tests/support/log-rig.ts';
import { beginRecord, endRecord, GROUP_ID, newInferenceId, ORGANIZATION_ID } from '#tests/support/records.ts';
import { waitFor } from '#tests/support/wait.ts';

let rig: LogRig;
beforeEach(async () => {
  rig = await createLogRig();
});
afterEach(() => rig.close());

const OTHER_GROUP = '01890000-0000-7000-8000-0000000000ff';
const FAILED = { outcome: 'failed', status: 502, errorCode: 'upstream_error', servedVariant: null } as const;

/** Records inferences of two groups, several variants, outcomes and minutes; some are poison, some never end. */
async function writeVaried(writer: SpoolWriter, count: number): Promise<void> {
  const now = Date.now();
  const ends: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    const groupId = i % 4 === 0 ? OTHER_GROUP : GROUP_ID;
    const id = newInferenceId(now - (i % 5) * 45_000, groupId);
    writer.begin(id, beginRecord({ groupId, assignedVariant: i % 3 === 0 ? 'small' : 'large' }), null);
    if (i % 17 === 0) continue;
    const end = endRecord({
      ...(i % 6 === 0 ? FAILED : {}),
      ...{
        inputTokens: i % 5 === 0 ? null : i,
        outputTokens: i,
        reasoningTokens: i % 2,
        costMicroUsd: i % 3 === 0 ? null : i,
      },
      ...{ totalNs: (i % 50) ** 5 * 1_000, firstTokenNs: i % 2 === 0 ? i * 1_000_000 : null },
      ...(i % 101 === 5 ? { status: 70_000 } : {}),
    });
    ends.push(new Promise((release) => writer.end(id, end, null, release)));
  }
  await Promise.all(ends);
  await writer.close();
}

const shipped = () => waitFor('the spools to be stored', async () => (await rig.spools()).length === 0, 30_000);

async function expectExact(): Promise<void> {
  const counted = await figuresOfTable(rig.db);
  expect(counted.length).toBeGreaterThan(10);
  expect(await rolledFigures(rig.db)).toEqual(counted);
  const ledger = await rig.db.selectFrom('ledger').selectAll().execute();
  const sum = (of: (row: (typeof ledger)[number]) => number) => ledger.reduce((total, row) => total + of(row), 0);
  expect(sum((row) => row.rolled)).toBe(sum((row) => row.stored + row.interrupted));
  expect(counted.reduce((total, { count }) => total + count, 0)).toBe(sum((row) => row.stored));
}

/** Cuts the shipper's connection within its transaction: rows and rollups are written, and it waits for the ledger. */
async function cutWithin(write: () => Promise<void>): Promise<void> {
  const outcome = await rig.db.transaction().execute(async (holder) => {
    await sql`LOCK TABLE ledger IN EXCLUSIVE MODE`.execute(holder);
    const settled = write().then(
      () => null,
      (error: Error) => error,
    );
    await waitFor('the shipper to wait for the ledger', async () => {
      const waiting = await sql`SELECT FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'ringside shipper' AND wait_event_type = 'Lock'`.execute(rig.db);
      return waiting.rows.length > 0;
    });
    await rig.cutConnections();
    return settled;
  });
  if (outcome !== null) throw outcome;
}

test('rollups are what a SELECT over the rows says, after crashes before, within and after commits, and with poison', async () => {
  await writeVaried(await rig.openWriter({ maxSegmentBytes: 20_000 }), 500);
  const real = createPostgresSink({ databaseUrl: rig.databaseUrl });
  const faults = new Map([
    [1, 'before'],
    [3, 'within'],
    [5, 'after'],
    [9, 'within'],
    [10, 'after'],
    [14, 'before'],
  ]);
  let turn = 0;
  await rig.startShipper({
    ...real,
    async write(batch) {
      const fault = faults.get(++turn);
      if (fault === 'before') throw new Error('died before');
      await (fault === 'within' ? cutWithin(() => real.write(batch)) : real.write(batch));
      if (fault === 'after') throw new Error('died after');
    },
  });
  await shipped();
  await expectExact();
  const interrupted = (await rolledFigures(rig.db)).reduce((sum, figures) => sum + figures.interrupted, 0);
  expect(interrupted).toBe(30);
});

test('several spools of a gateway and several gateways are shipped side by side without a deadlock, to the same sums', async () => {
  const writers = await Promise.all([1, 2, 3, 4].map(() => rig.openWriter()));
  const others = await Promise.all([1, 2].map(() => rig.openWriter({ gatewayId: randomUUID() })));
  await Promise.all([...writers, ...others].map((writer) => writeVaried(writer, 400)));
  await Promise.all([rig.startShipper(), rig.startShipper(), rig.startShipper()]);
  await shipped();
  await expectExact();
  const { rows } = await sql<{ gateways: number }>`
    SELECT count(DISTINCT gateway_id) AS gateways FROM ringside.rollups`.execute(rig.db);
  expect(rows[0]!.gateways).toBe(3);
  expect(rig.alarms.filter(({ code }) => code !== 'dead_letter')).toEqual([]);
});

test('rows that are there already, whatever part of a batch they are, are not rolled up again', async () => {
  const sink = createPostgresSink({ databaseUrl: rig.databaseUrl });
  const at = (offset: number) => ({ scan: { segment: 1, offset }, shipped: { segment: 1, offset } });
  const rows = Array.from({ length: 200 }, (_, i) => ({
    ...{ id: newInferenceId(), gatewayId: rig.gatewayId, begin: beginRecord(), request: null, response: null },
    end: endRecord({ totalNs: i * 1_000, inputTokens: i }),
  }));
  const given = { gatewayId: rig.gatewayId, dropped: [], finished: false, expected: undefined, cursor: at(1) };
  const parts = [rows.slice(40, 80), rows.filter((_, i) => i % 13 === 0), rows.slice(150), rows];
  for (const part of parts) await sink.write({ ...given, spoolId: randomUUID(), rows: part });
  await sink.close();
  expect(await rolledFigures(rig.db)).toEqual(await figuresOfTable(rig.db));
  expect(await rig.storedIds()).toHaveLength(200);
});

test('an organization reads its own rollups and nobody else changes them', async () => {
  await writeVaried(await rig.openWriter(), 60);
  await rig.startShipper();
  await shipped();
  const open = (role: 'application' | 'gateway' | 'leader') =>
    createPool({ databaseUrl: rig.databaseUrl, role, maxConnections: 1, applicationName: 'test' });
  const [application, gateway, leader] = [open('application'), open('gateway'), open('leader')];
  try {
    const count = (organizationId: string) =>
      inOrganization(application, organizationId, async (tx) => ({
        rollups: (await tx.selectFrom('rollups').selectAll().execute()).length,
        view: (await tx.selectFrom('rollup_minutes').selectAll().execute()).length,
      }));
    const own = await count(ORGANIZATION_ID);
    expect(own.rollups).toBeGreaterThan(5);
    expect(own.view).toBe(own.rollups);
    expect(await count(randomUUID())).toEqual({ rollups: 0, view: 0 });
    const change = inOrganization(application, ORGANIZATION_ID, (tx) => tx.deleteFrom('rollups').execute());
    await expect(change).rejects.toThrow(/permission denied/);
    await expect(gateway.selectFrom('rollups').selectAll().execute()).rejects.toThrow(/permission denied/);
    expect(await leader.selectFrom('rollups').selectAll().execute()).toHaveLength(own.rollups);
    await expect(leader.deleteFrom('rollups').execute()).rejects.toThrow(/permission denied/);
  } finally {
    await Promise.all([application, gateway, leader].map((db) => db.destroy()));
  }
});
