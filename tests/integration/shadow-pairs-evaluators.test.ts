import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemEntropy } from '#control-plane/entropy.ts';
import { createOutbound } from '#control-plane/http/outbound.ts';
import { createShadowEvaluationsJob } from '#control-plane/jobs/shadow-evaluations.ts';
import { comparePairs } from '#control-plane/shadow/compare-pairs.ts';
import { createSchemaChecker } from '#control-plane/shadow/schema-checker.ts';
import { digestSecret } from '#core/credentials.ts';
import { showsShadowFirst } from '#core/shadow/verdict.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { capturedInPostgres } from '#store/captured-in-postgres.ts';
import { createPool, type Db } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { CHAT_REQUEST, chatCompletion, pairOf, plantPair } from '#tests/support/planted-pairs.ts';
import { waitFor } from '#tests/support/wait.ts';
import { isSigned, startWebhookReceiver, type WebhookReceiver } from '#tests/support/webhook-receiver.ts';

const DAY_MS = 86_400_000;
const checker = createSchemaChecker();
let control: TestControlPlane;
let api: ApiClient;
let leader: Db;
let groupId: string;
let judgeId: string;
let receiver: WebhookReceiver;

beforeAll(async () => {
  const idle = { shadowPairsMs: DAY_MS, evaluationsMs: DAY_MS, expiryMs: DAY_MS };
  control = await startTestControlPlane({ jobTimes: idle });
  api = await control.owner('acme');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
  judgeId = (await api('POST', '/groups', { name: 'judge' })).body.id;
  leader = createPool({
    ...{ databaseUrl: control.databaseUrl, role: 'leader', maxConnections: 2, applicationName: 'test evaluators' },
  });
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await receiver.stop();
  await checker.close();
  await leader.destroy();
  await control.stop();
});
beforeEach(async () => {
  await control.admin.deleteFrom('shadow_pairs').execute();
  receiver.calls.length = 0;
});

const evaluator = async (value: object | null) => {
  const answer = await api('PATCH', '/groups/demo', { shadow: { evaluator: value } });
  return { status: answer.status, body: answer.body };
};
const plant = (original: string, shadow: string, row: Record<string, unknown> = {}) =>
  plantPair(control.admin, {
    ...{ organizationId: api.organizationId, groupId },
    original: { request: CHAT_REQUEST, response: chatCompletion(original), row },
    shadow: { request: CHAT_REQUEST, response: chatCompletion(shadow) },
  });
const compare = () =>
  comparePairs({ db: control.application, captured: capturedInPostgres, checker }, api.organizationId, 100);
const outbound = createOutbound({ policy: parseAddressPolicy('127.0.0.0/8') });
const runJob = (signal = new AbortController().signal) =>
  createShadowEvaluationsJob({
    ...{ db: control.application, leaderDb: leader, captured: capturedInPostgres, everyMs: 1 },
    ...{ outbound, gatewayOutbound: outbound },
    ...{ keyring: control.keyring, pepper: control.pepper, entropy: systemEntropy, gatewayUrl: receiver.url },
    clock: { nowMs: () => Date.now() },
  }).run(signal);
const dueAgain = () =>
  control.admin
    .updateTable('shadow_pairs')
    .set({ evaluation_next_at: new Date(0), evaluation_at: null })
    .where('evaluation', '=', 'pending')
    .execute();

/** A judge that prefers answers with a mark, wherever they stand. */
const judgeOfMarks = (first: string, second: string) =>
  first.includes('good') === second.includes('good') ? 'tie' : first.includes('good') ? 'first' : 'second';

function answerAsGateway(choose = judgeOfMarks): void {
  receiver.reply = (response, { body }) => {
    const { messages } = JSON.parse(body) as { messages: { content: string }[] };
    const [, first = '', second = ''] = /<first>\n(.*)\n<\/first>\s*<second>\n(.*)\n<\/second>/s.exec(
      messages[1]!.content,
    )!;
    const content = JSON.stringify({ reason: 'so it is', winner: choose(first, second) });
    response.writeHead(200, { 'content-type': 'application/json' }).end(chatCompletion(content));
  };
}

