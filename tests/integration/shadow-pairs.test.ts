import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createShadowPairsExpiryJob, createShadowPairsJob } from '#control-plane/jobs/shadow-pairs.ts';
import { comparePairs } from '#control-plane/shadow/compare-pairs.ts';
import { createSchemaChecker } from '#control-plane/shadow/schema-checker.ts';
import { missingFacts, packFacts, WHOLE } from '#core/capture-facts.ts';
import { capturedInPostgres } from '#store/captured-in-postgres.ts';
import { createPool, type Db } from '#store/pool.ts';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { withDocumentedAnswers } from '#tests/support/openapi-answers.ts';
import {
  attempt,
  CHAT_REQUEST,
  chatCompletion,
  chatStream,
  type PlantedPair,
  type PlantedSide,
  pairOf,
  plantPair,
} from '#tests/support/planted-pairs.ts';
import { waitFor } from '#tests/support/wait.ts';

const DAY_MS = 86_400_000;
let control: TestControlPlane;
let api: ApiClient;
let rival: ApiClient;
let leader: Db;
let groupId: string;
let rivalGroupId: string;
const checker = createSchemaChecker();
const logged: string[] = [];

beforeAll(async () => {
  // The jobs of this control plane are idle: the tests compare by themselves.
  control = await startTestControlPlane({ jobTimes: { shadowPairsMs: DAY_MS, expiryMs: DAY_MS } });
  api = await withDocumentedAnswers(control.url, await control.owner('acme'));
  rival = await control.owner('rival');
  await seedGroup(api, 'demo');
  groupId = (await api('GET', '/groups/demo')).body.id;
  await seedGroup(rival, 'theirs');
  rivalGroupId = (await rival('GET', '/groups/theirs')).body.id;
  leader = createPool({
    ...{ databaseUrl: control.databaseUrl, role: 'leader', maxConnections: 2, applicationName: 'test pairs' },
  });
});
afterAll(async () => {
  await checker.close();
  await leader.destroy();
  await control.stop();
});
beforeEach(async () => {
  await control.admin.deleteFrom('shadow_pairs').execute();
  logged.length = 0;
});

const plant = (original: PlantedSide, shadow: PlantedSide, more: Partial<PlantedPair> = {}) =>
  plantPair(control.admin, { organizationId: api.organizationId, groupId, original, shadow, ...more });
const compare = (limit = 20) =>
  comparePairs({ db: control.application, captured: capturedInPostgres, checker }, api.organizationId, limit);
const runJob = () =>
  createShadowPairsJob({
    ...{ db: control.application, leaderDb: leader, captured: capturedInPostgres, checker, everyMs: 1 },
    random: () => 0,
    log: (line) => logged.push(line),
  }).run(new AbortController().signal);
const measuresOf = async (shadowId: string) => (await pairOf(control.admin, shadowId)).measures;

/** A pair of answers in a dialect, compared. */
async function measured(dialect: string, one: string, other: string, more: PlantedSide = {}) {
  const side = (response: string): PlantedSide => ({ ...more, response, row: { dialect, ...more.row } });
  const { shadowId } = await plant(side(one), side(other));
  expect(await compare()).toMatchObject({ taken: 1, compared: 1, defects: [] });
  return measuresOf(shadowId);
}

