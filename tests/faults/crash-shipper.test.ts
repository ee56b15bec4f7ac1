import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BeginRecord, EndRecord } from '#inference-log/record.ts';
import { createPostgresSink } from '#inference-log/sinks/postgres.ts';
import type { Sink } from '#inference-log/spool.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { auditLog } from '../support/audit.ts';
import { createTestDatabase } from '../support/database.ts';
import { settleFault } from '../support/fault-results.ts';
import { beginRecord, endRecord, GROUP_ID, IN_TABLES, newInferenceId } from '../support/records.ts';
import { shipWhole } from '../support/ship-whole.ts';

/** R2: a shipper that dies between any two steps of ship, commit and remove, and the one that comes after it. */
const CHILD = fileURLToPath(new URL('../support/crash-child.ts', import.meta.url));
const AT_ONCE = 3;
let folder: string;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let sink: Sink;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rs-crash-'));
  database = await createTestDatabase();
  sink = createPostgresSink({ databaseUrl: database.url });
});
afterAll(async () => {
  await sink.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

interface Orphan {
  readonly root: string;
  readonly gatewayId: string;
  readonly acknowledged: readonly string[];
}

const GOOD = 14;

/** A spool that a dead gateway has left: several segments, records that no store takes, and one that never ended. */
async function leaveOrphan(name: string): Promise<Orphan> {
  const root = join(folder, name);
  const gatewayId = randomUUID();
  const writer = await createSpoolWriter({
    ...{ root, gatewayId, maxSegmentBytes: 16_000, maxSpoolBytes: 1e9, nowMs: Date.now, randomId: randomUUID },
    onAlarm: () => undefined,
  });
  const acknowledged: string[] = [];
  const record = async (bytes: number, begin: Partial<BeginRecord> = {}, end: Partial<EndRecord> = {}) => {
    const id = newInferenceId();
    writer.begin(id, beginRecord(begin), null);
    await new Promise((release) => writer.end(id, endRecord(end), [Buffer.alloc(bytes, 'x')], release));
    acknowledged.push(id);
  };
  await record(100_000, {}, { status: 70_000 }); // a batch of its own, which the store refuses
  writer.begin(newInferenceId(), beginRecord(), [Buffer.from('never answered')]);
  for (let i = 0; i < GOOD; i++) {
    await record(3_000);
    if (i === 4) await record(10, { bucket: undefined as never }); // does not even parse
  }
  await writer.close();
  return { root, gatewayId, acknowledged };
}

/** Lets a child ship it. Resolves with the number of its steps, or with `killed`. */
async function shipAndDie({ root, gatewayId }: Orphan, killAt: number): Promise<number | 'killed'> {
  const child = spawn(process.execPath, [CHILD, root, gatewayId, database.url, String(killAt)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compile-cache') },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const signal = await new Promise((done) => child.on('close', (_code, by) => done(by)));
  if (signal === 'SIGKILL') return 'killed';
  const steps = Number(output);
  if (!(steps > 0)) throw new Error(`the child failed: ${output}`);
  return steps;
}

async function expectWhole({ root, gatewayId }: Orphan, killedAt: number): Promise<void> {
  const left = (await readdir(root)).filter((name) => name !== 'dead-letters');
  const ledger = await sink.readLedger(gatewayId);
  const wanted = { groupId: GROUP_ID, stored: GOOD, ...IN_TABLES, interrupted: 1, dropped: 2 };
  expect({ killedAt, left, ledger }).toMatchObject({ killedAt, left: [], ledger: [wanted] });
}

test('a shipper that is killed at any step: the next one goes on, and nothing is lost, doubled or counted twice', async (context) => {
  const undisturbed = await leaveOrphan('undisturbed');
  const steps = await shipAndDie(undisturbed, 0);
  if (steps === 'killed') throw new Error('the child was killed by somebody else');
  await expectWhole(undisturbed, 0);
  // Ship, bury, commit, remove segments, remove the folder: fewer would mean that the child no longer sees them.
  expect(steps).toBeGreaterThan(35);
  const orphans: Orphan[] = [undisturbed];
  let next = 1;
  let kills = 0;
  const crash = async () => {
    while (next <= steps) {
      const killAt = next++;
      const orphan = await leaveOrphan(`step-${killAt}`);
      orphans.push(orphan);
      // Batches adapt to the time that the store takes, so that another child may be through in fewer steps.
      const ended = await shipAndDie(orphan, killAt);
      if (ended === 'killed') kills++;
      else expect(ended).toBeLessThan(killAt);
      await shipWhole(orphan.root, orphan.gatewayId, database.url);
      await expectWhole(orphan, killAt);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, crash));
  expect(kills).toBeGreaterThan(35);
  const acknowledged = orphans.flatMap((orphan) => orphan.acknowledged);
  const roots = orphans.map(({ root }) => root);
  const { outcomes: _, gaps, ...counts } = await auditLog(database.url, roots, acknowledged);
  settleFault(context, { fault: 'R2', scope: `killed at each of ${kills} steps`, ...counts });
  expect(gaps).toEqual([]);
  expect(counts.deadLetters).toBe(2 * orphans.length);
}, 120_000);
