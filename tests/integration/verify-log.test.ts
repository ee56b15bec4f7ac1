import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeReport } from '#cli/verify-log.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import type { FindingKind, LogReport } from '#inference-log/verify/report.ts';
import { UnknownGroupError, verifyLog } from '#inference-log/verify/verify-log.ts';
import { reportLedgers } from '#store/gateway-ledgers.ts';
import { reportGateway, stopGateway } from '#store/gateways.ts';
import { openAudit } from '#store/log-audit.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createLogRig, type LogRig } from '#tests/support/log-rig.ts';
import { beginRecord, endRecord, GROUP_ID, newInferenceId } from '#tests/support/records.ts';
import { waitFor } from '#tests/support/wait.ts';

let rig: LogRig;
let audit: Db;
let gateway: Db;
beforeEach(async () => {
  rig = await createLogRig();
  audit = openAudit(rig.databaseUrl);
  gateway = createPool({ databaseUrl: rig.databaseUrl, role: 'gateway', maxConnections: 1, applicationName: 'test' });
});
afterEach(async () => {
  await audit.destroy();
  await gateway.destroy();
  await rig.close();
});

const verify = (group?: string): Promise<LogReport> =>
  verifyLog({ db: audit, spoolRoot: rig.root, group, maxIds: 3, onProgress: () => {} });
const kinds = ({ findings }: LogReport): FindingKind[] => findings.map(({ kind }) => kind).sort();
const gaps = ({ findings }: LogReport) => findings.filter(({ gap }) => gap);

async function record(writer: SpoolWriter, count: number, status = 200): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newInferenceId());
  await Promise.all(
    ids.map((id) => {
      writer.begin(id, beginRecord(), null);
      return new Promise((release) => writer.end(id, endRecord({ status }), null, release));
    }),
  );
  return ids;
}

/** Ships all there is and stops. */
async function ship(): Promise<void> {
  const shipper = await rig.startShipper();
  await waitFor('the spools to be stored', async () => (await rig.spools()).length === 0);
  await shipper.stop({ drain: true, deadlineMs: 5_000 });
}

async function report(accepted: number, spools = 1, recorded = accepted): Promise<void> {
  const process = { host: 'h', pid: 1, release: '0', workers: 1, snapshotVersion: 0, keyVersion: 0 };
  await reportGateway(gateway, { id: rig.gatewayId, ...process, startedAt: new Date() });
  await reportLedgers(gateway, rig.gatewayId, spools, [{ groupId: GROUP_ID, accepted, recorded, dropped: {} }]);
  await stopGateway(gateway, rig.gatewayId);
}

/** Everything of a folder tree that reading could change. */
function stateOf(folder: string): unknown[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { size, mtimeMs, ino, mode } = statSync(join(folder, name));
      return { name, size, mtimeMs, ino, mode };
    });
}

test('a log without a gap, empty or full, has none', async () => {
  const empty = await verify();
  expect(empty).toEqual({ entries: [], findings: [], rowsCompared: true, spools: { seen: 0, bytes: 0 } });
  const writer = await rig.openWriter();
  await record(writer, 30);
  const open = newInferenceId();
  writer.begin(open, beginRecord(), null);
  await writer.close();
  await ship();
  await report(31, 1, 30);
  const full = await verify();
  expect(full.findings).toEqual([]);
  expect(full.entries).toMatchObject([
    {
      ...{ gatewayId: rig.gatewayId, groupId: GROUP_ID, rows: 31, rolled: 31, waiting: 0, open: 0 },
      ledger: { accepted: 31, stored: 30, interrupted: 1, spooled: 0, inFlight: 0, balance: 'balanced' },
    },
  ]);
  expect(describeReport(full)).toMatch(/no gap$/);
});