describe('measures', () => {
  test('of the rows: latency of first attempts, cost, tokens, failures', async () => {
    const { shadowId } = await plant(
      { row: { attempts: attempt(5), output_tokens: 10, cost_micro_usd: 7 } },
      { row: { attempts: attempt(8, 200, { model: 's' }), output_tokens: 4, cost_micro_usd: 9 } },
    );
    expect(await compare()).toEqual({ taken: 1, compared: 1, withoutBodies: 0, givenUp: 0, refused: 0, defects: [] });
    expect(await pairOf(control.admin, shadowId)).toMatchObject({ state: 'compared', attempts: 1, detail: '' });
    expect(await measuresOf(shadowId)).toEqual({
      ...{ failure: 0, both_failed: 0, latency_us: 3_000, output_tokens: -6, cost_micro_usd: 2 },
    });
  });

  test('a mirrored call that failed has no latency, and its error is no answer', async () => {
    const failed = { outcome: 'failed', status: 502, error_code: 'upstream_error', output_tokens: null };
    const { shadowId } = await plant(
      { response: chatCompletion('fine') },
      { response: '{"error":{"message":"no"}}', row: { ...failed, attempts: attempt(8, 500, { model: 's' }) } },
    );
    await compare();
    expect(await measuresOf(shadowId)).toEqual({ failure: 1, both_failed: 0 });
  });

  test('of chat completions, one of them streamed', async () => {
    const { shadowId } = await plant(
      { response: chatCompletion('the cat sat down'), request: CHAT_REQUEST },
      { response: chatStream(['the cat', ' lay down']), responseType: 'text/event-stream', row: { streamed: true } },
    );
    await compare();
    expect(await measuresOf(shadowId)).toMatchObject({ text_similarity: 0.75, length_log_ratio: 0 });
  });

  test('a stream that was cut is not compared', async () => {
    const { shadowId } = await plant(
      { response: chatCompletion('the cat') },
      { response: chatStream(['the cat'], false), responseType: 'text/event-stream', row: { streamed: true } },
    );
    await compare();
    expect(await measuresOf(shadowId)).toEqual({ failure: 0, both_failed: 0, latency_us: 1_000, output_tokens: 0 });
  });

  test('a body that was not kept, or not whole: what needs it is missing', async () => {
    const facts = packFacts(WHOLE, missingFacts('not_sampled'));
    const off = await plant({ response: chatCompletion('a') }, { row: { capture_facts: facts } });
    const cut = await plant(
      { response: chatCompletion('a') },
      { response: chatCompletion('a').slice(0, 40), row: { response_bytes: 4_000 } },
    );
    await compare();
    for (const { shadowId } of [off, cut]) expect(await measuresOf(shadowId)).not.toHaveProperty('text_similarity');
  });

  test('tool calls of chat completions', async () => {
    const call = (args: string) =>
      chatCompletion(null, { tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: args } }] });
    const same = await measured('openai-chat', call('{"a":1,"b":2}'), call('{"b":2, "a":1}'));
    expect(same).toMatchObject({ tool_call_agreement: 1 });
    expect(same).not.toHaveProperty('text_similarity');
    expect(await measured('openai-chat', call('{"a":1}'), call('{"a":2}'))).toMatchObject({ tool_call_agreement: 0 });
  });

  test('Anthropic messages, whole and streamed', async () => {
    const message = (content: object[]) =>
      JSON.stringify({ id: 'm', type: 'message', role: 'assistant', model: 'c', content, stop_reason: 'end_turn' });
    const text = (said: string) => message([{ type: 'text', text: said }]);
    expect(await measured('anthropic', text('a b c'), text('b c d'))).toMatchObject({
      text_similarity: expect.closeTo(2 / 3, 10),
    });
    const tool = (input: object) => message([{ type: 'tool_use', id: 't', name: 'f', input }]);
    expect(await measured('anthropic', tool({ x: 1 }), tool({ x: 1 }))).toMatchObject({ tool_call_agreement: 1 });
    const event = (data: { type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
    const stream = [
      {
        type: 'message_start',
        message: { id: 'm', type: 'message', role: 'assistant', model: 'c', content: [], usage: {} },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'a b' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ' c' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: {} },
      { type: 'message_stop' },
    ];
    expect(await measured('anthropic', text('a b c'), stream.map(event).join(''))).toMatchObject({
      text_similarity: 1,
    });
  });

  test('Gemini contents and OpenAI responses', async () => {
    const gemini = (said: string) =>
      JSON.stringify({ candidates: [{ content: { role: 'model', parts: [{ text: said }] }, finishReason: 'STOP' }] });
    expect(await measured('gemini', gemini('a b'), gemini('b a'))).toMatchObject({ text_similarity: 0.5 });
    const responses = (said: string) =>
      JSON.stringify({
        ...{ id: 'r', object: 'response', status: 'completed', model: 'm' },
        output: [
          {
            type: 'message',
            id: 'i',
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: said, annotations: [] }],
          },
          { type: 'function_call', id: 'f', call_id: 'c', name: 'f', arguments: '{}', status: 'completed' },
        ],
      });
    expect(await measured('openai-responses', responses('a b'), responses('a b'))).toMatchObject({
      ...{ text_similarity: 1, trigram_similarity: 1, tool_call_agreement: 1 },
    });
  });

  test('outputs of the Open Inference Protocol', async () => {
    const outputs = (data: number[]) =>
      JSON.stringify({ model_name: 'm', outputs: [{ name: 'y', datatype: 'FP32', shape: [1, data.length], data }] });
    const found = await measured('oip', outputs([1, 2, 4]), outputs([1, 3, 2]), { row: { operation: 'infer' } });
    expect(found).toMatchObject({
      ...{ 'tensor.y.same_shape': 1, 'tensor.y.mean_absolute': 1, 'tensor.y.max_absolute': 2 },
      ...{ 'tensor.y.mean_relative': expect.closeTo(1 / 3, 12), 'tensor.y.rank_correlation': expect.closeTo(0.5, 12) },
    });
  });

  test('what a hostile upstream answers is stored without harm', async () => {
    const outputs = (name: string) => JSON.stringify({ outputs: [{ name, shape: [1], data: [1] }] });
    const evil = outputs('a\u0000b');
    expect(await measured('oip', evil, evil, { row: { operation: 'infer' } })).toHaveProperty(
      ['tensor.ab.same_shape'],
      1,
    );
    const deep = `{"outputs":${'['.repeat(30_000)}${']'.repeat(30_000)}}`;
    expect(await measured('oip', deep, deep, { row: { operation: 'infer' } })).toMatchObject({ failure: 0 });
  });
});