describe('a group that judges', () => {
  test('is asked through the gateway, with a key for it alone; the order is drawn, so that it shows no bias', async () => {
    answerAsGateway();
    expect(
      (await evaluator({ kind: 'group', group: 'judge', instructions: 'Be brief.', maxPerMinute: 100 })).status,
    ).toBe(200);
    const planted = await Promise.all(Array.from({ length: 16 }, () => plant('plain', 'good')));
    await compare();
    await runJob();
    await runJob();
    const pairs = await control.admin.selectFrom('shadow_pairs').selectAll().execute();
    expect(
      pairs.every(({ evaluation, evaluation_detail: detail }) => evaluation === 'scored' && detail === 'so it is'),
    ).toBe(true);
    for (const { shadow_id: id, measures } of pairs) {
      const isFirst = showsShadowFirst(id);
      expect(measures).toMatchObject({
        ...{ judge_score: 1, judge_shadow_first: Number(isFirst), judge_first_preference: isFirst ? 1 : -1 },
        text_similarity: 0,
      });
    }
    expect(receiver.calls).toHaveLength(planted.length);
    const [{ headers, body, path }] = receiver.calls as [(typeof receiver.calls)[number]];
    expect(path).toBe('/v1/chat/completions');
    expect(JSON.parse(body)).toMatchObject({
      model: 'judge',
      metadata: { ringside: 'shadow-evaluation', group: 'demo' },
    });
    expect(JSON.parse(body).messages[0].content).toContain('Be brief.');
    const key = String(headers.authorization).replace('Bearer ', '');
    const keys = await control.admin.selectFrom('api_keys').selectAll().where('deleted_at', 'is', null).execute();
    expect(keys).toHaveLength(1);
    expect(keys[0]).toMatchObject({ name: `ringside-evaluator-${groupId}`, group_ids: [judgeId] });
    expect(keys[0]!.digest.equals(Buffer.from(digestSecret(control.pepper, key)))).toBe(true);
    const stored = await control.admin.selectFrom('shadow_evaluators').selectAll().executeTakeFirstOrThrow();
    expect(JSON.stringify(stored)).not.toContain(key);
    const shown = (await api('GET', '/groups/demo/shadows')).body.shadows[0];
    expect(shown.evaluations).toEqual({ pending: 0, scored: 16, failed: 0, lastProblem: null });
  });

  test('a judge that goes by position is found out', async () => {
    answerAsGateway(() => 'first');
    await evaluator({ kind: 'group', group: 'judge', maxPerMinute: 100 });
    await Promise.all(Array.from({ length: 8 }, () => plant('a', 'b')));
    await compare();
    await runJob();
    const { measures } = (await api('GET', '/groups/demo/shadows')).body.shadows[0];
    expect(measures.find(({ measure }: { measure: string }) => measure === 'judge_first_preference').mean).toBe(1);
  });

  test('one that does not answer holds up no pair of another group, also of those that come meanwhile', async () => {
    const quickId = (await api('POST', '/groups', { name: 'quick' })).body.id;
    const asked = { shadow: { evaluator: { kind: 'group', group: 'judge', maxPerMinute: 100 } } };
    for (const group of ['demo', 'quick']) expect((await api('PATCH', `/groups/${group}`, asked)).status).toBe(200);
    answerAsGateway();
    const answer = receiver.reply;
    receiver.reply = (response, call) => {
      if (JSON.parse(call.body).metadata.group === 'quick') answer(response, call);
    };
    const hanging = await plant('a', 'b');
    await compare();
    const stopping = new AbortController();
    const running = runJob(stopping.signal);
    try {
      await waitFor('the judge to be asked', () => receiver.calls.length > 0);
      for (let round = 0; round < 2; round++) {
        const { shadowId } = await plantPair(control.admin, {
          ...{ organizationId: api.organizationId, groupId: quickId },
          original: { request: CHAT_REQUEST, response: chatCompletion('a') },
          shadow: { request: CHAT_REQUEST, response: chatCompletion('good') },
        });
        await compare();
        const isScored = async () => (await pairOf(control.admin, shadowId)).evaluation === 'scored';
        await waitFor('the other judge to say', isScored);
      }
      expect((await pairOf(control.admin, hanging.shadowId)).evaluation).toBe('pending');
    } finally {
      stopping.abort();
      await running;
    }
  });

  test('a key that was deleted is made again', async () => {
    answerAsGateway();
    await evaluator({ kind: 'group', group: 'judge', maxPerMinute: 100 });
    await plant('a', 'good');
    await compare();
    await runJob();
    await api('DELETE', `/keys/ringside-evaluator-${groupId}`);
    await plant('a', 'good');
    await compare();
    await runJob();
    const authorizations = new Set(receiver.calls.map(({ headers }) => headers.authorization));
    expect(authorizations.size).toBe(2);
    const states = await control.admin.selectFrom('shadow_pairs').select('evaluation').execute();
    expect(states.map((row) => row.evaluation)).toEqual(['scored', 'scored']);
  });

  test('failures are tried again, then counted; the pair is compared all the same', async () => {
    receiver.reply = (response) => void response.writeHead(503).end('busy');
    await evaluator({ kind: 'group', group: 'judge', maxPerMinute: 100 });
    const { shadowId } = await plant('a', 'b');
    await compare();
    await runJob();
    const waits = await pairOf(control.admin, shadowId);
    expect(waits).toMatchObject({ state: 'compared', evaluation: 'pending', evaluation_attempts: 1 });
    expect(waits.evaluation_detail).toBe('the gateway answered 503: busy');
    expect(waits.evaluation_next_at.getTime()).toBeGreaterThan(Date.now() + 30_000);
    await runJob();
    expect(receiver.calls).toHaveLength(1);
    for (let attempt = 2; attempt <= 4; attempt++) {
      await dueAgain();
      await runJob();
    }
    const failed = await pairOf(control.admin, shadowId);
    expect(failed).toMatchObject({ state: 'compared', evaluation: 'failed', evaluation_attempts: 4 });
    expect(failed.measures).toHaveProperty('text_similarity');
    expect(failed.measures).not.toHaveProperty('judge_score');
    const { evaluations } = (await api('GET', '/groups/demo/shadows')).body.shadows[0];
    expect(evaluations).toMatchObject({ pending: 0, failed: 1, lastProblem: 'the gateway answered 503: busy' });
  });

  test('no more than so many a minute', async () => {
    answerAsGateway();
    await evaluator({ kind: 'group', group: 'judge', maxPerMinute: 3 });
    await Promise.all(Array.from({ length: 6 }, () => plant('a', 'b')));
    await compare();
    await Promise.all([runJob(), runJob()]);
    await runJob();
    expect(receiver.calls).toHaveLength(3);
  });

  test('its own inferences are judged by nobody, nor is a pair without whole answers', async () => {
    answerAsGateway();
    await evaluator({ kind: 'group', group: 'judge', maxPerMinute: 100 });
    const key = await control.admin
      .selectFrom('api_keys')
      .select('id')
      .where('deleted_at', 'is', null)
      .executeTakeFirstOrThrow();
    await plant('a', 'b', { key_id: key.id });
    await plantPair(control.admin, {
      ...{ organizationId: api.organizationId, groupId },
      ...{ original: { request: CHAT_REQUEST, response: chatCompletion('a') }, shadow: {} },
    });
    await compare();
    await runJob();
    expect(receiver.calls).toHaveLength(0);
    const states = await control.admin.selectFrom('shadow_pairs').select(['state', 'evaluation']).execute();
    expect(states).toEqual(Array.from({ length: 2 }, () => ({ state: 'compared', evaluation: 'none' })));
  });

  test('a group that judges itself, or is not there, is refused', async () => {
    expect(await evaluator({ kind: 'group', group: 'demo' })).toMatchObject({
      ...{ status: 422, body: { field: 'shadow.evaluator.group' } },
    });
    expect((await evaluator({ kind: 'group', group: 'nobody' })).status).toBe(422);
    expect(await evaluator({ kind: 'webhook', url: 'http://10.0.0.1/' })).toMatchObject({
      ...{ status: 422, body: { field: 'shadow.evaluator.url' } },
    });
    expect((await evaluator(null)).status).toBe(200);
  });
});

