import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canariesIn, EVERY_CANARY } from '../support/canaries.ts';
import { PIXEL } from '../support/chat-clients/client.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/**
 * Canaries in every place of every dialect, to providers that speak it and to others, plain and streamed: none may lie in a spool file, a table
 * or a log line, and neither may a caller's key, wherever the dialect's clients put it.
 */
const PLANTED = `Contact: ${EVERY_CANARY.join(' ; ')} ; end`;
const PROVIDER_SECRET = 'sk-planted-canary';
const KINDS = [
  { kind: 'openai', path: '/v1', apiKey: PROVIDER_SECRET },
  { kind: 'anthropic', path: '/v1', apiKey: PROVIDER_SECRET },
  { kind: 'google', path: '/v1beta', apiKey: PROVIDER_SECRET },
  {
    kind: 'bedrock',
    path: '',
    apiKey: JSON.stringify({ accessKeyId: 'AKIDPLANTED', secretAccessKey: PROVIDER_SECRET, region: 'us-east-1' }),
  },
];

interface Request {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

const schema = { type: 'object', properties: { to: { type: 'string', enum: [PLANTED] } }, required: ['to'] };
const args = { to: PLANTED };
const metadata = { note: PLANTED };

/** Each place of a conversation holds the canaries; the image must stay. The key stands where the dialect's clients put it. */
const DIALECTS: Readonly<Record<string, (group: string, key: string, stream: boolean) => Request>> = {
  'openai-chat': (model, key, stream) => ({
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${key}` },
    body: {
      model,
      stream,
      metadata,
      messages: [
        { role: 'system', content: PLANTED },
        {
          role: 'user',
          content: [
            { type: 'text', text: PLANTED },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'send', arguments: JSON.stringify(args) } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: PLANTED },
        { role: 'user', content: PLANTED },
      ],
      tools: [{ type: 'function', function: { name: 'send', description: PLANTED, parameters: schema } }],
    },
  }),
  'openai-responses': (model, key, stream) => ({
    path: '/v1/responses',
    headers: { authorization: `Bearer ${key}` },
    body: {
      model,
      stream,
      metadata,
      instructions: PLANTED,
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: PLANTED },
            { type: 'input_image', image_url: `data:image/png;base64,${PIXEL}` },
          ],
        },
        { type: 'function_call', call_id: 'call_1', name: 'send', arguments: JSON.stringify(args) },
        { type: 'function_call_output', call_id: 'call_1', output: PLANTED },
        { role: 'user', content: PLANTED },
      ],
      tools: [{ type: 'function', name: 'send', description: PLANTED, parameters: schema, strict: false }],
    },
  }),
  anthropic: (model, key, stream) => ({
    path: '/v1/messages?beta=true',
    headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
    body: {
      model,
      stream,
      max_tokens: 4_000,
      system: [{ type: 'text', text: PLANTED }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: PLANTED },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
          ],
        },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'send', input: args }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_1', content: PLANTED },
            { type: 'text', text: PLANTED },
          ],
        },
      ],
      tools: [{ name: 'send', description: PLANTED, input_schema: schema }],
    },
  }),
  gemini: (group, key, stream) => ({
    path: `/v1beta/models/${group}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    headers: { 'x-goog-api-key': key },
    body: geminiBody(),
  }),
  'gemini, key in the query': (group, key, stream) => ({
    // Without `alt=sse` a stream is a JSON array.
    path: `/v1beta/models/${group}:${stream ? 'streamGenerateContent' : 'generateContent'}?key=${key}`,
    headers: {},
    body: geminiBody(),
  }),
};

function geminiBody(): object {
  return {
    systemInstruction: { parts: [{ text: PLANTED }] },
    contents: [
      { role: 'user', parts: [{ text: PLANTED }, { inlineData: { mimeType: 'image/png', data: PIXEL } }] },
      { role: 'model', parts: [{ functionCall: { id: 'call_1', name: 'send', args } }] },
      {
        role: 'user',
        parts: [{ functionResponse: { id: 'call_1', name: 'send', response: { output: PLANTED } } }, { text: PLANTED }],
      },
    ],
    tools: [{ functionDeclarations: [{ name: 'send', description: PLANTED, parametersJsonSchema: schema }] }],
  };
}

/** That a tool must be called. */
const geminiMust = { toolConfig: { functionCallingConfig: { mode: 'ANY' } } };
const MUST_CALL: Readonly<Record<string, object>> = {
  'openai-chat': { tool_choice: 'required' },
  'openai-responses': { tool_choice: 'required' },
  anthropic: { tool_choice: { type: 'any' } },
  gemini: geminiMust,
  'gemini, key in the query': geminiMust,
};

let stack: Stack;
let db: pg.Client;
let key: string;
let sent = 0;

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  const capture = { mode: 'full', redaction: { detectors: ['email', 'phone', 'card', 'iban'] } };
  for (const { kind, path, apiKey } of KINDS) {
    await must('POST', '/providers', { name: kind, kind, baseUrl: `${stack.simulatorUrl}${path}`, apiKey });
    await must('POST', '/models', { name: kind, provider: kind, upstreamModel: `sim-${kind}` });
    await must('POST', '/groups', { name: kind, capture, traffic: { lenient: true } });
    await must('PUT', `/groups/${kind}/variants`, [{ model: kind, role: 'champion', weightBp: 10_000 }]);
  }
  key = (await must<{ key: string }>('POST', '/keys', { name: 'k' })).key;
  db = new pg.Client({ connectionString: stack.databaseUrl });
  await db.connect();
});
afterAll(async () => {
  await db?.end();
  await stack?.stop();
});

