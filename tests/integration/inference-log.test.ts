import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CUT, packFacts, REDACTED } from '#core/capture-facts.ts';
import type { BeginRecord, EndRecord } from '#inference-log/record.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import type { FromShipper, ShipperStart, ToShipper } from '#inference-log/thread-messages.ts';
import { createLogRig, type LogRig } from '#tests/support/log-rig.ts';
import { beginRecord, endRecord, GROUP_ID, IN_TABLES, newInferenceId } from '#tests/support/records.ts';
import { waitFor } from '#tests/support/wait.ts';

let rig: LogRig;
beforeEach(async () => {
  rig = await createLogRig();
});
afterEach(() => rig.close());

interface Sample {
  readonly id?: string;
  readonly begin?: Partial<BeginRecord>;
  readonly end?: Partial<EndRecord>;
  readonly request?: Buffer | null;
  readonly response?: Buffer | null;
}

/** Records a whole inference and gives its id once it is acknowledged. */
async function record(writer: SpoolWriter, sample: Sample = {}): Promise<string> {
  const { id = newInferenceId(), request = null, response = null } = sample;
  writer.begin(id, beginRecord(sample.begin), request === null ? null : [request]);
  const taken = await new Promise((release) => {
    writer.end(id, endRecord(sample.end), response === null ? null : [response], release);
  });
  expect(taken).toBe(true);
  return id;
}

const stored = (count: number) =>
  waitFor(`${count} rows`, async () => {
    const ids = await rig.storedIds();
    return ids.length >= count && ids;
  });

test('what was written is stored as it was, and the cursor with it', async () => {
  const writer = await rig.openWriter();
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  const sha = createHash('sha256').update('whole').digest('hex');
  const id = newInferenceId();
  writer.begin(id, beginRecord({ streamed: true, requestSha256: sha, requestFacts: CUT.limit }), [
    Buffer.from([0, 255]),
    Buffer.from('x'),
  ]);
  writer.part(id, Buffer.from('one '));
  writer.part(id, Buffer.from('two '));
  await new Promise((release) =>
    writer.end(id, endRecord({ responseBytes: 5e9, responseFacts: REDACTED }), [Buffer.from('end')], release),
  );
  const bare = await record(writer, { end: { attempts: [], servedVariant: null, responseType: null } });
  await stored(2);
  const row = await rig.db.selectFrom('inferences').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  expect(row).toMatchObject({
    ...{ group_id: GROUP_ID, gateway_id: rig.gatewayId, schema_version: 1, config_version: 7, streamed: true },
    ...{ unit: 'user-1', bucket: 4321, range_to: 5000, status: 200, outcome: 'completed', end_reason: 'body' },
    ...{ input_tokens: 5, output_tokens: 0, cached_tokens: null, total_ns: 4e9, first_token_ns: null },
    ...{
      request_bytes: 3,
      response_bytes: 5e9,
      error_code: null,
      attempts: endRecord().attempts,
      cost_micro_usd: null,
      capture_facts: packFacts(CUT.limit, REDACTED),
    },
  });
  expect(row.created_at.getTime()).toBe(Number.parseInt(id.replace('-', '').slice(0, 12), 16));
  const payloads = await rig.db.selectFrom('inference_payloads').selectAll().execute();
  expect(payloads).toHaveLength(1); // the other one has none
  expect(payloads[0]).toMatchObject({ id, request: Buffer.from([0, 255, 120]), response: Buffer.from('one two end') });
  expect(payloads[0]).toMatchObject({ request_sha256: Buffer.from(sha, 'hex'), response_sha256: null });
  expect(await rig.storedIds()).toContain(bare);
  // As a release wrote it that did not say what it kept.
  const old = await rig.db.selectFrom('inferences').select('capture_facts').where('id', '=', bare).executeTakeFirst();
  expect(old).toEqual({ capture_facts: null });
  const cursor = await rig.db.selectFrom('spools').selectAll().executeTakeFirstOrThrow();
  expect(cursor).toMatchObject({ id: writer.spoolId, gateway_id: rig.gatewayId, finished: false });
  expect(cursor.shipped_offset).toBeGreaterThan(0);
  await waitFor('the ledger', () => rig.ledger()[0]?.stored === 2);
  await writer.close();
  expect(await shipper.stop({ drain: true, deadlineMs: 10_000 })).toEqual({ drained: true });
  expect(await rig.spools()).toEqual([]);
  expect(rig.alarms).toEqual([]);
});

