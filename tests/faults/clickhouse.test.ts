import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { ClickHouseAddress } from '#inference-log/sinks/clickhouse/address.ts';
import { createClickHouseSink } from '#inference-log/sinks/clickhouse/sink.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import type { ShipperStart } from '#inference-log/thread-messages.ts';
import {
  type ClickHouseStore,
  createClickHouseStore,
  describeWithClickHouse,
} from '#tests/support/clickhouse-store.ts';
import { type HttpGate, startHttpGate } from '#tests/support/http-gate.ts';
import { createLogRig, type LogRig } from '#tests/support/log-rig.ts';
import { beginRecord, endRecord, GROUP_ID, IN_TABLES, newInferenceId } from '#tests/support/records.ts';
import { waitFor } from '#tests/support/wait.ts';

const KILLS = 8;
const CHILD = fileURLToPath(new URL('../support/shipper-child.ts', import.meta.url));

const stopServer = await describeWithClickHouse('the log in ClickHouse, under faults', (server) => {
  let rig: LogRig;
  let store: ClickHouseStore;
  let gate: HttpGate;
  /** The store as seen through the gate. */
  let address: ClickHouseAddress;
  beforeEach(async () => {
    rig = await createLogRig();
    store = await createClickHouseStore(server());
    gate = await startHttpGate(store.address.port);
    address = { ...store.address, host: '127.0.0.1', port: gate.port };
  });
  afterEach(async () => {
    await rig.close();
    await gate.close();
    await store.close();
  });

  const startShipper = () =>
    rig.startShipper(createClickHouseSink({ databaseUrl: rig.databaseUrl, clickhouse: address }));
  const stored = (count: number) =>
    waitFor(`${count} rows`, async () => (await store.storedIds(rig.gatewayId)).length >= count, 30_000);
  /** Everything that was acknowledged is read once, with its payload, and was counted once. */
  const expectExactly = async (ids: readonly string[]) => {
    expect(await store.storedIds(rig.gatewayId)).toEqual([...ids].sort());
    const payloads = await store.rows('SELECT id FROM inference_payloads FINAL');
    expect(payloads.map(({ id }) => id).sort()).toEqual([...ids].sort());
    await waitFor('the ledger', () => rig.ledger()[0]?.stored === ids.length);
    expect(rig.ledger()).toEqual([{ groupId: GROUP_ID, stored: ids.length, ...IN_TABLES, interrupted: 0, dropped: 0 }]);
  };

  test(`kill -9 between rows and cursor, ${KILLS} times: nothing is lost, nothing doubled, nothing counted twice`, async () => {
    const ids: string[] = [];
    let inserts = 0;
    await store.client.query('SYSTEM STOP MERGES inferences');
    for (let kill = 0; kill < KILLS; kill++) {
      const writer = await rig.openWriter();
      for (let i = 0; i < 40; i++) ids.push(await record(writer));
      await writer.close();
      // Each life cuts its batches differently, and dies after the payloads or after the rows, of the first batch or a later one.
      const start: ShipperStart = {
        ...{ databaseUrl: rig.databaseUrl, clickhouse: address, root: rig.root, gatewayId: rig.gatewayId },
        ...{ servingLoad: [], maxSpoolBytes: 1e9, batchRows: 7 + 4 * kill, maxBatchAgeMs: 20 },
      };
      const child = spawn(process.execPath, [CHILD, JSON.stringify(start), ...(await rig.spools())], {
        stdio: 'inherit',
      });
      const dead = once(child, 'exit');
      let left = 1 + (kill % 4);
      gate.onAnswered = async (path) => {
        if (!path.includes('INSERT INTO') || --left > 0) return;
        child.kill('SIGKILL');
        await dead;
        inserts++;
      };
      await dead;
    }
    gate.onAnswered = () => undefined;
    expect(inserts).toBeGreaterThanOrEqual(KILLS);
    const shipper = await startShipper();
    await waitFor('the spools to be shipped', async () => (await rig.spools()).length === 0, 30_000);
    expect(await shipper.stop({ drain: true, deadlineMs: 10_000 })).toEqual({ drained: true });
    await expectExactly(ids);
    const [raw] = await store.rows('SELECT count() AS rows FROM inferences');
    const repeated = Number(raw!['rows']) - ids.length;
    expect(repeated).toBeGreaterThan(0); // else there was nothing to tell apart
    process.stderr.write(
      `killed ${KILLS} times: acknowledged ${ids.length}, stored ${ids.length}, duplicates read 0, lost 0` +
        ` (${repeated} rows came twice; readers use FINAL)\n`,
    );
  });

  test('PostgreSQL gone after the rows and before the cursor, again and again: each is read and counted once', async () => {
    const writer = await rig.openWriter({ maxSegmentBytes: 20_000 });
    const shipper = await startShipper();
    shipper.addSpool(writer.spoolId);
    let answered = 0;
    gate.onAnswered = async (path) => {
      if (path.includes('INSERT INTO inferences') && answered++ % 2 === 0 && answered < 12) await rig.cutConnections();
    };
    const ids: string[] = [];
    for (let burst = 0; burst < 6; burst++) {
      const before = answered;
      for (let i = 0; i < 50; i++) ids.push(await record(writer));
      await waitFor('more inserts', () => answered > before);
    }
    expect(rig.alarms.some(({ code }) => code === 'shipping_stalled')).toBe(true);
    await writer.close();
    expect(await shipper.stop({ drain: true, deadlineMs: 30_000 })).toEqual({ drained: true });
    await expectExactly(ids);
  });

  test('while ClickHouse is away everything is kept, with one alarm, and shipped when it is back', async () => {
    const writer = await rig.openWriter();
    const shipper = await startShipper();
    shipper.addSpool(writer.spoolId);
    const ids = [await record(writer)];
    await stored(1);
    gate.setOpen(false);
    for (let i = 0; i < 50; i++) ids.push(await record(writer));
    await waitFor('the alarm', () => rig.alarms.length === 1);
    expect(await store.storedIds(rig.gatewayId)).toHaveLength(1);
    gate.setOpen(true);
    await stored(51);
    await waitFor('the end of the alarm', () => rig.alarms.length === 2);
    expect(rig.alarms.map(({ code }) => code)).toEqual(['shipping_stalled', 'shipping_resumed']);
    expect(rig.alarms[0]!.message).toMatch(/^ClickHouse at 127\.0\.0\.1:\d+ cannot be reached/);
    await expectExactly(ids);
  });

  test('poison records go to the dead letters; their batch is stored', async () => {
    const writer = await rig.openWriter();
    const good: string[] = [];
    for (let i = 0; i < 30; i++) good.push(await record(writer));
    await record(writer, { status: 70_000 });
    await record(writer, { responseSha256: 'not hex' });
    for (let i = 0; i < 30; i++) good.push(await record(writer));
    const shipper = await startShipper();
    shipper.addSpool(writer.spoolId);
    await writer.close();
    expect(await shipper.stop({ drain: true, deadlineMs: 20_000 })).toEqual({ drained: true });
    expect(await store.storedIds(rig.gatewayId)).toEqual([...good].sort());
    expect(rig.ledger()).toEqual([{ groupId: GROUP_ID, stored: 60, ...IN_TABLES, interrupted: 0, dropped: 2 }]);
    expect(rig.alarms.map(({ code }) => code)).toEqual(['dead_letter', 'dead_letter']);
  });
});
afterAll(stopServer);

/** Records a whole inference and gives its id once it is acknowledged. */
async function record(writer: SpoolWriter, end: Parameters<typeof endRecord>[0] = {}): Promise<string> {
  const id = newInferenceId();
  writer.begin(id, beginRecord(), [Buffer.from(`request ${id}`)]);
  const taken = await new Promise((release) => {
    writer.end(id, endRecord(end), [Buffer.from(`response ${id}`)], release);
  });
  expect(taken).toBe(true);
  return id;
}
