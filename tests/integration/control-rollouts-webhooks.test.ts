import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#control-plane/clock.ts';
import { systemEntropy } from '#control-plane/entropy.ts';
import { createOutbound, type Outbound } from '#control-plane/http/outbound.ts';
import { createWebhookJob } from '#control-plane/jobs/webhooks.ts';
import { makeWebhookSecret } from '#control-plane/rollout/webhook-secret.ts';
import { MAX_ATTEMPTS } from '#control-plane/rollout/webhooks.ts';
import type { Keyring } from '#core/envelope.ts';
import { experimentDefinitionSchema } from '#core/experiments/definition.ts';
import { type Hook, rolloutPlanSchema } from '#core/rollout/plan.ts';
import { DEFAULT_CAPTURE, DEFAULT_LOG_POLICY } from '#core/snapshot/log-policy.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { createPool, type Db } from '#store/pool.ts';
import { createTestDatabase } from '#tests/support/database.ts';
import { waitFor } from '#tests/support/wait.ts';
import { isSigned, startWebhookReceiver, type WebhookReceiver } from '#tests/support/webhook-receiver.ts';

const keyring: Keyring = [{ id: 'test', key: randomBytes(32) }];
const loopback = createOutbound({ policy: parseAddressPolicy('127.0.0.0/8') });
const organizationId = randomUUID();
const groupId = randomUUID();
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let admin: Db;
let leader: Db;
let receiver: WebhookReceiver;

beforeAll(async () => {
  database = await createTestDatabase();
  const pool = (role: 'login' | 'leader') =>
    createPool({ databaseUrl: database.url, role, maxConnections: 4, applicationName: 'test' });
  [admin, leader] = [pool('login'), pool('leader')];
  await admin.insertInto('organizations').values({ id: organizationId, name: 'acme' }).execute();
  await admin
    .insertInto('groups')
    .values({
      ...{ id: groupId, organization_id: organizationId, name: 'demo', description: '', salt: 'ab' },
      ...{ capture: JSON.stringify(DEFAULT_CAPTURE), log: JSON.stringify(DEFAULT_LOG_POLICY) },
    })
    .execute();
});
beforeEach(async () => {
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  await receiver.stop();
  await admin.deleteFrom('rollout_webhooks').execute();
});
afterAll(async () => {
  for (const pool of [admin, leader]) await pool.destroy();
  await database.drop();
});

/** A rollout with one webhook, and a call to it that is due. */
async function plant(hook: Hook = 'confirm-step', url = `${receiver.url}/hook`, ended = false) {
  const rolloutId = randomUUID();
  const { secret, envelope } = makeWebhookSecret({ keyring, entropy: systemEntropy }, organizationId, rolloutId);
  const plan = rolloutPlanSchema.parse({ strategy: { kind: 'direct' }, webhooks: [{ hook, url }] });
  await admin
    .insertInto('rollouts')
    .values({
      ...{ id: rolloutId, organization_id: organizationId, group_id: groupId, name: 'r', state: 'ramping' as const },
      definition: JSON.stringify(experimentDefinitionSchema.parse({})),
      ...{ plan: JSON.stringify(plan), arms: '[]', before: null, secrets: envelope },
      ...{ started_at: ended ? new Date() : null, ended_at: ended ? new Date() : null },
    })
    .execute();
  const id = randomUUID();
  await admin
    .insertInto('rollout_webhooks')
    .values({
      ...{ id, rollout_id: rolloutId, organization_id: organizationId, hook, gate: `${hook}:1:0#0` },
      payload: JSON.stringify({ rollout: rolloutId, group: 'demo', weights: { a: 9_000, b: 1_000 } }),
    })
    .execute();
  return { id, rolloutId, secret };
}

/** One run of the job, as the leader does it. */
function deliver(outbound: Outbound = loopback, signal = new AbortController().signal): Promise<void> {
  const deps = { db: leader, keyring, outbound, clock: systemClock, random: () => 0.5, everyMs: 20 };
  return createWebhookJob(deps).run(signal);
}

const rowOf = (id: string) =>
  admin.selectFrom('rollout_webhooks').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
