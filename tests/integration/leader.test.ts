import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { startControlPlane } from '#control-plane/main.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { type Leadership, seekLeadership } from '#store/leadership.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { createPartitionRig, DAY_MS } from '#tests/support/partition-rig.ts';
import { freePorts } from '#tests/support/ports.ts';
import { waitFor } from '#tests/support/wait.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let db: Db;
const seekers: Leadership[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  db = createPool({ databaseUrl: database.url, role: 'login', maxConnections: 1, applicationName: 'test' });
});
afterEach(async () => {
  await Promise.all(seekers.splice(0).map((seeker) => seeker.stop()));
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

function seek() {
  const terms: AbortSignal[] = [];
  const troubles: string[] = [];
  const leadership = seekLeadership({
    ...{ databaseUrl: database.url, retryMs: 20, checkMs: 200, random: () => 0.5 },
    onElected: (signal) => terms.push(signal),
    onTrouble: (error) => troubles.push(String(error)),
  });
  seekers.push(leadership);
  return { leadership, terms, troubles, leads: () => terms.some((signal) => !signal.aborted) };
}

const leaders = (all: readonly ReturnType<typeof seek>[]) => all.filter((seeker) => seeker.leads());
const endLeadersConnection = () =>
  sql`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`.execute(db);

test('one of several leads, and when its connection dies another one takes over', async () => {
  const all = [seek(), seek(), seek()];
  const first = await waitFor('a leader', () => leaders(all)[0]);
  for (let round = 0; round < 5; round++) {
    expect(leaders(all).length).toBeLessThanOrEqual(1);
    const before = all.flatMap(({ terms }) => terms).length;
    await endLeadersConnection();
    await waitFor(
      'the next leader',
      () => all.flatMap(({ terms }) => terms).length > before && leaders(all).length === 1,
    );
  }
  expect(first.terms[0]!.aborted).toBe(true);
});

test('a leader that stops lets go at once', async () => {
  const first = seek();
  await waitFor('the leader', () => first.leads());
  const second = seek();
  await first.leadership.stop();
  expect(first.leads()).toBe(false);
  await waitFor('the other one', () => second.leads());
});

test('a database that is away, or a login without the role, is said once and not given up on', async () => {
  const name = new URL(database.url).pathname.slice(1);
  const options = { role: 'login', maxConnections: 1, applicationName: 'test' } as const;
  const server = createPool({ ...options, databaseUrl: inject('postgresUrl') });
  const seeker = seek();
  await waitFor('the leader', () => seeker.leads());
  await sql`ALTER DATABASE ${sql.id(name)} ALLOW_CONNECTIONS false`.execute(server);
  await endLeadersConnection();
  await waitFor('an alarm', () => seeker.troubles.length > 0);
  await sql`ALTER DATABASE ${sql.id(name)} ALLOW_CONNECTIONS true`.execute(server);
  await server.destroy();
  await waitFor('the lead again', () => seeker.leads());
  expect(new Set(seeker.troubles).size).toBe(seeker.troubles.length);
});

test('of two control planes one does the jobs: partitions ahead, hourly and for new groups, and retention', async () => {
  const rig = await createPartitionRig();
  const lines: string[][] = [[], []];
  const folder = await mkdtemp(join(tmpdir(), 'rs-archive-'));
  const started = await Promise.all(
    lines.map((own) =>
      startControlPlane({
        ...{ databaseUrl: rig.databaseUrl, host: '127.0.0.1', port: 0 },
        ...{ keyring: [{ id: 'k', key: randomBytes(32) }], pepper: randomBytes(32) },
        ...{ privateUpstreams: parseAddressPolicy(''), log: (line: string) => own.push(line) },
        archive: { kind: 'disk', folder },
        jobTimes: { leaderRetryMs: 20, leaderCheckMs: 200, partitionsMs: 50, retentionMs: 50 },
      }),
    ),
  );
  const ledBy = () => lines.findIndex((own) => own.includes('leads the background jobs'));
  await waitFor('a leader', () => ledBy() !== -1);
  const groupId = await rig.createGroup({ partitionBy: 'day' });
  await waitFor('partitions ahead', async () => (await rig.ranges(groupId)).length === 4);
  const gatewayId = randomUUID();
  await rig.write(rig.rowsAt(groupId, [Date.now() - 9 * DAY_MS, Date.now()], gatewayId), gatewayId);
  await rig.setPolicy(groupId, { partitionBy: 'day', retentionDays: 3, archive: 'jsonl' });
  await waitFor('retention', async () => (await rig.contents(groupId)).length === 1);
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.jsonl.zst'));
  expect(files).toHaveLength(1);
  expect(lines.filter((own) => own.includes('leads the background jobs'))).toHaveLength(1);
  const leader = ledBy();
  await started[leader]!.stop();
  await waitFor('the other to lead', () => lines[1 - leader]!.includes('leads the background jobs'));
  await started[1 - leader]!.stop();
  await rig.close();
  await rm(folder, { recursive: true });
});

test('kill -9 of the control plane that leads makes the other one lead', async () => {
  const ports = await freePorts(2);
  const output = ['', ''];
  const children = ports.map((port, index): ChildProcess => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../bin/ringside.mjs'), 'control-plane'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        DATABASE_URL: database.url,
        RINGSIDE_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
        RINGSIDE_KEY_PEPPER: randomBytes(32).toString('base64'),
        RINGSIDE_CONTROL_LISTEN: String(port),
      },
    });
    child.stderr!.on('data', (chunk: Buffer) => {
      output[index] += chunk.toString();
    });
    return child;
  });
  const leads = (index: number) => output[index]!.includes('leads the background jobs');
  const leader = await waitFor(
    'a leader',
    () => [0, 1].map((index) => leads(index) && { index }).find((found) => found),
    30_000,
  );
  await waitFor('both to be up', () => output.every((text) => text.includes('control API on')), 30_000);
  children[leader.index]!.kill('SIGKILL');
  await waitFor('the other one to lead', () => leads(1 - leader.index), 30_000);
  const ended = new Promise((done) => children[1 - leader.index]!.once('exit', done));
  children[1 - leader.index]!.kill('SIGTERM');
  expect(await ended).toBe(0);
});
