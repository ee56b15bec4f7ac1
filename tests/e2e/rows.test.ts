import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileSplit, place } from '#core/split/assign.ts';
import { createPool, inOrganization } from '#store/pool.ts';
import { splitInForce } from '#store/weight-versions.ts';
import { anthropicClient } from '../support/chat-clients/anthropic.ts';
import type { ChatClient, Failure, Outcome } from '../support/chat-clients/client.ts';
import { geminiClient } from '../support/chat-clients/gemini.ts';
import { openaiChatClient } from '../support/chat-clients/openai-chat.ts';
import { openaiResponsesClient } from '../support/chat-clients/openai-responses.ts';
import { figuresOfTable, rolledFigures } from '../support/figures.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Rows of every dialect, natively and translated, plain and streamed, against what the official SDK of the dialect saw. */
const SECRET = 'sk-planted-canary';
const AWS = JSON.stringify({ accessKeyId: 'AKIDPLANTED', secretAccessKey: SECRET, region: 'us-east-1' });
const KINDS = [
  { kind: 'openai', path: '/v1', apiKey: SECRET },
  { kind: 'anthropic', path: '/v1', apiKey: SECRET },
  { kind: 'google', path: '/v1beta', apiKey: SECRET },
  { kind: 'bedrock', path: '', apiKey: AWS },
  { kind: 'cohere', path: '/cohere', apiKey: SECRET },
  { kind: 'oip', path: '', apiKey: SECRET },
] as const;
const CHAT_KINDS = KINDS.map(({ kind }) => kind).filter((kind) => kind !== 'oip');
const CLIENTS: Readonly<Record<string, (url: string, key: string) => ChatClient>> = {
  'openai-chat': openaiChatClient,
  'openai-responses': openaiResponsesClient,
  anthropic: anthropicClient,
  gemini: geminiClient,
};
const DIALECTS = Object.keys(CLIENTS);

/** What the providers' own words for an end mean. Some have one word for an end with and without calls. */
const MEANINGS: Readonly<Record<string, readonly Outcome['finish'][]>> = {
  stop: ['stop'],
  end_turn: ['stop'],
  completed: ['stop', 'tool_calls'],
  STOP: ['stop', 'tool_calls'],
  COMPLETE: ['stop'],
  tool_calls: ['tool_calls'],
  tool_use: ['tool_calls'],
  TOOL_CALL: ['tool_calls'],
  length: ['length'],
  max_tokens: ['length'],
  max_output_tokens: ['length'],
  MAX_TOKENS: ['length'],
};

interface Row {
  readonly id: string;
  readonly dialect: string;
  readonly operation: string;
  readonly streamed: boolean;
  readonly status: number;
  readonly outcome: string;
  readonly errorCode: string | null;
  readonly endReason: string;
  readonly finishReason: string | null;
  readonly assignedVariant: string;
  readonly servedVariant: string | null;
  readonly unit: string;
  readonly unitSource: string;
  readonly usage: { readonly inputTokens: number | null; readonly outputTokens: number | null };
  readonly timings: {
    readonly firstByteMs: number | null;
    readonly firstTokenMs: number | null;
    readonly totalMs: number;
  };
  readonly attempts: readonly {
    readonly status: number | null;
    readonly upstreamModel: string;
    readonly provider: string;
  }[];
}
interface Detail extends Row {
  readonly answer: unknown;
  readonly answerIsWhole: boolean | null;
  readonly request: { readonly captured: boolean; readonly body: unknown };
  readonly response: { readonly captured: boolean; readonly contentType?: string; readonly body: unknown };
}

let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  for (const { kind, path, apiKey } of KINDS) {
    await must('POST', '/providers', { name: kind, kind, baseUrl: `${stack.simulatorUrl}${path}`, apiKey });
    for (const half of ['a', 'b']) {
      await must('POST', '/models', { name: `${kind}-${half}`, provider: kind, upstreamModel: `sim-${kind}` });
    }
  }
  key = (await must<{ key: string }>('POST', '/keys', { name: 'rows' })).key;
});
afterAll(() => stack.stop());

async function must<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** A group whose two variants call the same upstream model. */
async function groupOf(name: string, kind: string): Promise<string> {
  await must('POST', '/groups', { name });
  await must('PUT', `/groups/${name}/variants`, [
    { model: `${kind}-a`, role: 'champion', weightBp: 6_000 },
    { model: `${kind}-b`, role: 'challenger', weightBp: 4_000 },
  ]);
  return name;
}

async function behave(kind: string, behaviour: object): Promise<void> {
  const put = { method: 'PUT', body: JSON.stringify(behaviour) };
  expect((await fetch(`${stack.simulatorUrl}/_sim/models/sim-${kind}`, put)).status).toBeLessThan(300);
}