test('rows of any week find or make their partition, even one that was dropped meanwhile', async () => {
  const writer = await rig.openWriter();
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  const week = 7 * 24 * 60 * 60 * 1000;
  const past = Date.parse('2026-01-05T00:00:00Z'); // a Monday, at its first millisecond
  for (const unixMs of [past - 1, past, past + week - 1, past + week])
    await record(writer, { id: newInferenceId(unixMs) });
  await stored(4);
  const children = async () => {
    const { rows } = await sql<{ name: string }>`SELECT relname AS name FROM pg_class
      WHERE relname LIKE 'inferences\_g\_%\_20______' AND relkind = 'r' ORDER BY 1`.execute(rig.db);
    return rows.map(({ name }) => name.slice(-8));
  };
  expect(await children()).toEqual(['20251229', '20260105', '20260112']);
  const { rows } = await sql<{ name: string }>`SELECT relname AS name FROM pg_class
    WHERE relname LIKE '%_g_%_20260105' AND relkind = 'r'`.execute(rig.db);
  for (const { name } of rows) await sql`DROP TABLE ${sql.table(name)}`.execute(rig.db);
  const id = await record(writer, { id: newInferenceId(past + 1) });
  await waitFor('the row', async () => (await rig.storedIds()).includes(id));
  expect(await children()).toContain('20260105');
});

test('poison records are mended or set aside one by one; their batch survives', async () => {
  const writer = await rig.openWriter();
  const good: string[] = [];
  const bad: string[] = [];
  for (let i = 0; i < 40; i++) good.push(await record(writer, { request: Buffer.from(`good ${i}\0`) }));
  const odd = 'a\0b\ud800c';
  const attempts = endRecord().attempts.map((attempt) => ({ ...attempt, requestId: odd }));
  const mended = await record(writer, { begin: { unit: odd }, end: { finishReason: odd, attempts } });
  bad.push(await record(writer, { end: { status: 70_000 }, response: Buffer.from('kept') }));
  bad.push(await record(writer, { end: { totalNs: 1.5 } }));
  bad.push(await record(writer, { end: { inputTokens: 3e9 } }));
  bad.push(await record(writer, { end: { responseSha256: 'not hex' } }));
  bad.push(await record(writer, { begin: { keyId: 'nobody' } }));
  bad.push(await record(writer, { begin: { bucket: undefined as never } }));
  bad.push(await record(writer, { id: newInferenceId(Date.now() + 2 * 24 * 60 * 60 * 1000) }));
  const stray = newInferenceId();
  writer.end(stray, endRecord(), null, () => {});
  for (let i = 0; i < 40; i++) good.push(await record(writer));
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  await writer.close();
  expect(await shipper.stop({ drain: true, deadlineMs: 20_000 })).toEqual({ drained: true });
  expect(await rig.storedIds()).toEqual([...good, mended].sort());
  const row = await rig.db.selectFrom('inferences').selectAll().where('id', '=', mended).executeTakeFirstOrThrow();
  expect([row.unit, row.finish_reason]).toEqual(['a\ufffdb\ufffdc', 'a\ufffdb\ufffdc']);
  expect(row.attempts).toMatchObject([{ requestId: 'a\ufffdb\ufffdc' }]);
  const lines = (await readFile(join(rig.root, 'dead-letters', `${writer.spoolId}.jsonl`), 'utf8')).trim().split('\n');
  const letters = lines.map((line) => JSON.parse(line));
  expect(letters.map(({ id }) => id).sort()).toEqual([...bad, stray].sort());
  const [first] = letters.filter(({ id }) => id === bad[0]);
  expect(first.reason).toMatch(/out of range/);
  expect(Buffer.from(first.frames[1].payload, 'base64').toString()).toBe('kept');
  const byGroup = Object.fromEntries(rig.ledger().map(({ groupId, ...counts }) => [groupId, counts]));
  expect(byGroup[GROUP_ID]).toEqual({ stored: 81, ...IN_TABLES, interrupted: 0, dropped: 7 });
  expect(Object.values(byGroup).reduce((sum, { dropped }) => sum + dropped, 0)).toBe(8);
});