test('a live spool is read and not touched; what it holds is on its way', async () => {
  const writer = await rig.openWriter({ maxSegmentBytes: 5_000 });
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  await record(writer, 40);
  await waitFor('the rows', async () => (await rig.storedIds()).length === 40);
  await shipper.stop({ drain: false, deadlineMs: 5_000 });
  await record(writer, 7);
  const open = newInferenceId();
  writer.begin(open, beginRecord(), [Buffer.from('x')]);
  writer.handOver();
  const before = stateOf(rig.root);
  const found = await verify();
  expect(stateOf(rig.root)).toEqual(before);
  expect(gaps(found)).toEqual([]);
  expect(found.findings).toMatchObject([{ kind: 'begin_without_end', count: 1, ids: [open], spoolId: writer.spoolId }]);
  expect(found.entries).toMatchObject([{ rows: 40, rolled: 40, waiting: 7, open: 1 }]);
  expect(writer.accepting).toBe(true);
  await record(writer, 1);
});

test('while gateways write and shippers ship, there is no false gap', async () => {
  const writer = await rig.openWriter({ maxSegmentBytes: 20_000 });
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  let writing = true;
  const written = (async () => {
    for (let i = 0; i < 200 && writing; i++) await record(writer, 20);
  })();
  for (let round = 0; round < 8; round++) expect(gaps(await verify())).toEqual([]);
  writing = false;
  await written;
});

test('rows that are gone are named by the minute, rows too many by their ids', async () => {
  const writer = await rig.openWriter();
  const ids = await record(writer, 10);
  await writer.close();
  await ship();
  await sql`DELETE FROM ringside.inferences WHERE id = ANY (${ids.slice(0, 4)}::uuid[])`.execute(rig.db);
  const [lack] = gaps(await verify());
  expect(lack).toMatchObject({ kind: 'rows_missing', count: 4, gatewayId: rig.gatewayId, groupId: GROUP_ID });
  expect(lack!.detail).toMatch(/^6 rows, the ledger says 10; 20\S+Z has \d+ of \d+/);
  const day = 24 * 60 * 60 * 1000;
  for (let i = 0; i < 5; i++) {
    const [id, at] = [newInferenceId(Date.now() - day), new Date(Date.now() - day)];
    await sql`SELECT ringside.provision_partition(${GROUP_ID}, ${at})`.execute(rig.db);
    await sql`INSERT INTO ringside.inferences SELECT (jsonb_populate_record(i,
        ${JSON.stringify({ id, created_at: at.toISOString() })}::jsonb)).*
      FROM ringside.inferences i WHERE i.id = ${ids[5]}`.execute(rig.db);
  }
  const [surplus] = gaps(await verify());
  expect(surplus).toMatchObject({ kind: 'rows_uncounted', count: 1 });
  expect(surplus!.ids).toHaveLength(3);
});

test('rows that go to another store are not compared, and the report says so; ledger and rollups are', async () => {
  const elsewhere = () =>
    verifyLog({
      db: audit,
      spoolRoot: rig.root,
      group: undefined,
      maxIds: 3,
      rowsElsewhere: true,
      onProgress: () => {},
    });
  const writer = await rig.openWriter();
  await record(writer, 10);
  await writer.close();
  await ship();
  await sql`DELETE FROM ringside.inferences`.execute(rig.db);
  expect(gaps(await verify()).map(({ kind }) => kind)).toContain('rows_missing');
  const report = await elsewhere();
  expect(gaps(report)).toEqual([]);
  expect(describeReport(report)).toMatch(/Rows go to ClickHouse and were not compared(.|\n)*no gap$/);
  await sql`DELETE FROM ringside.rollups`.execute(rig.db);
  expect(gaps(await elsewhere())).toMatchObject([{ kind: 'rollups_differ', count: 10 }]);
});

test('rollups that differ are a gap; rows of a release without them are not', async () => {
  const writer = await rig.openWriter();
  await record(writer, 10);
  await writer.close();
  await ship();
  await sql`UPDATE ringside.ledger SET stored = stored + 2`.execute(rig.db);
  expect(kinds(await verify())).toEqual(['not_rolled', 'rows_missing']);
  await sql`UPDATE ringside.ledger SET stored = stored - 2`.execute(rig.db);
  await sql`DELETE FROM ringside.rollups`.execute(rig.db);
  expect(gaps(await verify())).toMatchObject([{ kind: 'rollups_differ', count: 10 }]);
});

