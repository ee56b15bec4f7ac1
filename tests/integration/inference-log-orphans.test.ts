import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import { createLogRig, type LogRig } from '#tests/support/log-rig.ts';
import { beginRecord, endRecord, GROUP_ID, IN_TABLES, newInferenceId } from '#tests/support/records.ts';
import { waitFor } from '#tests/support/wait.ts';

let rig: LogRig;
beforeEach(async () => {
  rig = await createLogRig();
});
afterEach(() => rig.close());

interface Killed {
  readonly spoolId: string;
  readonly acknowledged: readonly string[];
}

/** Lets a child process write, kills it after so many acknowledgements, and gives what it had acknowledged. */
async function writeAndKill(afterLines: number): Promise<Killed> {
  const script = fileURLToPath(new URL('../support/spool-child.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [script, rig.root, rig.gatewayId], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let killed = false;
  await new Promise<void>((closed) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (killed || output.length < afterLines * 37) return;
      killed = true;
      child.kill('SIGKILL');
    });
    child.on('close', () => closed());
  });
  const [first, ...lines] = output.split('\n').slice(0, -1);
  return { spoolId: first!.slice('spool '.length), acknowledged: lines };
}

async function interruptedIds(): Promise<string[]> {
  const rows = await rig.db.selectFrom('inferences').selectAll().where('outcome', '=', 'interrupted').execute();
  for (const row of rows)
    expect(row).toMatchObject({ status: 500, error_code: 'interrupted', total_ns: 0, attempts: [] });
  return rows.map(({ id }) => id);
}

test('what a killed process had acknowledged is stored once, what it had begun is interrupted', async () => {
  const { spoolId, acknowledged } = await writeAndKill(2_000);
  expect(acknowledged.length).toBeGreaterThan(1_000);
  await rig.startShipper();
  await waitFor('the folder to be removed', async () => (await rig.spools()).length === 0);
  const ids = await rig.storedIds();
  expect(new Set(ids).size).toBe(ids.length);
  const interrupted = await interruptedIds();
  const ended = new Set(ids).difference(new Set(interrupted));
  expect(new Set(acknowledged).isSubsetOf(ended)).toBe(true);
  // The last turn may have been written and not printed.
  expect(ended.size - acknowledged.length).toBeLessThanOrEqual(10);
  expect(interrupted.length).toBeGreaterThan(0);
  const payloads = await rig.db.selectFrom('inference_payloads').selectAll().execute();
  for (const { id, request, response } of payloads) {
    expect(request?.toString()).toBe(`request ${id}`);
    if (ended.has(id)) expect(response?.toString()).toMatch(new RegExp(`^(a part, )?response ${id}$`));
    else expect(response === null || response.toString() === 'a part, ').toBe(true);
  }
  const spool = await rig.db.selectFrom('spools').selectAll().where('id', '=', spoolId).executeTakeFirstOrThrow();
  expect(spool.finished).toBe(true);
  const totals = { groupId: GROUP_ID, stored: ended.size, ...IN_TABLES, interrupted: interrupted.length, dropped: 0 };
  await waitFor('the ledger', () => rig.ledger()[0]?.interrupted === interrupted.length);
  expect(rig.ledger()).toEqual([totals]);
});

test('several shippers that find the same orphans ship each once', async () => {
  const killed = await Promise.all([writeAndKill(600), writeAndKill(600), writeAndKill(600)]);
  await Promise.all([rig.startShipper(), rig.startShipper(), rig.startShipper()]);
  await waitFor('the folders to be removed', async () => (await rig.spools()).length === 0);
  const ids = await rig.storedIds();
  expect(new Set(ids).size).toBe(ids.length);
  const interrupted = new Set(await interruptedIds());
  for (const id of killed.flatMap(({ acknowledged }) => acknowledged)) {
    expect(ids).toContain(id);
    expect(interrupted.has(id)).toBe(false);
  }
  const [totals] = await createdLedger();
  expect(totals).toEqual({
    groupId: GROUP_ID,
    stored: ids.length - interrupted.size,
    interrupted: interrupted.size,
    ...IN_TABLES,
    dropped: 0,
  });
  expect(rig.alarms).toEqual([]);
});

async function createdLedger() {
  const sink = createPostgresSink({ databaseUrl: rig.databaseUrl });
  try {
    return await sink.readLedger(rig.gatewayId);
  } finally {
    await sink.close();
  }
}

test('many orphans, as a gateway in a crash loop leaves them, are adopted a few at a time without a pause between', async () => {
  const ids: string[] = [];
  for (let orphan = 0; orphan < 15; orphan++) {
    const writer = await rig.openWriter();
    const id = newInferenceId();
    writer.begin(id, beginRecord(), null);
    await new Promise((release) => writer.end(id, endRecord(), null, release));
    await writer.close();
    ids.push(id);
  }
  await rig.startShipper(undefined, { scanMs: 600_000 });
  await waitFor('the folders to be removed', async () => (await rig.spools()).length === 0);
  expect(await rig.storedIds()).toEqual(ids.sort());
  await waitFor('the ledger', () => rig.ledger()[0]?.stored === ids.length);
});

test('a spool that a shipper ships and whose writer dies is ended by that same shipper', async () => {
  const writer = await rig.openWriter();
  const shipper = await rig.startShipper();
  shipper.addSpool(writer.spoolId);
  const open = newInferenceId();
  writer.begin(open, beginRecord(), [Buffer.from('never answered')]);
  const ended = newInferenceId();
  writer.begin(ended, beginRecord(), null);
  await new Promise((release) => writer.end(ended, endRecord(), null, release));
  await waitFor('the row', async () => (await rig.storedIds()).length === 1);
  await writer.close(); // lets go of the folder, as a death would
  await waitFor('the folder to be removed', async () => (await rig.spools()).length === 0);
  expect(await interruptedIds()).toEqual([open]);
  await waitFor('the ledger', () => rig.ledger()[0]?.interrupted === 1);
});

test('a crash between any two steps of ending an orphan is harmless', async () => {
  const { acknowledged } = await writeAndKill(300);
  // Fails once after every commit, as if the process had died there, and again before each.
  const real = createPostgresSink({ databaseUrl: rig.databaseUrl });
  let turn = 0;
  await rig.startShipper({
    ...real,
    async write(batch) {
      turn++;
      if (turn % 3 === 1) throw new Error('died before');
      await real.write(batch);
      if (turn % 3 === 2) throw new Error('died after');
    },
  });
  await waitFor('the folder to be removed', async () => (await rig.spools()).length === 0);
  const ids = await rig.storedIds();
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(acknowledged).isSubsetOf(new Set(ids))).toBe(true);
  const [totals] = await createdLedger();
  expect(totals!.stored + totals!.interrupted).toBe(ids.length);
});

test('an entry of the root that is no spool is said and keeps nobody from being adopted', async () => {
  await writeFile(join(rig.root, '00000000-0000-4000-8000-000000000000'), 'not a folder');
  const { acknowledged } = await writeAndKill(20);
  await rig.startShipper();
  await waitFor('the rows', async () => {
    const ids = new Set(await rig.storedIds());
    return acknowledged.every((id) => ids.has(id));
  });
  expect(rig.alarms.map((alarm) => alarm.code)).toContain('scan_failed');
});