/** The details of a group's inferences, oldest first. */
async function rowsOf(group: string, count: number): Promise<Detail[]> {
  const items = await waitFor(`${count} rows of ${group}`, async () => {
    const { body } = await stack.api<{ items: Row[] }>('GET', `/inferences?group=${group}&order=asc&limit=100`);
    return body.items.length >= count ? body.items : undefined;
  });
  expect(items).toHaveLength(count);
  return Promise.all(items.map(async ({ id }) => (await stack.api<Detail>('GET', `/inferences/${id}`)).body));
}

async function failureOf(client: ChatClient, call: Promise<Outcome>): Promise<Failure> {
  return call.then(
    (outcome) => expect.fail(`an answer: ${JSON.stringify(outcome)}`),
    (error: unknown) => client.failureOf(error),
  );
}

function checkAnswered(row: Detail, outcome: Outcome, streamed: boolean): void {
  expect(row).toMatchObject({ operation: 'chat', streamed, status: 200, outcome: 'completed', errorCode: null });
  expect(streamed ? ['terminal_event', 'end_of_stream'] : ['body']).toContain(row.endReason);
  expect(row.servedVariant).toBe(row.assignedVariant);
  expect(row.usage).toMatchObject({ inputTokens: outcome.inputTokens, outputTokens: outcome.outputTokens });
  expect(row.usage.outputTokens).toBeGreaterThan(0);
  expect(MEANINGS[row.finishReason!], String(row.finishReason)).toContain(outcome.finish);
  const { firstByteMs, firstTokenMs, totalMs } = row.timings;
  if (streamed) {
    expect(firstTokenMs).toBeGreaterThanOrEqual(firstByteMs!);
    expect(firstTokenMs).toBeLessThanOrEqual(totalMs);
  } else expect(firstTokenMs).toBeNull();
  expect(row.attempts).toMatchObject([{ status: 200 }]);
  expect(row.response).toMatchObject({ captured: true, truncated: false });
  expect(row.response.contentType).toMatch(streamed ? /^text\/event-stream/ : /^application\/json/);
  expect(row.answerIsWhole).toBe(true);
  const said = JSON.stringify(row.answer);
  expect(said).toContain(JSON.stringify(outcome.text).slice(1, -1));
  for (const { name } of outcome.calls) expect(said).toContain(`"${name}"`);
}

describe.each(DIALECTS)('from %s', (dialect) => {
  test.each(CHAT_KINDS)('to %s', async (kind) => {
    const group = await groupOf(`${dialect}-${kind}`, kind);
    const client = CLIENTS[dialect]!(stack.gatewayUrl, key);
    const ask = { group, prompt: 'Tell me about gateways' };
    await behave(kind, {});
    const seen = [
      await client.chat(ask),
      await client.stream(ask),
      ...(await withCalls(kind, () => client.chat({ ...ask, tools: true }))),
      ...(await withCalls(kind, () => client.stream({ ...ask, tools: true }))),
    ];
    await behave(kind, { answerTokens: 40 });
    seen.push(await client.chat({ ...ask, maxTokens: 7 }), await client.stream({ ...ask, maxTokens: 7 }));
    await behave(kind, { errors: [{ status: 429, rate: 1 }] });
    const failures = [await failureOf(client, client.chat(ask)), await failureOf(client, client.stream(ask))];
    await behave(kind, { streamError: { afterTokens: 3, status: 500 } });
    await expect(client.stream(ask)).rejects.toThrow();
    await behave(kind, { tokensPerSecond: 2, answerTokens: 400 });
    const leaving = new AbortController();
    const gone = client.stream({ ...ask, signal: leaving.signal }).catch(() => undefined);
    await waitFor('the call', async () => (await stack.metrics()).match(/ringside_in_flight\S* 1$/m) ?? undefined);
    leaving.abort();
    await gone;

    const rows = await rowsOf(group, seen.length + failures.length + 2);
    expect(rows.every((row) => row.dialect === dialect)).toBe(true);
    for (const [index, outcome] of seen.entries()) checkAnswered(rows[index]!, outcome, index % 2 === 1);
    for (const [index, failure] of failures.entries()) {
      expect(rows[seen.length + index]).toMatchObject({
        ...{ status: failure.status, outcome: 'failed', errorCode: 'upstream_rate_limited', servedVariant: null },
        ...{ endReason: 'upstream_failed', finishReason: null, answer: null, streamed: index === 1 },
        ...{ usage: { inputTokens: null, outputTokens: null }, attempts: [{ status: 429 }] },
        response: { captured: true, contentType: 'application/json' },
      });
    }
    await checkExport(group, seen);
    const [broken, left] = rows.slice(-2);
    expect(broken).toMatchObject({ status: 200, outcome: 'failed', endReason: 'upstream_failed', servedVariant: null });
    expect(broken).toMatchObject({ errorCode: 'upstream_error', answerIsWhole: false });
    expect(broken!.timings.firstTokenMs).not.toBeNull();
    expect(broken!.response.contentType).toMatch(/^text\/event-stream/);
    expect(left).toMatchObject({ outcome: 'client_closed', errorCode: 'client_closed', streamed: true });
  });
});