test('with its connections cut again and again, every inference is stored exactly once', async () => {
  const writer = await rig.openWriter({ maxSegmentBytes: 20_000 });
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  let cutting = true;
  const cuts = (async () => {
    while (cutting) await rig.cutConnections();
  })();
  const ids: string[] = [];
  const written = (async () => {
    while (ids.length < 600) ids.push(await record(writer, { request: Buffer.from('r'), response: Buffer.alloc(200) }));
  })();
  await written;
  await waitFor('an outage', () => rig.alarms.some(({ code }) => code === 'shipping_stalled'));
  cutting = false;
  await cuts;
  await writer.close();
  expect(await shipper.stop({ drain: true, deadlineMs: 20_000 })).toEqual({ drained: true });
  expect(await rig.storedIds()).toEqual(ids.sort());
  expect(rig.ledger()).toEqual([{ groupId: GROUP_ID, stored: 600, ...IN_TABLES, interrupted: 0, dropped: 0 }]);
});

test('while the store is away everything is kept, with one alarm, and shipped when it is back', async () => {
  const writer = await rig.openWriter();
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  await record(writer);
  await stored(1);
  await rig.setReachable(false);
  for (let i = 0; i < 50; i++) await record(writer);
  await waitFor('the alarm', () => rig.alarms.length === 1);
  expect(await rig.storedIds()).toHaveLength(1);
  await rig.setReachable(true);
  await stored(51);
  await waitFor('the end of the alarm', () => rig.alarms.length === 2);
  expect(rig.alarms.map(({ code }) => code)).toEqual(['shipping_stalled', 'shipping_resumed']);
});

test('a spool at its bound refuses what is new, and goes on when the store has caught up', async () => {
  const writer = await rig.openWriter({ maxSpoolBytes: 200_000, maxSegmentBytes: 20_000 });
  const open = newInferenceId();
  writer.begin(open, beginRecord(), null);
  let count = 0;
  for (; writer.accepting; count++) await record(writer, { response: Buffer.alloc(1000) });
  // What was accepted may still end.
  expect(await new Promise((release) => writer.end(open, endRecord(), null, release))).toBe(true);
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  await waitFor('the spool to accept', () => writer.accepting);
  await stored(count + 1);
  expect(rig.alarms.map(({ code }) => code)).toEqual(['spool_full', 'spool_recovered']);
});

test('one record beyond the bound does not stop the spool for ever', async () => {
  const writer = await rig.openWriter({ maxSpoolBytes: 200_000 });
  await record(writer, { response: Buffer.alloc(300_000) });
  await waitFor('the spool to refuse', () => !writer.accepting);
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  await waitFor('the spool to accept', () => writer.accepting);
  await stored(1);
});

test("the shipper's thread ships, reports and drains", async () => {
  const writer = await rig.openWriter();
  const workerData: ShipperStart = {
    databaseUrl: rig.databaseUrl,
    root: rig.root,
    gatewayId: rig.gatewayId,
    servingLoad: [],
    maxSpoolBytes: 1e9,
  };
  const thread = new Worker(new URL('../../inference-log/thread.ts', import.meta.url), { workerData });
  const messages: FromShipper[] = [];
  thread.on('message', (message: FromShipper) => messages.push(message));
  const exited = new Promise((done) => thread.once('exit', done));
  const send = (message: ToShipper) => thread.postMessage(message);
  send({ type: 'add-spool', spoolId: writer.spoolId });
  const ids = [await record(writer), await record(writer)];
  await stored(2);
  ids.push(await record(writer));
  await writer.close();
  send({ type: 'stop', drain: true, deadlineMs: 10_000 });
  expect(await exited).toBe(0);
  expect(await rig.storedIds()).toEqual(ids.sort());
  expect(messages).toContainEqual({ type: 'ready' });
  expect(messages.at(-1)).toEqual({ type: 'stopped', drained: true });
  const ledger = messages.filter((message) => message.type === 'ledger').at(-1);
  expect(ledger?.totals).toEqual([{ groupId: GROUP_ID, stored: 3, ...IN_TABLES, interrupted: 0, dropped: 0 }]);
  expect(messages.some(({ type }) => type === 'backlog')).toBe(true);
});
