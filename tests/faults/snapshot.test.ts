import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCopy } from '#gateway/snapshot/disk-copy.ts';
import { auditLog, waitForDrained } from '../support/audit.ts';
import { settleFault } from '../support/fault-results.ts';
import { createMoments, scaled } from '../support/fault-scale.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { waitFor } from '../support/wait.ts';

/** R11: snapshots in the database and on the disk that are torn, cut, flipped or invalid. */
const WORKERS = 2;
let stack: Stack;
let key: string;
let sql: pg.Client;
/** Inferences whose answers were seen to their end, whatever was wrong with the configuration at the time. */
const acknowledged: string[] = [];

beforeAll(async () => {
  stack = await startStack({ workers: WORKERS });
  key = await stack.createGroup('steady', { a: 6_000, b: 4_000 });
  sql = new pg.Client({ connectionString: stack.databaseUrl });
  await sql.connect();
});
afterAll(async () => {
  await sql.end();
  await stack.stop();
});

const served = async () => {
  const answer = await stack.chat(key, { model: 'steady' });
  await answer.arrayBuffer();
  if (answer.status === 200) acknowledged.push(answer.headers.get('x-ringside-inference-id')!);
  return { status: answer.status, version: Number(answer.headers.get('x-ringside-config-version')) };
};
const liveVersion = async () => {
  const { body } = await stack.api<{ items: { live: boolean; snapshotVersion: number }[] }>('GET', '/gateways');
  return body.items.find((gateway) => gateway.live)!.snapshotVersion;
};

/** Publishes the newest snapshot again, changed, as a fault in the control plane or the database would. */
async function publishBroken(change: string): Promise<number> {
  const { rows } = await sql.query<{ version: string }>(
    `INSERT INTO ringside.snapshots (version, organization_id, document)
     SELECT nextval('ringside.config_version'), organization_id, ${change} FROM ringside.snapshots
     ORDER BY version DESC LIMIT 1 RETURNING version`,
  );
  await sql.query('NOTIFY ringside_config');
  return Number(rows[0]!.version);
}

test.each([
  ['of another shape', `document - 'groups'`],
  ['with weights and ranges that differ', `jsonb_set(document, '{groups,0,variants,0,weightBp}', '5000')`],
  ['that names a model which is not there', `jsonb_set(document, '{models}', '[]')`],
  [
    'whose credentials do not open',
    `jsonb_set(document, '{providers,0,credentials}', '"v1.k1.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"')`,
  ],
])('a snapshot %s is refused and said, the old one stays, and the next good one is served', async (_, change) => {
  const before = await served();
  const broken = await publishBroken(change);
  await waitFor('the refusal', () => stack.log().includes(`snapshot ${broken} refused`));
  expect(await served()).toEqual(before);
  expect(await liveVersion()).toBeLessThan(broken);
  expect(await stack.metrics()).toMatch(/^ringside_snapshots_refused_total [1-9]/m);
  // What the broken one was derived from is gone from the newest row, so a change publishes a whole one again.
  const good = await stack.api('PATCH', '/groups/steady/weights', { a: 6_000, b: 4_000 });
  expect(good.headers.get('x-ringside-served')).toBe('1/1');
  expect((await served()).version).toBe(Number(good.headers.get('x-ringside-config-version')));
});

