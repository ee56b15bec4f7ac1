import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RAW_DIALECTS, type RawDialect } from '../support/raw-dialects.ts';
import { type Stack, startStack } from '../support/stack.ts';

/** What callers send that no SDK would: every dialect, raw, to its own provider and to another one, and to one in a lenient group. */
const KINDS: Readonly<Record<string, string>> = { openai: '/v1', anthropic: '/v1', google: '/v1beta', bedrock: '' };
const BEDROCK_KEY = JSON.stringify({
  accessKeyId: 'AKIDPLANTED',
  secretAccessKey: 'sk-planted-canary',
  region: 'us-east-1',
});

let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  for (const [kind, path] of Object.entries(KINDS)) {
    const apiKey = kind === 'bedrock' ? BEDROCK_KEY : 'sk-planted-canary';
    await must('POST', '/providers', { name: kind, kind, baseUrl: `${stack.simulatorUrl}${path}`, apiKey });
    await must('POST', '/models', { name: kind, provider: kind, upstreamModel: `sim-${kind}` });
    for (const lenient of [false, true]) {
      const name = lenient ? `${kind}-lenient` : kind;
      await must('POST', '/groups', { name, ...(lenient ? { traffic: { lenient } } : {}) });
      await must('PUT', `/groups/${name}/variants`, [{ model: kind, role: 'champion', weightBp: 10_000 }]);
    }
  }
  key = (await must<{ key: string }>('POST', '/keys', { name: 'input' })).key;
});
afterAll(() => stack.stop());

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