async function must<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

const behave = (kind: string, behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/sim-${kind}`, { method: 'PUT', body: JSON.stringify(behaviour) });

interface Detail {
  readonly outcome: string;
  readonly errorCode: string | null;
  readonly answer: unknown;
  readonly request: { readonly redacted: boolean; readonly body: unknown };
  readonly response: { readonly redacted: boolean; readonly cutBy: string[]; readonly body: unknown };
}

/** Sends one and gives what the caller got and what the log has. */
async function ask(
  dialect: string,
  kind: string,
  stream: boolean,
  more: object = {},
): Promise<{ got: string; status: number; row: Detail }> {
  const { path, headers, body } = DIALECTS[dialect]!(kind, key, stream);
  const answer = await fetch(`${stack.gatewayUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-ringside-metadata': JSON.stringify(metadata), ...headers },
    body: JSON.stringify({ ...body, ...more }),
  });
  const got = await answer.text().catch(String);
  const id = answer.headers.get('x-ringside-inference-id')!;
  const row = await waitFor(`row ${id} (${answer.status}: ${got.slice(0, 300)})`, async () => {
    const detail = await stack.api<Detail>('GET', `/inferences/${id}`);
    return detail.status === 200 ? detail.body : undefined;
  });
  sent++;
  return { got, status: answer.status, row };
}

/** Everything that is on disk, in the tables, in the metrics, and was said. */
async function everythingKept(): Promise<Buffer> {
  const files = readdirSync(stack.dataFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  const { rows } = await db.query<{ kept: string }>(
    `SELECT to_jsonb(i)::text AS kept FROM ringside.inferences i
     UNION ALL SELECT concat(convert_from(request, 'LATIN1'), convert_from(response, 'LATIN1'), response_type)
     FROM ringside.inference_payloads`,
  );
  const texts = [...rows.map(({ kept }) => Buffer.from(kept, 'latin1')), Buffer.from(stack.log())];
  return Buffer.concat([...files, ...texts, Buffer.from(await stack.metrics())]);
}

describe.each(Object.keys(DIALECTS))('%s', (dialect) => {
  describe.each(KINDS.map(({ kind }) => kind))('to %s', (kind) => {
    test.each([false, true])('streamed: %s', async (stream) => {
      await behave(kind, { answerText: PLANTED });
      const { got, status, row } = await ask(dialect, kind, stream);
      expect(status, got).toBe(200);
      // The caller gets it all.
      if (!stream) expect(canariesIn(Buffer.from(got))).toHaveLength(EVERY_CANARY.length);
      expect(row).toMatchObject({
        outcome: 'completed',
        request: { redacted: true },
        response: { redacted: true, cutBy: [] },
      });
      expect(JSON.stringify(row.request.body)).toContain(PIXEL);
      const labels = Object.fromEntries(
        [row.request.body, row.answer].map((side, index) => [
          index,
          JSON.stringify(side).match(/\[redacted:\w+\]/g)?.length,
        ]),
      );
      expect(labels[0]).toBeGreaterThan(5 * EVERY_CANARY.length);
      expect(labels[1], JSON.stringify(row.answer)).toBe(EVERY_CANARY.length);

      await behave(kind, { toolCalls: 2 });
      const calls = await ask(dialect, kind, stream, MUST_CALL[dialect]);
      expect(calls.status, calls.got).toBe(200);
      expect(calls.row).toMatchObject({ outcome: 'completed', response: { redacted: true, cutBy: [] } });
      expect(JSON.stringify(calls.row.answer)).toMatch(/\[redacted:card\].*\[redacted:iban\]/);
      await behave(kind, { errors: [{ status: 400, rate: 1, message: PLANTED }] });
      const refused = await ask(dialect, kind, stream);
      expect(refused.row).toMatchObject({ outcome: 'failed', errorCode: 'upstream_rejected' });
      await behave(kind, { answerText: PLANTED, streamError: { afterTokens: 9, status: 500, message: PLANTED } });
      if (stream) expect((await ask(dialect, kind, stream)).row).toMatchObject({ outcome: 'failed' });
      await behave(kind, { answerText: PLANTED, resetRate: 1, resetAfterTokens: 12 });
      expect((await ask(dialect, kind, stream)).row.outcome).toBe('failed');
    });
  });
});

test('requests that are refused leave no key either', async () => {
  const paths = [
    `/v1beta/models/nobody:generateContent?key=${key}`,
    `/v1beta/models/openai:fly?key=${key}`,
    `/v1beta/models/google:generateContent?key=${key}x`,
    `/v1beta/models?key=${key}`,
  ];
  for (const path of paths) {
    const answer = await fetch(`${stack.gatewayUrl}${path}`, { method: 'POST', body: '{' });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(await answer.text()).not.toContain(key);
  }
});

test('nothing of it lies in a file, a table, the metrics or a log line', async () => {
  const kept = await everythingKept();
  expect(kept.includes('[redacted:email]')).toBe(true);
  expect(canariesIn(kept)).toEqual([]);
  expect(kept.includes(key)).toBe(false);
  expect(kept.includes(PROVIDER_SECRET)).toBe(false);
  const { rows } = await db.query(`SELECT count(*)::int AS n FROM ringside.inferences`);
  expect(rows[0].n).toBe(sent);
});

test('the ledger balances', async () => {
  await waitFor('balanced ledgers', async () => {
    const { body } = await stack.api<{ items: { balance: string }[] }>('GET', '/ledger?limit=200');
    return body.items.length === KINDS.length && body.items.every(({ balance }) => balance === 'balanced');
  });
});