describe('a webhook that judges', () => {
  test('gets a signed call with two answers in a drawn order, and says a score', async () => {
    await evaluator({ kind: 'webhook', url: `${receiver.url}/judge`, maxPerMinute: 100 });
    const { shadowId, originalId } = await plant('plain', 'good');
    await compare();
    await runJob();
    expect((await pairOf(control.admin, shadowId)).evaluation_detail).toContain('no secret to sign with');
    const made = await api('POST', '/groups/demo/evaluator-secret');
    expect(made).toMatchObject({ status: 201, body: { group: 'demo' } });
    receiver.reply = (response, { body }) => {
      const { answers } = JSON.parse(body) as { answers: { text: string }[] };
      response.writeHead(200).end(JSON.stringify({ score: answers[0]!.text === 'good' ? 0.5 : -0.5 }));
    };
    await dueAgain();
    await runJob();
    expect((await pairOf(control.admin, shadowId)).measures).toMatchObject({ judge_score: 0.5 });
    const [call] = receiver.calls as [(typeof receiver.calls)[number]];
    expect(isSigned(call, made.body.secret)).toBe(true);
    expect(JSON.parse(call.body)).toMatchObject({ id: shadowId, inferenceId: originalId, request: CHAT_REQUEST });
    const audit = await control.admin.selectFrom('audit_entries').selectAll().execute();
    expect(JSON.stringify(audit)).not.toContain(made.body.secret);
  });

  test('without an evaluator nobody is asked any more', async () => {
    await evaluator({ kind: 'webhook', url: `${receiver.url}/judge`, maxPerMinute: 100 });
    const { shadowId } = await plant('a', 'b');
    await compare();
    await evaluator(null);
    await runJob();
    expect(receiver.calls).toHaveLength(0);
    expect((await pairOf(control.admin, shadowId)).evaluation).toBe('none');
  });
});