async function send(dialect: RawDialect, group: string, body: unknown, stream = false): Promise<Answer> {
  const answer = await fetch(`${stack.gatewayUrl}${dialect.path(group, stream)}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
    },
    body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

const ask = (dialect: RawDialect, group: string, more?: Readonly<Record<string, unknown>>, stream = false) =>
  send(dialect, group, dialect.body(group, stream, more), stream);

/** A refusal of ours, in the caller's dialect: never a failure, and never without a reason. */
function refusal(dialect: RawDialect, { status, text }: Answer) {
  expect({ status, text }).toMatchObject({ status: 400 });
  const error = dialect.errorOf(JSON.parse(text));
  expect(error.message).not.toBe('');
  return error;
}

const lastBody = async (model: string) => {
  const answer = await fetch(`${stack.simulatorUrl}/_sim/requests?model=${model}&limit=1000`);
  const { items } = (await answer.json()) as { items: { body: string }[] };
  return items.at(-1)!.body;
};

describe.each(RAW_DIALECTS)('$name', (dialect) => {
  const { native, foreign } = dialect;

  test('an unknown field goes on in the same dialect', async () => {
    const answer = await ask(dialect, native, { x_unknown: { deep: [1] } });
    // Some providers know all of their fields, and say so.
    if (answer.status === 400) expect(answer.text).toMatch(/refused the request: .*x_?unknown/i);
    else expect(await lastBody(`sim-${native}`)).toContain('"x_unknown":{"deep":[1]}');
    expect(answer.headers.get('x-ringside-dropped')).toBeNull();
  });

  test('is refused by its name where it cannot be translated', async () => {
    const answer = await ask(dialect, foreign, { x_unknown: { deep: [1] } });
    const { message, param } = refusal(dialect, answer);
    expect(message).toContain('"x_unknown" cannot be sent on');
    expect([null, 'x_unknown']).toContain(param);
  });

  test('is left out in a lenient group, which the answer says, plain and streamed', async () => {
    for (const stream of [false, true]) {
      const answer = await ask(dialect, `${foreign}-lenient`, { x_unknown: 1, 'x_ünknown\r\n': 2 }, stream);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-ringside-dropped')).toBe('x_unknown, x_%C3%BCnknown%0D%0A');
      expect(await lastBody(`sim-${foreign}`)).not.toContain('nknown');
    }
  });

  test('a name that is no Unicode is left out like others', async () => {
    const body = JSON.stringify(dialect.body(`${foreign}-lenient`, false)).replace('{', '{"x\\ud800":1,');
    const answer = await send(dialect, `${foreign}-lenient`, body);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-ringside-dropped')).toBe('x%EF%BF%BD');
  });

  test('a very long name does not come back whole', async () => {
    const answer = await ask(dialect, foreign, { ['x'.repeat(1_000_000)]: 1 });
    refusal(dialect, answer);
    expect(answer.text.length).toBeLessThan(20_000);
  });

  test.each([
    '{',
    '{"city":',
    'null',
    '[1]',
    '"x"',
    '{"a":\\ud800}',
  ])('a call with the arguments %j in the history is refused where its place is an object', async (json) => {
    const more = dialect.called(json);
    if (more === null) return;
    const answer = await ask(dialect, foreign, more);
    expect(refusal(dialect, answer).message).toMatch(/JSON object/);
  });

  test.each(['robot', '', 'constructor', '__proto__'])('the role %j is refused', async (role) => {
    const good = JSON.stringify(dialect.body(foreign, false, dialect.turns('Hello')));
    refusal(dialect, await send(dialect, foreign, good.replace('"role":"user"', `"role":"${role}"`)));
  });

  test.each([
    ['no messages', []],
    ['messages that are none', [1]],
    ['messages that are null', [null]],
    ['messages that are a number', 7],
    ['messages that are a flag', true],
    ['messages that are lists', [[]]],
  ])('%s are refused', async (_, value) => {
    const [name] = Object.keys(dialect.turns('x'));
    refusal(dialect, await ask(dialect, foreign, { [name!]: value }));
  });

  test('empty texts are an answer or a refusal', async () => {
    for (const texts of [[''], ['', '', ''], ['Hello', '', 'Go on']]) {
      const { status } = await ask(dialect, foreign, dialect.turns(...texts));
      expect([200, 400]).toContain(status);
    }
  });

  test('10 000 messages are translated', async () => {
    const texts = Array.from({ length: 9_999 }, (_, index) => `turn ${index}`);
    const answer = await ask(dialect, foreign, dialect.turns(...texts));
    expect(answer.status).toBe(200);
    expect(await lastBody(`sim-${foreign}`)).toContain('turn 99');
  });

  test('an image of 20 MB is translated', async () => {
    const base64 = Buffer.alloc(15 * 1024 * 1024, 7).toString('base64');
    const answer = await ask(dialect, foreign, dialect.image(base64));
    expect(answer.status).toBe(200);
  });

  test('a body beyond the limit is refused', async () => {
    const answer = await ask(dialect, foreign, dialect.image('A'.repeat(33 * 1024 * 1024)));
    expect(answer.status).toBe(413);
  });

  test.each(['model', 'stream'])('a second %s is refused', async (name) => {
    if (dialect.name === 'gemini') return;
    const body = JSON.stringify(dialect.body(foreign, false));
    refusal(dialect, await send(dialect, foreign, body.replace('{', `{"${name}":"x",`)));
  });

  test('nesting without end is refused', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const body = JSON.stringify(dialect.body(foreign, false)).replace('{', `{"x":${deep},`);
    refusal(dialect, await send(dialect, foreign, body));
  });

  test('lone surrogates and NUL in a text go on as JSON', async () => {
    const body = JSON.stringify(dialect.body(foreign, false, dialect.turns('MARK'))).replace(
      'MARK',
      'a\\ud800b\\u0000c',
    );
    const answer = await send(dialect, foreign, body);
    expect(answer.status).toBe(200);
    expect(await lastBody(`sim-${foreign}`)).toContain('a\\ud800b\\u0000c');
  });

  test('bytes that are no UTF-8 are an answer or a refusal', async () => {
    const body = Buffer.from(JSON.stringify(dialect.body(foreign, false, dialect.turns('MARK'))));
    body.writeUInt32BE(0xff_fe_80_c0, body.indexOf('MARK'));
    const { status } = await send(dialect, foreign, body);
    expect([200, 400]).toContain(status);
  });

  test.each([
    '',
    ' ',
    'null',
    '[]',
    '7',
    '{',
    '{"a":1}x',
    '<html>',
    '{"__proto__":{"model":"x"}}',
  ])('the body %j is refused', async (body) => {
    refusal(dialect, await send(dialect, foreign, body));
  });
});
