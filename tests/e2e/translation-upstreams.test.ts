import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type BadAnswer,
  type GoodAnswer,
  type MeddlingUpstream,
  startMeddlingUpstream,
} from '../support/meddling-upstream.ts';
import { RAW_DIALECTS, type RawDialect } from '../support/raw-dialects.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Providers that answer what they should not: each kind, with the bytes of its own API but for what is broken in them. */
const SECRET = 'sk-planted-canary';
const BEDROCK_KEY = JSON.stringify({ accessKeyId: 'AKIDPLANTED', secretAccessKey: SECRET, region: 'us-east-1' });
const KINDS: Readonly<Record<string, { path: string; dialect: RawDialect['name']; isEvents: boolean }>> = {
  openai: { path: '/v1', dialect: 'anthropic', isEvents: true },
  'azure-openai': { path: '', dialect: 'openai-responses', isEvents: true },
  anthropic: { path: '/v1', dialect: 'openai-chat', isEvents: true },
  google: { path: '/v1beta', dialect: 'openai-responses', isEvents: true },
  bedrock: { path: '', dialect: 'gemini', isEvents: false },
  cohere: { path: '/cohere', dialect: 'anthropic', isEvents: true },
  mistral: { path: '/mistral/v1', dialect: 'gemini', isEvents: true },
  huggingface: { path: '/huggingface/v1', dialect: 'openai-chat', isEvents: true },
};

let stack: Stack;
let upstream: MeddlingUpstream;
let key: string;

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  upstream = await startMeddlingUpstream(stack.simulatorUrl);
  for (const [kind, { path }] of Object.entries(KINDS)) {
    const apiKey = kind === 'bedrock' ? BEDROCK_KEY : SECRET;
    await must('POST', '/providers', { name: kind, kind, baseUrl: `${upstream.url}${path}`, apiKey });
    await must('POST', '/models', { name: kind, provider: kind, upstreamModel: `sim-${kind}` });
    await must('POST', '/groups', { name: kind, traffic: { keepAliveMs: 1_000 } });
    await must('PUT', `/groups/${kind}/variants`, [{ model: kind, role: 'champion', weightBp: 10_000 }]);
  }
  key = (await must<{ key: string }>('POST', '/keys', { name: 'upstreams' })).key;
});
afterAll(async () => {
  await upstream.close();
  await stack.stop();
});

async function must<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What the caller gets; a connection that breaks after the head leaves what came until then. */
async function ask(dialect: RawDialect, group: string, stream: boolean): Promise<Answer> {
  const answer = await fetch(`${stack.gatewayUrl}${dialect.path(group, stream)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify(dialect.body(group, stream)),
  });
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const piece of answer.body!) text += decoder.decode(piece as Uint8Array, { stream: true });
  } catch {
    // Never a clean end: what came is what the test looks at.
  }
  return { status: answer.status, headers: answer.headers, text };
}

interface Row {
  readonly outcome: string;
  readonly errorCode: string | null;
  readonly usage: { readonly inputTokens: number | null; readonly outputTokens: number | null } | null;
}

const rowOf = ({ headers }: Answer) =>
  waitFor('the row', async () => {
    const row = await stack.api<Row>('GET', `/inferences/${headers.get('x-ringside-inference-id')}`);
    return row.status === 200 && row.body.outcome !== null ? row.body : undefined;
  });

/** A failure of the upstream, told in the caller's dialect and recorded. */
async function expectFailure(dialect: RawDialect, answer: Answer, code: string, status = 502): Promise<void> {
  const isStream = /event-stream|^application\/json-seq/.test(answer.headers.get('content-type') ?? '');
  if (isStream) {
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(dialect.failure);
    expect(answer.text).not.toMatch(dialect.terminal);
  } else {
    expect({ status: answer.status, text: answer.text }).toMatchObject({ status });
    expect(dialect.errorOf(JSON.parse(answer.text)).message).not.toBe('');
  }
  expect(answer.text).not.toMatch(/canary|internal\.example|<html/);
  expect(await rowOf(answer)).toMatchObject({ outcome: 'failed', errorCode: code });
}

const keep = ({ status, headers }: GoodAnswer): Pick<BadAnswer, 'status' | 'headers'> => ({
  status,
  headers: { 'content-type': headers['content-type'] ?? 'text/plain', 'x-request-id': 'req_meddled' },
});
const html = (): BadAnswer => ({
  headers: { 'content-type': 'text/html' },
  pieces: [`<html>${SECRET} at http://internal.example:8080</html>`],
});
/** The good answer up to the middle of its last event but some. */
const half = ({ body }: GoodAnswer) => body.subarray(0, Math.floor(body.length * 0.6));