describe('forms', () => {
  const schema = {
    type: 'object',
    properties: { n: { type: 'integer' } },
    required: ['n'],
    additionalProperties: false,
  };
  const valid = { schema_valid_original: 1, schema_valid_shadow: 0, schema_validity: -1 };
  const openai = (format: object) => JSON.stringify({ ...JSON.parse(CHAT_REQUEST), response_format: format });

  test('of a response format, as chat completions ask for it', async () => {
    const request = openai({ type: 'json_schema', json_schema: { name: 'f', schema } });
    const found = await measured('openai-chat', chatCompletion('{"n":1}'), chatCompletion('{"n":"1"}'), { request });
    expect(found).toMatchObject(valid);
    const json = openai({ type: 'json_object' });
    expect(
      await measured('openai-chat', chatCompletion('{"any":1}'), chatCompletion('Sure!'), { request: json }),
    ).toMatchObject(valid);
  });

  test('of a tool that had to be called', async () => {
    const request = JSON.stringify({
      ...JSON.parse(CHAT_REQUEST),
      tools: [{ type: 'function', function: { name: 'f', parameters: schema } }],
      tool_choice: { type: 'function', function: { name: 'f' } },
    });
    const call = (name: string, args: string) =>
      chatCompletion(null, { tool_calls: [{ id: 'c', type: 'function', function: { name, arguments: args } }] });
    const found = await measured('openai-chat', call('f', '{"n":1}'), call('f', '{}'), { request });
    expect(found).toMatchObject(valid);
    expect(await measured('openai-chat', call('f', '{"n":1}'), chatCompletion('no'), { request })).toMatchObject(valid);
  });

  test('of Anthropic, Gemini and the Responses API', async () => {
    const anthropic = (said: string) =>
      JSON.stringify({
        ...{ id: 'm', type: 'message', role: 'assistant', model: 'c', stop_reason: 'end_turn' },
        content: [{ type: 'text', text: said }],
      });
    const asked = [{ role: 'user', content: 'hi' }];
    expect(
      await measured('anthropic', anthropic('{"n":1}'), anthropic('{}'), {
        request: JSON.stringify({
          ...{ model: 'demo', max_tokens: 9, messages: asked },
          output_config: { format: { type: 'json_schema', schema } },
        }),
      }),
    ).toMatchObject(valid);
    const gemini = (said: string) =>
      JSON.stringify({ candidates: [{ content: { role: 'model', parts: [{ text: said }] }, finishReason: 'STOP' }] });
    expect(
      await measured('gemini', gemini('{"n":1}'), gemini('{"n":null}'), {
        request: JSON.stringify({
          contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
          generationConfig: {
            responseMimeType: 'application/json',
            responseSchema: { type: 'OBJECT', properties: { n: { type: 'INTEGER' } }, required: ['n'] },
          },
        }),
      }),
    ).toMatchObject(valid);
    const responses = (text: string) =>
      JSON.stringify({
        ...{ id: 'r', object: 'response', status: 'completed', model: 'm' },
        output: [
          {
            ...{ type: 'message', id: 'i', role: 'assistant', status: 'completed' },
            content: [{ type: 'output_text', text, annotations: [] }],
          },
        ],
      });
    expect(
      await measured('openai-responses', responses('{"n":1}'), responses('[]'), {
        request: JSON.stringify({
          ...{ model: 'demo', input: 'hi', text: { format: { type: 'json_schema', name: 'f', schema } } },
        }),
      }),
    ).toMatchObject(valid);
  });

  test('a schema that cannot be used, or takes for ever, leaves the measure out and the rest in', async () => {
    for (const hostile of [
      { type: 'string', pattern: '^(a+)+$' },
      { $ref: '#' },
      { $ref: 'https://example.com/nowhere' },
    ]) {
      const request = openai({ type: 'json_schema', json_schema: { name: 'f', schema: hostile } });
      const answer = chatCompletion(JSON.stringify(`${'a'.repeat(60)}!`));
      const found = await measured('openai-chat', answer, answer, { request });
      expect(found).not.toHaveProperty('schema_validity');
      expect(found).toMatchObject({ text_similarity: 1 });
    }
  });
});