test.each([
  ['cut off', (text: string) => text.slice(0, text.length / 2)],
  ['with a flipped bit', (text: string) => `${text.slice(0, 200)}${text[200] === '0' ? '1' : '0'}${text.slice(201)}`],
  ['empty', () => ''],
])('a last good copy on disk that is %s is not served: without the database the gateway is not ready, and says why', async (_, damage) => {
  await stack.killGateway();
  const path = join(stack.dataFolder, 'gateway/last-good-config');
  const whole = await readFile(path, 'utf8');
  await writeFile(path, damage(whole));
  await stack.startGateway({ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' });
  expect((await fetch(`${stack.gatewayUrl}/readyz`)).status).toBe(503);
  expect((await stack.chat(key, { model: 'steady' })).status).toBe(503);
  expect(stack.log()).toMatch(/last good configuration is not usable/);
  await stack.killGateway();
  await stack.startGateway();
  expect((await served()).status).toBe(200);
});

test('a copy on disk that is cut at any length, or has any bit flipped, is told from a good one', async () => {
  const whole = await readFile(join(stack.dataFolder, 'gateway/last-good-config'));
  const folder = await mkdtemp(join(tmpdir(), 'rs-copy-'));
  const path = join(folder, 'copy');
  const { random } = createMoments();
  const somewhere = () => Math.floor(random() * whole.length);
  const draws = scaled(200, 20_000);
  const lineEnd = whole.indexOf(0x0a);
  // Nothing, within and around the checksum, anywhere, and one byte short.
  const lengths = [0, 1, lineEnd - 1, lineEnd, lineEnd + 1, lineEnd + 2, whole.length - 1];
  for (let draw = 0; draw < draws; draw++) lengths.push(somewhere());
  const places = [0, lineEnd - 1, lineEnd, lineEnd + 1, whole.length - 1];
  for (let draw = 0; draw < draws; draw++) places.push(somewhere());
  const kindOf = async (bytes: Buffer) => {
    await writeFile(path, bytes);
    return (await readCopy(path)).kind;
  };
  try {
    expect(await kindOf(whole)).toBe('good');
    for (const length of lengths)
      expect({ length, kind: await kindOf(whole.subarray(0, length)) }).toEqual({ length, kind: 'torn' });
    for (const place of places) {
      const flipped = Buffer.from(whole);
      flipped[place]! ^= 1 << Math.floor(random() * 8);
      expect({ place, kind: await kindOf(flipped) }).toEqual({ place, kind: 'torn' });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);

test('a database that goes silent: known keys work on, unknown ones are never told 401, and the gateway still stops', async () => {
  await stack.killGateway();
  const url = new URL(stack.databaseUrl);
  const proxy = await startTcpProxy(Number(url.port));
  url.port = String(proxy.port);
  await stack.startGateway({ DATABASE_URL: url.href });
  expect((await stack.chat('rsk_unknown', { model: 'steady' })).status).toBe(401);
  proxy.freeze();
  await waitFor(
    'unknown keys to be only unknown',
    async () => (await stack.chat('rsk_unknown', { model: 'steady' })).status === 503,
  );
  expect((await served()).status).toBe(200);
  const gone = new Promise((done) => stack.gateway().once('exit', done));
  stack.gateway().kill('SIGTERM');
  await gone;
  await proxy.close();
  await stack.startGateway();
}, 60_000);

test('other encryption keys: the last good configuration stays in use and on disk', async () => {
  const path = join(stack.dataFolder, 'gateway/last-good-config');
  const before = await served();
  const whole = await readFile(path, 'utf8');
  await stack.killGateway();
  await stack.startGateway({ RINGSIDE_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}` });
  expect(await readFile(path, 'utf8')).toBe(whole);
  await stack.killGateway();
  await stack.startGateway();
  expect(await served()).toEqual(before);
});

test('a database that was replaced by an older copy is loaded from the start', async () => {
  const ahead = await served();
  // The newest one and the broken one before it.
  await sql.query(
    'DELETE FROM ringside.snapshots WHERE version IN (SELECT version FROM ringside.snapshots ORDER BY version DESC LIMIT 2)',
  );
  await sql.query('NOTIFY ringside_config');
  await waitFor('the older configuration', async () => (await served()).version < ahead.version);
  expect(stack.log()).toMatch(/older than this configuration/);
});

test('whatever the configuration was like, what was served through it is in the log once', async (context) => {
  await served();
  await waitForDrained(stack, WORKERS);
  const {
    outcomes: _,
    gaps,
    ...counts
  } = await auditLog(stack.databaseUrl, [join(stack.dataFolder, 'spool')], acknowledged);
  settleFault(context, { fault: 'R11', scope: 'snapshots refused, copies on disk torn', ...counts });
  expect(gaps).toEqual([]);
});
