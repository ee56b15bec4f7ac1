import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { digestSecret, formatSecret } from '#core/credentials.ts';
import { type Look, VERDICTS, type Verdict } from '#core/experiments/look.ts';
import type { AdminRole } from '#store/database.ts';
import { insertLook } from '#store/experiment-looks.ts';
import { inOrganization } from '#store/pool.ts';
import {
  type ApiClient,
  createApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { lookOf } from '#tests/support/rollout-looks.ts';
import { waitFor } from '#tests/support/wait.ts';
import { isSigned, startWebhookReceiver } from '#tests/support/webhook-receiver.ts';

let control: TestControlPlane;
let api: ApiClient;
let organizations = 0;

beforeAll(async () => {
  // People alone move what is moved here; webhooks are called all the same.
  control = await startTestControlPlane({ jobTimes: { rolloutsMs: 3_600_000, webhooksMs: 50 } });
});
beforeEach(async () => {
  api = await control.owner(`acme-${++organizations}`);
  await seedGroup(api);
});
afterAll(() => control.stop());

const STEPS = [{ weightBp: 500, durationMs: 3_600_000 }, { weightBp: 5_000, approval: true }, { weightBp: 10_000 }];

/** A rollout of which nothing but its own course is watched. @returns its path */
async function create(plan: object = {}, rest: object = {}): Promise<string> {
  const answer = await api('POST', '/rollouts', {
    ...{ group: 'demo', name: 'b-in-demo', challengers: ['b'], experiment: { guardrails: [] } },
    plan: { strategy: { kind: 'canary', steps: STEPS }, ...plan },
    ...rest,
  });
  expect(answer).toMatchObject({ status: 201 });
  return `/rollouts/${answer.body.id}`;
}
const order = (path: string, kind: string, body?: object) => api('POST', `${path}/${kind}`, body);
const weights = async () =>
  Object.fromEntries(
    (await api('GET', '/groups/demo')).body.variants.map((v: { model: string; weightBp: number }) => [
      v.model,
      v.weightBp,
    ]),
  );

/** A look that finds nothing wrong. */
async function plantLook(path: string, challengers: readonly string[] = ['b']): Promise<void> {
  const look: Look = {
    ...{ atMs: Date.now(), phase: 1, units: [0, 0], requests: [0, 0] },
    srm: { ...{ pValue: 1, minPValue: 1, alpha: 0.001, fired: false }, expected: [], observed: [], chiSquare: null },
    evidence: { lost: 0, underWay: 0, lastAtMs: null, broken: [] },
    comparisons: challengers.map((challenger, index) => ({
      ...{ challenger, arm: index + 1, primary: null, guardrails: [], fastGuard: null },
      ...{ verdict: 'running', reasons: [] },
    })),
  };
  await control.admin
    .insertInto('experiment_looks')
    .values({
      ...{ experiment_id: path.split('/').at(-1)!, organization_id: api.organizationId },
      ...{ at: new Date(look.atMs), phase: 1, look: JSON.stringify(look) },
    })
    .execute();
}

test('a start moves to the first step, and the story says who and why', async () => {
  const path = await create();
  const started = await order(path, 'start', { reason: 'the release is out' });
  expect(started).toMatchObject({
    status: 200,
    body: {
      ...{ state: 'ramping', step: { number: 1, of: 3, weightBp: 500 }, weights: { a: 9_500, b: 500 }, phase: 1 },
      ...{ reason: 'the release is out', possible: ['pause', 'skip', 'abort', 'promote', 'rollback'] },
    },
  });
  expect(started.body.waitsFor).toMatch(/^Step 1 of 3: its end at 20\d\d-/);
  expect(started.body.startedAt).not.toBeNull();
  expect(started.body.nextLookAt).not.toBeNull();
  expect(await weights()).toEqual({ a: 9_500, b: 500 });
  const { items } = (await api('GET', `${path}/transitions`)).body;
  expect(items).toMatchObject([
    {
      ...{ event: 'start', from: 'draft', to: 'ramping', reason: 'the release is out', weights: { a: 9_500, b: 500 } },
      ...{ actor: expect.stringMatching(/^admin-token:.*:first-owner$/), phase: 1 },
      configVersion: Number(started.headers.get('x-ringside-config-version')),
    },
  ]);
  expect((await api('GET', '/audit')).body.items[0]).toMatchObject({ action: 'rollout.start', actor: items[0].actor });
});

test('one call makes it and starts it, and two entries say so', async () => {
  const path = await create({}, { start: true, reason: 'now' });
  expect((await api('GET', path)).body).toMatchObject({ state: 'ramping', reason: 'now' });
  const actions = (await api('GET', '/audit')).body.items.map(({ action }: { action: string }) => action);
  expect(actions.slice(0, 2)).toEqual(['rollout.start', 'rollout.create']);
  const second = await api('POST', '/rollouts', {
    ...{ group: 'demo', name: 'too-many', challengers: ['b'], start: true },
    plan: { strategy: { kind: 'direct' } },
  });
  expect(second).toMatchObject({
    status: 409,
    body: { detail: expect.stringMatching(/end it first\. Nothing was created;/) },
  });
  expect((await api('GET', '/rollouts')).body.items).toHaveLength(1);
});

test('Prometheus sees rollouts that are under way, paused and ended', async () => {
  const scrape = async () => {
    const headers = { authorization: `Bearer ${api.token}` };
    const answer = await fetch(`${control.url}/api/v1/metrics`, { headers });
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    return answer.text();
  };
  const path = await create({}, { start: true });
  const running = await scrape();
  const of = 'group="demo",rollout="b-in-demo"';
  expect(running).toContain(`ringside_rollout_info{${of},state="ramping",strategy="canary",dry_run="false"} 1\n`);
  expect(running).toContain(`ringside_rollout_paused{${of},cause=""} 0\n`);
  expect(running).toContain(`ringside_rollout_weight_ratio{${of},model="b",role="challenger"} 0.05\n`);
  expect(running).toMatch(/\nringside_rollout_since_look_seconds\{.*\} [\d.]+\n/);
  expect(running).toContain('ringside_rollouts_ended_total{group="demo",state="rolled_back"} 0\n');
  expect(running).toContain('# TYPE ringside_rollout_verdict gauge\n');
  expect(running).not.toContain('ringside_rollout_verdict{');
  const { id } = (await api('GET', path)).body;
  for (const [at, verdict] of ['running', 'invalid'].entries()) {
    const look = lookOf({ b: { verdict: verdict as Verdict } }, { atMs: at, srm: verdict === 'invalid' });
    await inOrganization(control.application, api.organizationId, (tx) => insertLook(tx, api.organizationId, id, look));
  }
  const seen = await scrape();
  expect(seen).toContain(`ringside_rollout_split_p_value{${of}} 0.000001\n`);
  expect(seen).toContain(`ringside_rollout_split_broken{${of}} 1\n`);
  const verdicts = seen.match(/^ringside_rollout_verdict\{.*$/gm)!;
  expect(verdicts).toHaveLength(VERDICTS.length);
  expect(verdicts.filter((line) => line.endsWith(' 1'))).toEqual([
    `ringside_rollout_verdict{${of},challenger="b",verdict="invalid"} 1`,
  ]);
  await order(path, 'pause');
  expect(await scrape()).toContain(`ringside_rollout_paused{${of},cause="person"} 1\n`);
  await order(path, 'rollback');
  const over = await scrape();
  expect(over).toContain('ringside_rollouts_ended_total{group="demo",state="rolled_back"} 1\n');
  expect(over).not.toContain('b-in-demo');
});

test('orders that are repeated change nothing', async () => {
  const path = await create();
  for (const [kind, event] of [
    ['start', 'start'],
    ['pause', 'pause'],
    ['resume', 'resume'],
    ['abort', 'abort'],
  ] as const) {
    const first = await order(path, kind);
    const again = await order(path, kind);
    expect([first.status, again.status], kind).toEqual([200, 200]);
    expect(again.body.version, kind).toBe(first.body.version);
    const { items } = (await api('GET', `${path}/transitions`)).body;
    expect(items[0].event).toBe(event);
  }
  expect((await api('GET', `${path}/transitions`)).body.items).toHaveLength(4);
  expect(await weights()).toEqual({ a: 9_000, b: 1_000 });
});

test('what its state does not allow is a 409 that says what is possible', async () => {
  const path = await create();
  const early = await order(path, 'pause');
  expect(early).toMatchObject({ status: 409, body: { type: 'urn:ringside:problem:conflict' } });
  expect(early.body.detail).toMatch(/Possible now: start, abort\.$/);
  const { id } = (await api('POST', '/freeze-windows', { endsAt: '2099-01-01T00:00:00Z', reason: 'holidays' })).body;
  // What was refused is not among what is possible.
  expect((await order(path, 'start')).body.detail).toMatch(/holidays\. Possible now: abort\.$/);
  await api('DELETE', `/freeze-windows/${id}`);
  await order(path, 'start');
  await order(path, 'pause', { reason: 'lunch' });
  const paused = (await api('GET', path)).body;
  expect(paused).toMatchObject({ paused: { cause: 'person', reason: 'lunch' }, nextLookAt: expect.any(String) });
  expect(paused.waitsFor).toContain('lunch');
  expect((await order(path, 'skip')).body.detail).toMatch(/Possible now: resume, abort, rollback\.$/);
  await order(path, 'rollback', { reason: 'no' });
  const over = await order(path, 'resume');
  expect(over.body.detail).toMatch(/Nothing can be ordered of it any more\.$/);
  const ended = (await api('GET', path)).body;
  expect(ended).toMatchObject({
    ...{ state: 'rolled_back', possible: [], waitsFor: 'Nothing: it has ended.', reason: 'no', nextLookAt: null },
    ...{ paused: null, since: ended.endedAt },
  });
});

test('a promotion is taken back whole by one call, and a rollback by a rollout is not undone', async () => {
  const path = await create({}, { start: true });
  await plantLook(path);
  const promoted = await order(path, 'promote', { challenger: 'b', reason: 'good enough' });
  expect(promoted).toMatchObject({ status: 200, body: { state: 'promoted', weights: { b: 10_000, a: 0 } } });
  const back = await api('POST', '/groups/demo/rollback');
  expect(back.body.variants).toEqual([
    { model: 'a', role: 'champion', weightBp: 9_000 },
    { model: 'b', role: 'challenger', weightBp: 1_000 },
  ]);
  const second = await create({}, { start: true });
  await order(second, 'rollback');
  expect(await weights()).toEqual({ a: 9_000, b: 1_000 });
  // The newest split that nobody was only tried on: the promotion of before.
  await api('POST', '/groups/demo/rollback');
  expect(await weights()).toEqual({ a: 0, b: 10_000 });
});

test('the rollback of a group ends the rollout that is under way', async () => {
  const path = await create({}, { start: true });
  expect((await api('PATCH', '/groups/demo/weights', { a: 8_000, b: 2_000 })).status).toBe(409);
  const answer = await api('POST', '/groups/demo/rollback', { reason: 'complaints' });
  expect(answer).toMatchObject({ status: 200, body: { name: 'demo' } });
  expect(await weights()).toEqual({ a: 9_000, b: 1_000 });
  expect((await api('GET', path)).body).toMatchObject({ state: 'rolled_back', reason: 'complaints' });
});

test('a draft starts in its group as that is now', async () => {
  const path = await create();
  await api('POST', '/models', { name: 'c', provider: 'p', upstreamModel: 'c' });
  await api('PUT', '/groups/demo/variants', [{ model: 'c', role: 'champion', weightBp: 10_000 }]);
  expect(await order(path, 'start')).toMatchObject({
    status: 200,
    body: { champion: 'c', weights: { c: 9_500, b: 500 } },
  });
  await order(path, 'abort');
  const other = await create();
  await api('PUT', '/groups/demo/variants', [{ model: 'b', role: 'champion', weightBp: 10_000 }]);
  expect(await order(other, 'start')).toMatchObject({ status: 422, body: { field: 'challengers[0]' } });
});

test('a freeze holds the start, and not the way back', async () => {
  const path = await create({}, { start: true });
  const endsAt = new Date(Date.now() + 3_600_000).toISOString();
  await api('POST', '/freeze-windows', { endsAt, reason: 'holidays' });
  expect((await api('GET', path)).body.waitsFor).toContain('holidays');
  expect((await order(path, 'skip')).status).toBe(409);
  expect((await order(path, 'abort')).status).toBe(200);
  const frozen = await order(await create(), 'start');
  expect(frozen).toMatchObject({ status: 409 });
  expect(frozen.body.detail).toContain('holidays');
});

test('a start that must be approved is asked for, and stays a draft when it is rejected', async () => {
  const path = await create({ approvals: ['start'] });
  const asked = await order(path, 'start');
  expect(asked).toMatchObject({ status: 200, body: { state: 'draft', startedAt: null } });
  expect(await api('PATCH', path, { name: 'x' })).toMatchObject({ status: 409 });
  expect(await api('DELETE', path)).toMatchObject({ status: 409 });
  const rejected = await order(path, 'reject', { reason: 'not yet' });
  expect(rejected).toMatchObject({ status: 200, body: { state: 'draft', possible: ['start', 'abort'] } });
  expect((await api('PATCH', path, { name: 'x' })).status).toBe(200);
  expect((await api('DELETE', path)).body.detail).toContain('story');
  const events = (await api('GET', `${path}/transitions?limit=1`)).body;
  expect(events.items[0]).toMatchObject({ event: 'reject', reason: 'not yet' });
  const older = await api('GET', `${path}/transitions?limit=1&cursor=${events.nextCursor}`);
  expect(older.body).toMatchObject({ items: [{ event: 'request_start' }], nextCursor: null });
});

test('webhooks are called with the secret of the creation, and the calls are listed', async () => {
  const receiver = await startWebhookReceiver();
  try {
    const made = await api('POST', '/rollouts', {
      ...{ group: 'demo', name: 'told', challengers: ['b'], start: true },
      plan: { strategy: { kind: 'direct', holdMs: 1_000 }, webhooks: [{ hook: 'on-end', url: `${receiver.url}/end` }] },
    });
    const path = `/rollouts/${made.body.id}`;
    await order(path, 'abort', { reason: 'changed our minds' });
    const delivery = await waitFor('the notice', async () => {
      const { items } = (await api('GET', `${path}/webhooks`)).body;
      return items[0]?.state === 'approved' && items[0];
    });
    expect(delivery).toMatchObject({ hook: 'on-end', attempts: 1, nextAt: null });
    const [call] = receiver.calls;
    expect(call!.headers['x-ringside-delivery']).toBe(delivery.id);
    expect(isSigned(call!, made.body.webhookSecret)).toBe(true);
    expect(JSON.parse(call!.body)).toMatchObject({
      ...{ id: delivery.id, hook: 'on-end', event: 'abort', reason: 'changed our minds', asked: null, look: null },
      ...{ group: { name: 'demo' }, rollout: { name: 'told', state: 'aborted' }, arms: ['a', 'b'] },
      ...{ step: { number: 1, of: 1, weightBp: 10_000 }, weights: { a: 9_000, b: 1_000 } },
    });
  } finally {
    await receiver.stop();
  }
});

test('operators steer, admins create, viewers look', async () => {
  const path = await create();
  const client = async (role: AdminRole) => {
    const token = formatSecret('rsa_', randomBytes(32));
    await control.admin
      .insertInto('admin_tokens')
      .values({
        ...{ id: randomUUID(), organization_id: api.organizationId, name: role, role, hint: 'x', expires_at: null },
        digest: digestSecret(control.pepper, token),
      })
      .execute();
    return createApiClient(control.url, token, api.organizationId);
  };
  const [viewer, operator] = [await client('viewer'), await client('operator')];
  const body = { group: 'demo', name: 'x', challengers: ['b'], plan: { strategy: { kind: 'direct' } } };
  for (const [method, to, sent] of [
    ['POST', '/rollouts', body],
    ['PATCH', path, { name: 'x' }],
    ['DELETE', path, undefined],
    ['POST', '/freeze-windows', { endsAt: '2100-01-01T00:00:00Z', reason: 'x' }],
    ['DELETE', `/freeze-windows/${randomUUID()}`, undefined],
  ] as const) {
    expect((await operator(method, to, sent)).status, `${method} ${to}`).toBe(403);
  }
  for (const to of ['/rollouts', path, `${path}/transitions`, `${path}/webhooks`, '/freeze-windows']) {
    expect((await viewer('GET', to)).status, to).toBe(200);
  }
  for (const kind of ['start', 'pause', 'resume', 'rollback']) {
    expect((await viewer('POST', `${path}/${kind}`)).status, kind).toBe(403);
    expect((await operator('POST', `${path}/${kind}`)).status, kind).toBe(200);
  }
  expect((await viewer('POST', '/groups/demo/rollback')).status).toBe(403);
});

test('a promotion that was another challenger’s is not said to be done', async () => {
  const { provider } = (await api('GET', '/models/b')).body;
  expect((await api('POST', '/models', { name: 'c', provider, upstreamModel: 'c' })).status).toBe(201);
  const strategy = { kind: 'canary', steps: [{ weightBp: 3_000 }] };
  const path = await create({ strategy }, { challengers: ['b', 'c'] });
  await order(path, 'start');
  await plantLook(path, ['b', 'c']);
  expect(await order(path, 'promote', { challenger: 'b' })).toMatchObject({ status: 200, body: { state: 'promoted' } });
  expect((await order(path, 'promote', { challenger: 'b' })).status).toBe(200);
  expect((await order(path, 'promote')).status).toBe(200);
  const other = await order(path, 'promote', { challenger: 'c' });
  expect(other).toMatchObject({ status: 409, body: { detail: expect.stringContaining('has ended') } });
});

test('a group is not rolled back beneath a rollout that starts at the same moment', async () => {
  for (const b of [2_000, 3_000]) await api('PATCH', '/groups/demo/weights', { a: 10_000 - b, b });
  const path = await create();
  const row = { organizationId: api.organizationId, id: path.split('/').at(-1)! };
  let rolledBack: ReturnType<typeof order> | undefined;
  await control.admin.transaction().execute(async (tx) => {
    // As a start does it: the group first, and then the rollout is one that runs.
    await tx.selectFrom('groups').select('id').where('organization_id', '=', row.organizationId).forUpdate().execute();
    rolledBack = api('POST', '/groups/demo/rollback');
    await waitFor('the rollback to wait for the group', async () => {
      const { rows } = await sql<{
        waits: number;
      }>`SELECT count(*)::integer AS waits FROM pg_locks WHERE NOT granted`.execute(control.admin);
      return rows[0]!.waits > 0;
    });
    await tx
      .updateTable('rollouts')
      .set({ state: 'ramping', started_at: new Date() })
      .where('id', '=', row.id)
      .execute();
  });
  expect(await rolledBack).toMatchObject({ status: 409, body: { detail: expect.stringContaining('b-in-demo') } });
  expect(await weights()).toEqual({ a: 7_000, b: 3_000 });
});