describe('waiting', () => {
  test('a pair whose original is not there yet is looked at later, and compared when it comes', async () => {
    const { shadowId, originalId } = await plant({}, {}, { without: 'original' });
    expect(await compare()).toMatchObject({ taken: 1, compared: 0, givenUp: 0 });
    const waits = await pairOf(control.admin, shadowId);
    expect(waits).toMatchObject({ state: 'pending', attempts: 1, detail: 'the row of the inference is not there yet' });
    const waitMs = waits.next_at.getTime() - Date.now();
    expect(waitMs).toBeGreaterThan(1_000);
    expect(waitMs).toBeLessThan(60_000);
    expect(await compare()).toMatchObject({ taken: 0 });
    // It arrives.
    const twin = await plant({}, {});
    await control.admin
      .updateTable('shadow_pairs')
      .set({ inference_id: twin.originalId, next_at: new Date(0) })
      .where('inference_id', '=', originalId)
      .execute();
    await compare();
    expect((await pairOf(control.admin, shadowId)).state).toBe('compared');
  });

  test('after a day it is given up, with the reason', async () => {
    const gone = await plant({}, {}, { without: 'original', atMs: Date.now() - 1.1 * DAY_MS });
    const lost = await plant({}, {}, { without: 'shadow', atMs: Date.now() - 1.1 * DAY_MS });
    await runJob();
    // Brought late themselves, they get a second look.
    expect(await pairOf(control.admin, gone.shadowId)).toMatchObject({ state: 'pending', attempts: 1 });
    await control.admin
      .updateTable('shadow_pairs')
      .set({ next_at: new Date(0) })
      .execute();
    await runJob();
    const never = 'not in the log after a day: never brought, or removed';
    expect(await pairOf(control.admin, gone.shadowId)).toMatchObject({
      ...{ state: 'given_up', detail: `the row of the inference is ${never}`, measures: {} },
    });
    expect((await pairOf(control.admin, lost.shadowId)).detail).toBe(`the row of the mirrored call is ${never}`);
    expect(logged).toEqual(['gave up 2 pairs of mirrored calls']);
  });
});