const makeDue = (id: string) =>
  admin
    .updateTable('rollout_webhooks')
    .set({ next_at: new Date(0) })
    .where('id', '=', id)
    .execute();

test('a call says which it is, is signed, and 2xx approves', async () => {
  const { id, rolloutId, secret } = await plant();
  receiver.reply = (response) => response.writeHead(200).end('{"reason":"looks fine"}');
  await deliver();
  expect(receiver.calls).toHaveLength(1);
  const [call] = receiver.calls;
  expect(call!.path).toBe('/hook');
  expect(call!.headers).toMatchObject({ 'content-type': 'application/json', 'x-ringside-delivery': id });
  expect(JSON.parse(call!.body)).toMatchObject({
    ...{ id, hook: 'confirm-step', gate: 'confirm-step:1:0#0', rollout: rolloutId, group: 'demo' },
    weights: { a: 9_000, b: 1_000 },
  });
  expect(isSigned(call!, secret)).toBe(true);
  expect(isSigned({ ...call!, body: call!.body.replace('9000', '9001') }, secret)).toBe(false);
  expect(isSigned(call!, `${secret}x`)).toBe(false);
  const [, seconds] = /^t=(\d+),v1=[0-9a-f]{64}$/.exec(String(call!.headers['x-ringside-signature']))!;
  expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(60);
  expect(await rowOf(id)).toMatchObject({ state: 'approved', attempts: 1, detail: 'looks fine' });
  await deliver();
  expect(receiver.calls).toHaveLength(1);
});

test.each([
  [409, '{"reason":"the release train is full"}', 'the release train is full'],
  [403, 'not\u0000 on a\nFriday', 'not on a Friday'],
])('%i with a body denies a gate with its reason', async (status, body, detail) => {
  const { id } = await plant('confirm-promotion');
  receiver.reply = (response) => response.writeHead(status).end(body);
  await deliver();
  expect(await rowOf(id)).toMatchObject({ state: 'denied', attempts: 1, detail });
});

test('a refusal without a reason is none, and a notice cannot be refused', async () => {
  const silent = await plant('confirm-step');
  const notice = await plant('on-rollback');
  receiver.reply = (response, { headers }) =>
    response.writeHead(409).end(headers['x-ringside-delivery'] === notice.id ? 'no' : '');
  await deliver();
  expect(await rowOf(silent.id)).toMatchObject({ state: 'pending', attempts: 1, detail: 'answered 409' });
  expect(await rowOf(notice.id)).toMatchObject({ state: 'pending', attempts: 1, detail: 'answered 409: no' });
});

test('what fails is tried again with growing waits and the same body and id, and given up at last', async () => {
  const { id, secret } = await plant('on-end');
  receiver.reply = (response) => response.writeHead(500).end('broken');
  const waitsMs: number[] = [];
  for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt++) {
    await deliver();
    const row = await rowOf(id);
    expect(row).toMatchObject({ state: 'pending', attempts: attempt, detail: 'answered 500: broken' });
    waitsMs.push(row.next_at.getTime() - row.updated_at.getTime());
    await deliver(); // not due yet
    expect(receiver.calls).toHaveLength(attempt);
    await makeDue(id);
  }
  expect(waitsMs).toEqual(waitsMs.toSorted((a, b) => a - b));
  expect([waitsMs[0], waitsMs.at(-1)]).toEqual([1_000, 300_000]);
  await deliver();
  const row = await rowOf(id);
  expect(row).toMatchObject({ state: 'failed', attempts: MAX_ATTEMPTS });
  expect(row.detail).toBe(`given up after ${MAX_ATTEMPTS} attempts: answered 500: broken`);
  expect(new Set(receiver.calls.map(({ body }) => body)).size).toBe(1);
  expect(new Set(receiver.calls.map(({ headers }) => headers['x-ringside-delivery']))).toEqual(new Set([id]));
  expect(receiver.calls.every((call) => isSigned(call, secret))).toBe(true);
});