/** The lines of the fine-tuning export are the chats that were answered, oldest first. */
async function checkExport(group: string, seen: readonly Outcome[]): Promise<void> {
  const answer = await fetch(`${stack.controlUrl}/api/v1/inferences:export?format=openai-chat&group=${group}`, {
    headers: { authorization: `Bearer ${stack.adminToken}` },
  });
  const lines = (await answer.text()).trimEnd().split('\n').reverse();
  expect(lines).toHaveLength(seen.length);
  for (const [index, outcome] of seen.entries()) {
    const { messages } = JSON.parse(lines[index]!);
    expect(messages[0]).toMatchObject({ role: 'user' });
    const { content, tool_calls: calls = [] } = messages.at(-1);
    expect(content ?? '').toBe(outcome.text);
    expect(calls.map((call: { function: { arguments: string } }) => JSON.parse(call.function.arguments))).toEqual(
      outcome.calls.map((call) => call.arguments),
    );
  }
}

async function withCalls(kind: string, call: () => Promise<Outcome>): Promise<Outcome[]> {
  await behave(kind, { toolCalls: 2 });
  const outcome = await call();
  expect(outcome.calls).toHaveLength(2);
  return [outcome];
}

/** Anthropic wants it. */
const VERSION = { 'anthropic-version': '2023-06-01' };