describe('the job', () => {
  test('takes every organization and any number of pairs; nobody sees another one’s rows', async () => {
    const mine = await Promise.all(Array.from({ length: 25 }, () => plant({}, {})));
    const theirs = await plantPair(control.admin, {
      ...{ organizationId: rival.organizationId, groupId: rivalGroupId, original: {}, shadow: {} },
    });
    // A pair that names another organization's inference finds nothing.
    const crossed = await plant({}, {});
    await control.admin
      .updateTable('shadow_pairs')
      .set({ inference_id: theirs.originalId })
      .where('shadow_id', '=', crossed.shadowId)
      .execute();
    await runJob();
    const states = await control.admin.selectFrom('shadow_pairs').select(['shadow_id', 'state']).execute();
    const stateOf = (id: string) => states.find((row) => row.shadow_id === id)!.state;
    expect(mine.every(({ shadowId }) => stateOf(shadowId) === 'compared')).toBe(true);
    expect(stateOf(theirs.shadowId)).toBe('compared');
    expect(stateOf(crossed.shadowId)).toBe('pending');
  });

  test('two at once compare each pair once', async () => {
    await Promise.all(Array.from({ length: 30 }, () => plant({}, {})));
    const results = await Promise.all(Array.from({ length: 4 }, () => compare(10)));
    const taken = results.reduce((sum, one) => sum + one.taken, 0);
    await runJob();
    const pairs = await control.admin.selectFrom('shadow_pairs').select(['state', 'attempts']).execute();
    expect(taken).toBeLessThanOrEqual(30);
    expect(pairs.every(({ state, attempts }) => state === 'compared' && attempts === 1)).toBe(true);
  });

  test('killed between two statements, it leaves pairs as they were, and compares them once afterwards', async () => {
    await Promise.all(Array.from({ length: 5 }, () => plant({ response: chatCompletion('a') }, {})));
    let killed = false;
    await control.admin.transaction().execute(async (tx) => {
      await sql`LOCK TABLE ringside.inference_payloads IN ACCESS EXCLUSIVE MODE`.execute(tx);
      const doomed = compare().then(
        () => 'ended',
        () => 'died',
      );
      await waitFor('the comparison to wait for the lock', async () => {
        const { rows } = await sql<{ killed: boolean }>`SELECT pg_terminate_backend(pid) AS killed FROM pg_stat_activity
          WHERE wait_event_type = 'Lock' AND query LIKE '%inference_payloads%' AND datname = current_database()`.execute(
          control.admin,
        );
        return rows.length > 0;
      });
      killed = (await doomed) === 'died';
    });
    expect(killed).toBe(true);
    const before = await control.admin.selectFrom('shadow_pairs').select(['state', 'attempts']).execute();
    expect(before).toEqual(Array.from({ length: 5 }, () => ({ state: 'pending', attempts: 0 })));
    await runJob();
    const after = await control.admin.selectFrom('shadow_pairs').select(['state', 'attempts']).execute();
    expect(after).toEqual(Array.from({ length: 5 }, () => ({ state: 'compared', attempts: 1 })));
  });

  test('removes pairs that are past their time', async () => {
    await plant({}, {}, { atMs: Date.now() - 401 * DAY_MS });
    const kept = await plant({}, {});
    await createShadowPairsExpiryJob({
      ...{ leaderDb: leader, everyMs: 1, random: () => 0, log: (line) => logged.push(line) },
    }).run(new AbortController().signal);
    const left = await control.admin.selectFrom('shadow_pairs').select('shadow_id').execute();
    expect(left.map(({ shadow_id: id }) => id)).toEqual([kept.shadowId]);
  });
});
