import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOwner } from '#control-plane/access/bootstrap.ts';
import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import { createPool, type Db } from '#store/pool.ts';
import { metricOf } from '../support/metrics.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Feedback on real processes: reported at a gateway, which may die right after, and found joined with its inference. */
const ids = createRandomPool();
let stack: Stack;
let key: string;
let groupId: string;
let organizationId: string;
let db: Db;
beforeAll(async () => {
  stack = await startStack();
  key = await stack.createGroup('support', { small: 10_000 });
  groupId = (await stack.api<{ id: string }>('GET', '/groups/support')).body.id;
  db = createPool({ databaseUrl: stack.databaseUrl, role: 'login', maxConnections: 2, applicationName: 'test' });
  const group = await db
    .selectFrom('groups')
    .select('organization_id')
    .where('id', '=', groupId)
    .executeTakeFirstOrThrow();
  organizationId = group.organization_id;
});
afterAll(async () => {
  await db.destroy();
  await stack.stop();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into every shape of answer
  readonly body: any;
}

async function report(body: unknown, bearer = key): Promise<Answer> {
  const answer = await fetch(`${stack.gatewayUrl}/v1/feedback`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}` },
    body: JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

async function infer(bearer = key): Promise<string> {
  const answer = await stack.chat(bearer, { model: 'support' });
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
  return answer.headers.get('x-ringside-inference-id')!;
}

interface Row {
  readonly id: string;
  readonly state: string;
  readonly [field: string]: unknown;
}

/** The reports with these ids, once there are so many and, if wanted, all are in a state. */
async function stored(wanted: readonly string[], state?: string): Promise<Row[]> {
  return waitFor(
    `${wanted.length} reports ${state ?? ''}`,
    async () => {
      const rows = await db.selectFrom('feedback').selectAll().where('id', 'in', wanted).execute();
      const isThere = rows.length === wanted.length && rows.every((row) => state === undefined || row.state === state);
      return isThere ? (rows as unknown as Row[]) : undefined;
    },
    60_000,
  );
}

/** Reports in one call with a marker, and waits until that is stored: what is in one call is stored together. */
async function reportAgain(feedback: readonly object[], markedId: string): Promise<void> {
  const marker = randomUUID();
  const marked = { id: marker, inferenceId: markedId, metric: 'marker', value: 1 };
  expect((await report({ feedback: [...feedback, marked] })).status).toBe(202);
  await stored([marker], 'joined');
}

/** An experiment that is under way. */
async function plantExperiment(definition: object = {}): Promise<string> {
  const id = randomUUID();
  const row = {
    id,
    organization_id: organizationId,
    group_id: groupId,
    name: id,
    plan: '{}',
    arms: '[]',
    state: 'ramping',
  };
  await db
    .insertInto('rollouts')
    .values({ ...row, definition: JSON.stringify(definition) } as never)
    .execute();
  return id;
}

/** Where an inference counts, as the shipper writes it down when it stores the inference. */
async function plantPlace(inferenceId: string, experimentId: string, atMs: number, correlation: string | null = null) {
  await db
    .insertInto('experiment_inferences')
    .values({
      ...{ inference_id: inferenceId, experiment_id: experimentId, organization_id: organizationId, group_id: groupId },
      ...{ phase: 1, arm: 1, unit: randomUUID(), correlation, shadow_of: null, created_at: new Date(atMs) },
    })
    .execute();
}

const sumsOf = async (experimentId: string) => {
  const rows = await db
    .selectFrom('experiment_unit_metrics')
    .selectAll()
    .where('experiment_id', '=', experimentId)
    .execute();
  return rows.map(({ metric, n, sum }) => [metric, n, Number(sum)]);
};

test('a report is joined with its inference and shown with it, once, however often it is sent', async () => {
  const inferenceId = await infer();
  const id = randomUUID();
  const given = { id, inferenceId, metric: 'thumbs_up', value: true, comment: 'Solved it.' };
  expect(await report(given)).toMatchObject({ status: 202, body: { accepted: 1, ids: [id] } });
  await stored([id], 'joined');
  // What is stored stands, whatever is reported under its id later.
  await reportAgain([{ ...given, value: false }], await infer());
  const detail = await stack.api<{ feedback: Row[] }>('GET', `/inferences/${inferenceId}`);
  expect(detail.body.feedback).toMatchObject([
    {
      id,
      metric: 'thumbs_up',
      kind: 'boolean',
      value: true,
      comment: 'Solved it.',
      state: 'joined',
      experimentId: null,
    },
  ]);
  const listed = await stack.api<{ items: Row[] }>('GET', `/feedback?inference=${inferenceId}`);
  expect(listed.body.items.map((row) => row.id)).toEqual([id]);
});

test('a report that comes before its inference is stored waits for it, and one days later still counts', async () => {
  const experimentId = await plantExperiment({ attributionHours: 72 });
  const nowMs = Date.now();
  const early = createInferenceId(nowMs, groupHashOf(groupId), ids);
  const old = createInferenceId(nowMs - 70 * 3_600_000, groupHashOf(groupId), ids);
  await plantPlace(old, experimentId, nowMs - 70 * 3_600_000);
  const answer = await report({
    feedback: [
      { inferenceId: early, metric: 'csat', value: 5 },
      { inferenceId: old, metric: 'csat', value: 2 },
      { correlationId: `ticket-${nowMs}`, metric: 'csat', value: 1 },
    ],
  });
  const [first, second, third] = answer.body.ids as [string, string, string];
  await stored([second], 'joined');
  expect((await stored([first, third])).map(({ state }) => state)).toEqual(['pending', 'pending']);
  await plantPlace(early, experimentId, nowMs, `ticket-${nowMs}`);
  const rows = await stored([first, second, third], 'joined');
  expect(rows.map((row) => [row['inference_id'], row['experiment_id']]).toSorted()).toEqual(
    [early, early, old].map((inference) => [inference, experimentId]).toSorted(),
  );
  expect(
    await waitFor('the sums', async () => {
      const sums = await sumsOf(experimentId);
      return sums.length === 2 ? sums.toSorted() : undefined;
    }),
  ).toEqual([
    ['csat', 1, 2],
    ['csat', 2, 6],
  ]);
});

test('a thousand reports in one call are taken, stored and joined', async () => {
  const experimentId = await plantExperiment({
    primary: { metric: 'topic=good', direction: 'increase' },
    guardrails: [],
  });
  const inferenceId = await infer();
  await plantPlace(inferenceId, experimentId, Date.now());
  const comment = 'ü'.repeat(1_000);
  const feedback = Array.from({ length: 1_000 }, (_, index) => ({
    ...{ inferenceId, metric: 'topic', label: index % 4 === 0 ? 'good' : 'bad', comment },
  }));
  const answer = await report({ feedback });
  expect(answer).toMatchObject({ status: 202, body: { accepted: 1_000 } });
  expect(new Set(answer.body.ids).size).toBe(1_000);
  await stored(answer.body.ids as string[], 'joined');
  expect(await sumsOf(experimentId)).toEqual([['topic=good', 1_000, 250]]);
  expect((await report({ feedback: [...feedback, feedback[0]] })).body.error.message).toMatch(
    /1001 reports; 1000 at most/,
  );
});

test('what was acknowledged is stored, once, though the gateway is killed right after, again and again', async () => {
  const inferenceId = await infer();
  const acknowledged: string[] = [];
  for (let round = 0; round < 3; round++) {
    const callers = Array.from({ length: 6 }, async () => {
      // Until the gateway is gone.
      for (;;) {
        const answer = await report({
          feedback: Array.from({ length: 5 }, () => ({ inferenceId, metric: 'thumbs_up', value: true })),
        }).catch(() => undefined);
        if (answer === undefined) return;
        if (answer.status === 202) acknowledged.push(...(answer.body.ids as string[]));
      }
    });
    const before = acknowledged.length;
    await waitFor('reports', () => acknowledged.length >= before + 40);
    await stack.killGateway();
    await Promise.all(callers);
    await stack.startGateway();
  }
  await stored(acknowledged, 'joined');
  // The last ones again: their ids are known.
  const feedback = acknowledged.slice(-20).map((id) => ({ id, inferenceId, metric: 'thumbs_up', value: false }));
  await reportAgain(feedback, inferenceId);
  const { rows } = await sql<{ reports: number; ups: number }>`
    SELECT count(*) AS reports, count(*) FILTER (WHERE value = 1) AS ups FROM ringside.feedback
    WHERE id = ANY (${acknowledged}::text[])`.execute(db);
  expect(rows).toEqual([{ reports: acknowledged.length, ups: acknowledged.length }]);
}, 120_000);

test('nobody reports on what is not theirs, nor with a key that is not valid', async () => {
  const inferenceId = await infer();
  const good = { inferenceId, metric: 'thumbs_up', value: true };
  expect((await report(good, 'rsk_nobody')).status).toBe(401);
  // Another organization's group, whose hash is not ours.
  const pepper = Buffer.from(stack.env['RINGSIDE_KEY_PEPPER']!, 'base64');
  await createOwner(db, { organizationName: `rival-${randomBytes(4).toString('hex')}`, tokenName: 'test', pepper });
  let foreignGroup = randomUUID();
  while (groupHashOf(foreignGroup) === groupHashOf(groupId)) foreignGroup = randomUUID();
  const foreign = await report({ ...good, inferenceId: createInferenceId(Date.now(), groupHashOf(foreignGroup), ids) });
  expect(foreign).toMatchObject({ status: 400, body: { error: { param: 'inferenceId', code: 'bad_request' } } });
  // A key of another group.
  await stack.api('POST', '/groups', { name: 'second' });
  const scoped = await stack.api<{ id: string; key: string }>('POST', '/keys', { name: 'scoped', groups: ['second'] });
  const isKnown = async () => (await report(good, scoped.body.key)).status !== 401;
  await waitFor('the key to be known', async () => (await isKnown()) || undefined);
  expect((await report(good, scoped.body.key)).body.error.message).toMatch(/no model group that this API key may use/);
  // A revoked one.
  const revoked = await stack.api<{ id: string; key: string }>('POST', '/keys', { name: 'revoked' });
  await waitFor('the key to be known', async () => (await report(good, revoked.body.key)).status === 202 || undefined);
  await stack.api('DELETE', `/keys/${revoked.body.id}`);
  await waitFor('the key to be gone', async () => (await report(good, revoked.body.key)).status === 401 || undefined);
});

test('errors, methods and metrics are as everywhere on the data plane', async () => {
  const url = `${stack.gatewayUrl}/v1/feedback`;
  const got = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
  expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
  const refused = await report({ feedback: [{ metric: 'x' }, { metric: 'latency', value: 1, correlationId: 'c' }] });
  expect(refused.body.error.issues.map(({ item, field }: { item: number; field: string }) => [item, field])).toEqual([
    [0, 'inferenceId'],
    [0, 'value'],
    [1, 'metric'],
  ]);
  const inferenceId = await infer();
  const before = metricOf(await stack.metrics(), 'ringside_feedback_total', 'outcome="accepted"');
  await report({ feedback: [1, 2, 3].map((value) => ({ inferenceId, metric: 'csat', value })) }, key);
  const after = async () => metricOf(await stack.metrics(), 'ringside_feedback_total', 'outcome="accepted"');
  await waitFor('three more', async () => (await after()) === before + 3);
  expect(metricOf(await stack.metrics(), 'ringside_feedback_total', 'outcome="refused"')).toBeGreaterThanOrEqual(2);
  expect(metricOf(await stack.metrics(), 'ringside_feedback_total', 'outcome="dead_letter"')).toBe(0);
  const digest = createHash('sha256').update(key).digest('hex');
  expect(stack.log()).not.toContain(key);
  expect(stack.log()).not.toContain(digest);
});