const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
  const answer = await fetch(`${stack.gatewayUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...VERSION, ...headers },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  expect(answer.status, `${path}: ${text}`).toBe(200);
};

test('units are where each API has its end user', async () => {
  const messages = [{ role: 'user', content: 'Hi' }];
  const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }];
  for (const kind of ['openai', 'anthropic', 'google']) await behave(kind, {});
  const [openai, anthropic, google] = await Promise.all(
    ['openai', 'anthropic', 'google'].map((kind) => groupOf(`units-${kind}`, kind)),
  );
  await post('/v1/chat/completions', { model: openai, messages, user: 'u1', safety_identifier: 'no' });
  await post('/v1/chat/completions', { model: openai, messages, safety_identifier: 'u2' });
  await post('/v1/responses', { model: openai, input: 'Hi', user: 'u3', safety_identifier: 'no' });
  await post('/v1/responses', { model: openai, input: 'Hi', safety_identifier: 'u4' });
  await post('/v1/chat/completions', { model: openai, messages, user: 'no' }, { 'x-ringside-unit': 'u5' });
  expect((await rowsOf('units-openai', 5)).map(({ unit, unitSource }) => `${unitSource} ${unit}`)).toEqual([
    ...['user u1', 'user u2', 'user u3', 'user u4', 'header u5'],
  ]);
  await post('/v1/messages', { model: anthropic, max_tokens: 50, messages, metadata: { user_id: 'u6' } });
  await post('/v1/messages', { model: anthropic, max_tokens: 50, messages }, { 'x-ringside-unit': 'u7' });
  expect((await rowsOf('units-anthropic', 2)).map(({ unit, unitSource }) => `${unitSource} ${unit}`)).toEqual([
    ...['user u6', 'header u7'],
  ]);
  await post(`/v1beta/models/${google}:generateContent`, { contents }, { 'x-ringside-unit': 'u8' });
  await post(`/v1beta/models/${google}:generateContent`, { contents });
  const [named, own] = await rowsOf('units-google', 2);
  expect(named).toMatchObject({ unit: 'u8', unitSource: 'header' });
  expect(own).toMatchObject({ unit: own!.id, unitSource: 'inference' });
});

test('what is no chat', async () => {
  const parts = [{ text: 'Hi' }];
  for (const { kind } of KINDS) await behave(kind, {});
  const [openai, anthropic, google, oip] = await Promise.all(
    ['openai', 'anthropic', 'google', 'oip'].map((kind) => groupOf(`other-${kind}`, kind)),
  );
  await post('/v1/completions', { model: openai, prompt: 'Hi' });
  await post('/v1/completions', { model: openai, prompt: 'Hi', stream: true });
  await post('/v1/embeddings', { model: openai, input: 'Hi' });
  const [plain, streamed, embedded] = await rowsOf('other-openai', 3);
  const done = { status: 200, outcome: 'completed', errorCode: null, dialect: 'openai-chat' };
  expect(plain).toMatchObject({ ...done, operation: 'completions', streamed: false, finishReason: 'stop' });
  expect(streamed).toMatchObject({ ...done, operation: 'completions', streamed: true, finishReason: 'stop' });
  expect(streamed!.usage).toEqual(plain!.usage);
  expect(embedded).toMatchObject({ ...done, operation: 'embeddings', finishReason: null, answer: null });
  expect(embedded!.usage.inputTokens).toBeGreaterThan(0);

  await post('/v1/messages/count_tokens', { model: anthropic, messages: [{ role: 'user', content: 'Hi' }] });
  const [counted] = await rowsOf('other-anthropic', 1);
  expect(counted).toMatchObject({ ...done, dialect: 'anthropic', operation: 'count-tokens', streamed: false });
  // Counting is no use.
  expect(counted!.usage.outputTokens).toBeNull();

  const path = `/v1beta/models/${google}`;
  await post(`${path}:countTokens`, { contents: [{ parts }] });
  await post(`${path}:embedContent`, { content: { parts } });
  await post(`${path}:streamGenerateContent`, { contents: [{ parts }] });
  const [tokens, vector, array] = await rowsOf('other-google', 3);
  expect(tokens).toMatchObject({ ...done, dialect: 'gemini', operation: 'count-tokens', streamed: false });
  expect(vector).toMatchObject({ ...done, dialect: 'gemini', operation: 'embeddings', streamed: false });
  // The framing without `alt=sse`: a JSON array.
  expect(array).toMatchObject({ ...done, dialect: 'gemini', operation: 'chat', streamed: true, finishReason: 'STOP' });
  expect(array).toMatchObject({ answer: { role: 'model' }, answerIsWhole: true });
  expect(array!.timings.firstTokenMs).not.toBeNull();
  expect(array!.response.body).toEqual(expect.any(Array));

  const tensor = { name: 'input__0', shape: [1, 2], datatype: 'FP32', data: [1, 2] };
  await post(`/v2/models/${oip}/infer`, { inputs: [tensor] });
  const [inferred] = await rowsOf('other-oip', 1);
  expect(inferred).toMatchObject({ ...done, dialect: 'oip', operation: 'infer', streamed: false, answer: null });
});

test('each row is enough to compute its assignment again', async () => {
  const db = createPool({ databaseUrl: stack.databaseUrl, role: 'login', maxConnections: 1, applicationName: 'test' });
  const application = { databaseUrl: stack.databaseUrl, role: 'application', applicationName: 'test' } as const;
  const reader = createPool({ ...application, maxConnections: 1 });
  try {
    const rows = await db.selectFrom('inferences').selectAll().execute();
    expect(rows.length).toBeGreaterThan(100);
    const served = new Set<string>();
    for (const row of rows) {
      const known = await inOrganization(reader, row.organization_id, (tx) =>
        splitInForce(tx, row.organization_id, row.group_id, row.config_version),
      );
      const ranges = known!.variants.map((variant) => variant.ranges);
      const placement = place(compileSplit(known!.salt, row.hash_version, ranges), row.unit);
      expect([placement.bucket, ...placement.range]).toEqual([row.bucket, row.range_from, row.range_to]);
      expect(known!.variants[placement.variant]!.model).toBe(row.assigned_variant);
      served.add(row.assigned_variant);
    }
    expect(served.size).toBeGreaterThanOrEqual(2 * CHAT_KINDS.length);
  } finally {
    await reader.destroy();
    await db.destroy();
  }
});

test('the ledger balances, and the rollups are what the rows say', async () => {
  const entries = await waitFor('balanced ledgers', async () => {
    const { body } = await stack.api<{ items: { balance: string; accepted: number; stored: number }[] }>(
      'GET',
      '/ledger?limit=200',
    );
    return body.items.every(({ balance }) => balance === 'balanced') ? body.items : undefined;
  });
  const db = createPool({ databaseUrl: stack.databaseUrl, role: 'login', maxConnections: 1, applicationName: 'test' });
  try {
    const { count } = await db
      .selectFrom('inferences')
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    expect(entries.reduce((sum, { stored }) => sum + stored, 0)).toBe(Number(count));
    expect(entries.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(Number(count));
    expect(await rolledFigures(db)).toEqual(await figuresOfTable(db));
  } finally {
    await db.destroy();
  }
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../bin/ringside.mjs'), 'verify-log'], {
    env: { ...process.env, DATABASE_URL: stack.databaseUrl, RINGSIDE_DATA_DIR: stack.dataFolder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let report = '';
  child.stdout.on('data', (chunk: Buffer) => (report += chunk.toString()));
  const code = await new Promise((ended) => child.once('close', ended));
  expect(code, report).toBe(0);
  expect(report).toMatch(/no gap\n$/);
});