test('a call that succeeds after a failure has succeeded', async () => {
  const { id } = await plant('confirm-start');
  receiver.reply = (response) => response.destroy();
  await deliver();
  expect(await rowOf(id)).toMatchObject({
    state: 'pending',
    attempts: 1,
    detail: expect.stringMatching(/hang up|ECONN/),
  });
  await makeDue(id);
  receiver.reply = (response) => response.writeHead(202).end();
  await deliver();
  expect(await rowOf(id)).toMatchObject({ state: 'approved', attempts: 2, detail: '' });
});

test('redirects are not followed, and private addresses not called unless they are allowed', async () => {
  const { id } = await plant();
  receiver.reply = (response) => response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end();
  await deliver();
  expect(receiver.calls.map(({ path }) => path)).toEqual(['/hook']);
  expect((await rowOf(id)).detail).toBe('answered 307, and redirects are not followed');
  await makeDue(id);
  await deliver(createOutbound({ policy: parseAddressPolicy('') }));
  expect(receiver.calls).toHaveLength(1);
  expect((await rowOf(id)).detail).toMatch(/private address.*RINGSIDE_PRIVATE_UPSTREAMS/);
});

test('one that nobody answers does not keep the others waiting, nor the end of a term', async () => {
  const slow = await plant('confirm-step', `${receiver.url}/slow`);
  receiver.reply = (response, { path }) => void (path === '/slow' || response.writeHead(204).end());
  const term = new AbortController();
  const running = deliver(loopback, term.signal);
  await waitFor('the slow call', () => receiver.calls.length === 1);
  // They become due while it is under way.
  const others = [await plant('on-rollback'), await plant('confirm-start'), await plant('on-end')];
  await waitFor('the others', async () => {
    const rows = await Promise.all(others.map(({ id }) => rowOf(id)));
    return rows.every(({ state }) => state === 'approved');
  });
  expect(receiver.calls.filter(({ path }) => path === '/slow')).toHaveLength(1);
  term.abort();
  await running;
  expect(await rowOf(slow.id)).toMatchObject({ state: 'pending', attempts: 0 });
});

test('a process that dies between the answer and its record sends again, with the same id', async () => {
  const { id } = await plant('confirm-promotion');
  const answered = Promise.withResolvers<void>();
  const dying: Outbound = {
    async post(...call) {
      await loopback.post(...call);
      answered.resolve();
      return new Promise<never>(() => {}); // nothing more ever happens in that process
    },
  };
  const term = new AbortController();
  void deliver(dying, term.signal);
  await answered.promise;
  term.abort(); // it takes up no other call
  expect(await rowOf(id)).toMatchObject({ state: 'pending', attempts: 0 });
  await deliver();
  expect(receiver.calls.map(({ headers }) => headers['x-ringside-delivery'])).toEqual([id, id]);
  expect(receiver.calls[0]!.body).toBe(receiver.calls[1]!.body);
  expect(await rowOf(id)).toMatchObject({ state: 'approved', attempts: 1 });
});

test('two processes that both think they lead record one outcome', async () => {
  const { id } = await plant('confirm-start');
  let answers = 0;
  receiver.reply = (response) => response.writeHead(++answers === 1 ? 204 : 409).end('late');
  await Promise.all([deliver(), deliver()]);
  expect(await rowOf(id)).toMatchObject({ attempts: 1 });
});

test('a question whose rollout has ended is not asked any more; a notice still is', async () => {
  const question = await plant('confirm-step', `${receiver.url}/hook`, true);
  const notice = await plant('on-end', `${receiver.url}/hook`, true);
  await deliver();
  expect(await rowOf(question.id)).toMatchObject({ state: 'failed', detail: expect.stringContaining('ended') });
  expect(await rowOf(notice.id)).toMatchObject({ state: 'approved' });
  expect(receiver.calls).toHaveLength(1);
});

test('a secret that does not open is said, and harms no other call', async () => {
  const broken = await plant();
  const whole = await plant('on-end');
  await admin.updateTable('rollouts').set({ secrets: 'v1.gone.a.b.c' }).where('id', '=', broken.rolloutId).execute();
  await deliver();
  expect(await rowOf(broken.id)).toMatchObject({ state: 'pending', detail: expect.stringContaining('"gone"') });
  expect(await rowOf(whole.id)).toMatchObject({ state: 'approved' });
});