describe.each(Object.entries(KINDS))('%s', (kind, { dialect: name, isEvents }) => {
  const dialect = RAW_DIALECTS.find((known) => known.name === name)!;
  const PROTOCOL: readonly (readonly [string, (good: GoodAnswer) => BadAnswer, 'plain' | 'stream' | 'both'])[] = [
    ['HTML with 200', html, 'both'],
    ['HTML of its own type', (good) => ({ ...html(), ...keep(good) }), 'both'],
    ['nothing with 200', (good) => ({ ...keep(good), pieces: [] }), 'both'],
    ['half of it, cleanly ended', (good) => ({ ...keep(good), pieces: [half(good)] }), 'both'],
    ['a wrong content type', ({ body }) => ({ headers: { 'content-type': 'text/plain' }, pieces: [body] }), 'stream'],
    ['JSON null', (good) => ({ ...keep(good), pieces: ['null'] }), 'plain'],
    ['a JSON list', (good) => ({ ...keep(good), pieces: ['[]'] }), 'plain'],
    ['an empty object', (good) => ({ ...keep(good), pieces: ['{}'] }), 'plain'],
    [
      'an object of nulls',
      (good) => ({
        ...keep(good),
        pieces: ['{"choices":null,"content":null,"candidates":null,"output":null,"message":null}'],
      }),
      'plain',
    ],
    ['an event of no JSON', (good) => ({ ...keep(good), pieces: ['data: {"x":\n\n'] }), 'stream'],
    ['bytes of nothing', (good) => ({ ...keep(good), pieces: [Buffer.alloc(5_000, 0xff)] }), 'both'],
    [
      'gzip that was not asked for',
      (good) => ({
        ...keep(good),
        headers: { ...keep(good).headers, 'content-encoding': 'gzip' },
        pieces: [gzipSync(good.body)],
      }),
      'both',
    ],
    [
      'JSON in place of a stream',
      () => ({
        headers: { 'content-type': 'application/json' },
        pieces: [
          '{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"output":{"message":{"content":[{"text":"x"}]}},"stopReason":"end_turn","message":{"content":[{"type":"text","text":"x"}]},"finish_reason":"COMPLETE"}',
        ],
      }),
      'stream',
    ],
    [
      'an event beyond the limit',
      (good) => ({ ...keep(good), pieces: ['data: "', ...Array<string>(18).fill('x'.repeat(1024 * 1024))] }),
      'stream',
    ],
  ];

  for (const stream of [false, true]) {
    const mode = stream ? 'streamed' : 'plain';
    const cases = PROTOCOL.filter(([, , where]) => where === 'both' || (where === 'stream') === stream);
    test.each(cases)(`%s is told and recorded as a failure, ${mode}`, async (_, how) => {
      upstream.meddle(how);
      await expectFailure(dialect, await ask(dialect, kind, stream), 'upstream_protocol');
    });

    test(`a reset in the middle is told and recorded, ${mode}`, async () => {
      upstream.meddle((good) => ({ ...keep(good), pieces: [half(good)], reset: true }));
      await expectFailure(dialect, await ask(dialect, kind, stream), 'upstream_unreachable');
    });

    test.each([400, 401, 403, 404, 429, 500, 529])(`a %i says no secrets, ${mode}`, async (status) => {
      const said = `no: ${SECRET} at http://vllm-3.internal.example:8080/v1, 10.1.2.3:8000, db.prod.svc.cluster.local; upstream ${upstream.url}`;
      upstream.meddle(() => ({
        status,
        headers: { 'content-type': 'application/json', 'retry-after': '7', 'x-request-id': 'req_meddled' },
        pieces: [
          JSON.stringify({
            error: { message: said, code: status, status: 'X', type: 'x', param: SECRET },
            message: said,
            __type: 'X',
            detail: said,
          }),
        ],
      }));
      const answer = await ask(dialect, kind, stream);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text).not.toMatch(/canary|10\.1\.2\.3|svc\.cluster|127\.0\.0\.1/);
      expect(dialect.errorOf(JSON.parse(answer.text)).message).not.toBe('');
      if (status === 429) expect(answer.headers.get('retry-after')).toBe('7');
      expect(await rowOf(answer)).toMatchObject({ outcome: 'failed', errorCode: expect.stringMatching(/^upstream_/) });
    });

    test(`the provider's id of a call is kept, ${mode}`, async () => {
      upstream.meddle((good) => ({ ...keep(good), pieces: [good.body] }));
      const answer = await ask(dialect, kind, stream);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-ringside-upstream-request-id')).toBe('req_meddled');
      expect(await rowOf(answer)).toMatchObject({ outcome: 'completed', errorCode: null });
      if (!stream) return;
      expect(answer.headers.get('x-accel-buffering')).toBe('no');
      expect(answer.text).toMatch(dialect.terminal);
    });
  }

  test('a stream in place of JSON is told and recorded as a failure', async () => {
    const type = isEvents ? 'text/event-stream' : 'application/vnd.amazon.eventstream';
    upstream.meddle(() => ({ headers: { 'content-type': type }, pieces: ['data: {}\n\n'] }));
    await expectFailure(dialect, await ask(dialect, kind, false), 'upstream_protocol');
  });

  test('events of unknown types, comments and fields are passed over', async () => {
    if (!isEvents) return;
    const added = ': hi\n\nevent: surprise\nid: 7\nretry: 9\ndata: {"type":"surprise"}\n\n';
    upstream.meddle((good) => {
      const first = good.body.indexOf('\n\n') + 2;
      return { ...keep(good), pieces: [good.body.subarray(0, first), added, good.body.subarray(first)] };
    });
    const answer = await ask(dialect, kind, true);
    expect(answer.text).toMatch(dialect.terminal);
    expect(answer.text).not.toContain('surprise');
    expect(await rowOf(answer)).toMatchObject({ outcome: 'completed' });
  });

  test('an event of 5 MB is an event like others', async () => {
    if (!isEvents) return;
    upstream.meddle((good) => {
      const text = good.body.toString();
      // The first text of the answer, wherever its API has it.
      const long = text.replace(
        /("(?:content|text)": ?")([^"]+)"/,
        (_, before) => `${before}${'x'.repeat(5 * 1024 * 1024)}"`,
      );
      expect(long.length).toBeGreaterThan(5 * 1024 * 1024);
      return { ...keep(good), pieces: [long] };
    });
    const answer = await ask(dialect, kind, true);
    expect(answer.text).toMatch(dialect.terminal);
    expect(answer.text.length).toBeGreaterThan(5 * 1024 * 1024);
  });

  test('whatever the pieces, the answer is the same', async () => {
    const shape = ({ text, headers }: Answer) => {
      const id = headers.get('x-ringside-inference-id')!;
      const made = new RegExp(`${id}|\\w*${id.replaceAll('-', '').slice(-20)}\\w*|"created(?:_at)?":\\d+`, 'g');
      return text.replaceAll(made, '');
    };
    let whole: Buffer | null = null;
    upstream.meddle((good) => {
      whole = good.body;
      return { ...keep(good), pieces: [whole] };
    });
    const once = await ask(dialect, kind, true);
    upstream.meddle((good) => ({ ...keep(good), pieces: [...whole!].map((byte) => Buffer.of(byte)) }));
    expect(shape(await ask(dialect, kind, true))).toBe(shape(once));
  });
});