test('rows that were archived or have expired are not missing', async () => {
  const writer = await rig.openWriter();
  const ids = await record(writer, 10);
  await writer.close();
  await ship();
  await report(10);
  await sql`DELETE FROM ringside.inferences WHERE id = ANY (${ids.slice(0, 6)}::uuid[])`.execute(rig.db);
  await sql`UPDATE ringside.ledger SET stored = 4, archived = 4, expired = 2`.execute(rig.db);
  const found = await verify();
  expect(found.findings).toEqual([]);
  expect(found.entries[0]!.ledger).toMatchObject({
    stored: 4,
    archived: 4,
    expired: 2,
    recorded: 10,
    balance: 'balanced',
  });
});

test('what the gateway accepted and nobody has is missing; what its spools hold is not', async () => {
  const writer = await rig.openWriter();
  await record(writer, 10);
  await writer.close();
  await report(12);
  const [lack] = gaps(await verify());
  expect(lack).toMatchObject({ kind: 'accepted_missing', count: 2 });
  await report(10);
  expect(gaps(await verify())).toEqual([]);
  await report(10, 2); // another spool may be elsewhere
  await report(15, 2);
  expect(gaps(await verify())).toEqual([]);
  await report(9);
  await ship();
  expect(gaps(await verify())).toMatchObject([{ kind: 'accepted_exceeded', count: 1 }]);
});

test('dead letters are named with their reason, and are accounted for', async () => {
  const writer = await rig.openWriter();
  await record(writer, 5);
  const poison = await record(writer, 2, 70_000);
  await writer.close();
  await ship();
  await report(7);
  const found = await verify();
  expect(gaps(found)).toEqual([]);
  expect(found.findings).toMatchObject([
    { kind: 'dead_letter', count: 2, detail: expect.stringMatching(/out of range/) },
  ]);
  expect([...found.findings[0]!.ids].sort()).toEqual(poison.sort());
  expect(describeReport(found)).toContain(`    ${poison[0]}`);
});

test('damage of a spool, and a cursor that its files do not reach, are gaps', async () => {
  const writer = await rig.openWriter();
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  const ids = await record(writer, 20);
  await waitFor('the rows', async () => (await rig.storedIds()).length === 20);
  await shipper.stop({ drain: false, deadlineMs: 5_000 });
  const segment = join(rig.root, writer.spoolId, '00000001.seg');
  const whole = readFileSync(segment);
  await sql`DELETE FROM ringside.inferences WHERE id = ${ids[3]}`.execute(rig.db);
  const lost = gaps(await verify());
  expect(lost.map(({ kind }) => kind).sort()).toEqual(['rows_missing', 'shipped_row_missing']);
  expect(lost.find(({ kind }) => kind === 'shipped_row_missing')).toMatchObject({ ids: [ids[3]], count: 1 });
  await sql`UPDATE ringside.ledger SET stored = 19, expired = 1`.execute(rig.db);
  expect(gaps(await verify())).toEqual([]);
  appendFileSync(segment, Buffer.alloc(200, 7));
  expect(kinds(await verify())).toContain('spool_corrupt');
  truncateSync(segment, whole.length - 50);
  expect(kinds(await verify())).toContain('cursor_beyond_segment');
  writeFileSync(segment, whole);
});

test('one group is looked at by name or id; a name that nobody has is said', async () => {
  const writer = await rig.openWriter();
  await record(writer, 5);
  await writer.close();
  await ship();
  expect((await verify(GROUP_ID)).entries).toHaveLength(1);
  await expect(verify('nobody')).rejects.toThrow(UnknownGroupError);
  await mkdir(join(rig.root, 'not-a-spool'));
  expect(gaps(await verify())).toEqual([]);
});
