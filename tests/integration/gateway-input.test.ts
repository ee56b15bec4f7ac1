import { createServer, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rawExchange } from '../support/raw-http.ts';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

const MAX_BODY = 200_000;
let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack({
    workers: 1,
    env: {
      RINGSIDE_MAX_BODY_BYTES: String(MAX_BODY),
      RINGSIDE_UPSTREAM_FIRST_BYTE_TIMEOUT_MS: '400',
      RINGSIDE_UPSTREAM_IDLE_TIMEOUT_MS: '400',
      RINGSIDE_UPSTREAM_CONNECT_TIMEOUT_MS: '400',
    },
  });
  key = await stack.createGroup('input', { m: 10_000 });
});
afterAll(() => stack.stop());

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly error: { code: string; param: string | null; message: string; type: string };
}

async function post(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  path = '/v1/chat/completions',
): Promise<Answered> {
  const answer = await fetch(stack.gatewayUrl + path, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  });
  const json = (await answer.json()) as { error: Answered['error'] };
  return { status: answer.status, headers: answer.headers, error: json.error };
}

const simulate = (behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/m`, { method: 'PUT', body: JSON.stringify(behaviour) });
const upstreamTotal = async () =>
  ((await (await fetch(`${stack.simulatorUrl}/_sim/requests?limit=1`)).json()) as { total: number }).total;

describe('bodies', () => {
  test.each([
    ['empty', '', null],
    ['not an object', '[1]', null],
    ['unbalanced', '{"model":"input","messages":[{]}', null],
    ['followed by more', '{"model":"input"} {}', null],
    ['nested past the limit', `{"model":"input","x":${'['.repeat(200)}${']'.repeat(200)}}`, null],
    ['without a model', '{"messages":[]}', 'model'],
    ['with a model that is no string', '{"model":7}', 'model'],
    ['with two models', '{"model":"input","model":"other"}', 'model'],
    ['with an escaped second model', '{"model":"input","mod\\u0065l":"other"}', 'model'],
    ['with "Model"', '{"Model":"input"}', 'model'],
    ['with a stream that is no flag', '{"model":"input","stream":"yes"}', 'stream'],
    ['with stream options that are no object', '{"model":"input","stream":true,"stream_options":3}', 'stream_options'],
    ['with a user too long to keep', `{"model":"input","user":"${'x'.repeat(1025)}"}`, 'user'],
    ['with NUL in user', '{"model":"input","user":"a\\u0000"}', 'user'],
  ])('%s: 400 with param, and nothing reaches an upstream', async (_, body, param) => {
    const before = await upstreamTotal();
    const answer = await post(body);
    expect(answer).toMatchObject({ status: 400, error: { param, type: 'invalid_request_error' } });
    expect(answer.error.message.length).toBeGreaterThan(10);
    expect(await upstreamTotal()).toBe(before);
  });

  test('larger than the cap: 413, announced or chunked, and the connection still tells', async () => {
    const big = JSON.stringify({ model: 'input', messages: [], pad: 'x'.repeat(MAX_BODY) });
    expect(await post(big)).toMatchObject({ status: 413, error: { code: 'body_too_large' } });
    const status = await new Promise<number>((resolve, reject) => {
      const upload = request(
        `${stack.gatewayUrl}/v1/chat/completions`,
        { method: 'POST', headers: { authorization: `Bearer ${key}`, 'transfer-encoding': 'chunked' } },
        (answer) => resolve(answer.statusCode!),
      );
      upload.on('error', reject);
      for (let i = 0; i < 40; i++) upload.write('x'.repeat(10_000));
      upload.end();
    });
    expect(status).toBe(413);
  });

  test("what lies deeper is the upstream's to judge, and reaches it byte for byte but for the model", async () => {
    const body =
      '{ "z": 1.0e2, "messages" : [ {"role":"user","content":"a\\u00e9\\/"} ],\n "model": "input" , "unknown":[{}] }';
    expect((await post(body)).status).toBe(200);
    const { items } = (await (await fetch(`${stack.simulatorUrl}/_sim/requests?limit=1`)).json()) as {
      items: { body: string }[];
    };
    expect(items[0]!.body).toBe(body.replace('"input"', '"m"'));
  });

  test('a compressed body is refused by name', async () => {
    expect(await post('{}', { 'content-encoding': 'gzip' })).toMatchObject({
      status: 415,
      error: { param: 'content-encoding' },
    });
  });
});

describe('who may ask', () => {
  test('no key, a wrong key, a deleted key: 401 before a byte of body is wanted', async () => {
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`;
    expect(await rawExchange(stack.gatewayPort, [head])).toMatch(/^HTTP\/1\.1 401 /);
    expect((await post('{}', { authorization: 'Bearer rsk_wrong' })).error.code).toBe('invalid_api_key');
    const created = await stack.api<{ id: string; key: string }>('POST', '/keys', { name: 'short-lived' });
    const ask = async () => {
      const answer = await stack.chat(created.body.key, { model: 'input' });
      await answer.arrayBuffer();
      return answer.status;
    };
    expect(await ask()).toBe(200);
    await stack.api('DELETE', `/keys/${created.body.id}`);
    expect(await ask()).toBe(401);
  });

  test('a key of other groups: 403; a group that is not there: 404; one without variants: 503', async () => {
    await stack.api('POST', '/groups', { name: 'empty' });
    const scoped = await stack.api<{ key: string }>('POST', '/keys', { name: 'scoped', groups: ['empty'] });
    const ask = async (model: string) =>
      post(JSON.stringify({ model }), { authorization: `Bearer ${scoped.body.key}` });
    expect(await ask('input')).toMatchObject({ status: 403, error: { code: 'forbidden', param: 'model' } });
    expect(await ask('nope')).toMatchObject({ status: 404, error: { code: 'model_not_found' } });
    expect(await ask('empty')).toMatchObject({ status: 503, error: { code: 'group_not_ready' } });
    const list = await fetch(`${stack.gatewayUrl}/v1/models`, {
      headers: { authorization: `Bearer ${scoped.body.key}` },
    });
    expect(((await list.json()) as { data: { id: string }[] }).data.map((model) => model.id)).toEqual(['empty']);
  });
});

describe('the unit', () => {
  test('comes from the header, else user, else the key, else the inference itself', async () => {
    const keyed = await stack.api<{ key: string }>('POST', '/keys', { name: 'with-unit', defaultUnit: 'batch-7' });
    const send = async (apiKey: string, body: object, headers: Record<string, string>) => {
      const answer = await stack.chat(apiKey, { model: 'input', ...body }, headers);
      await answer.arrayBuffer();
      return answer.headers.get('x-ringside-inference-id')!;
    };
    const utf8 = Buffer.from('Zoë').toString('latin1');
    const cases: [string, string, string][] = [
      [await send(keyed.body.key, { user: 'u' }, { 'x-ringside-unit': utf8 }), 'Zoë', 'header'],
      [await send(keyed.body.key, { user: 'Zoë' }, {}), 'Zoë', 'user'],
      [await send(keyed.body.key, {}, {}), 'batch-7', 'key'],
    ];
    const own = await send(key, {}, {});
    cases.push([own, own, 'inference']);
    for (const [id, unit, unitSource] of cases) {
      const row = await waitFor(`row ${id}`, async () => {
        const answer = await stack.api('GET', `/inferences/${id}`);
        return answer.status === 200 ? answer.body : undefined;
      });
      expect(row).toMatchObject({ unit, unitSource });
    }
  });
});

describe('framing', () => {
  const auth = () => `Authorization: Bearer ${key}\r\n`;
  test.each([
    [
      'an absolute target',
      () => `POST http://x/v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth()}Content-Length: 2\r\n\r\n{}`,
    ],
    [
      'two Host headers',
      () => `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nHost: y\r\n${auth()}Content-Length: 2\r\n\r\n{}`,
    ],
    [
      'length and chunks at once',
      () =>
        `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth()}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'two lengths',
      () =>
        `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth()}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    ],
    [
      'a bad chunk size',
      () => `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${auth()}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`,
    ],
    ['no Host', () => `POST /v1/chat/completions HTTP/1.1\r\n${auth()}Content-Length: 2\r\n\r\n{}`],
  ])('%s: 400, and nothing reaches an upstream', async (_, bytes) => {
    const before = await upstreamTotal();
    expect(await rawExchange(stack.gatewayPort, [bytes()])).toMatch(/^HTTP\/1\.1 400 /);
    expect(await upstreamTotal()).toBe(before);
  });

  test('an unknown route is 404, a wrong method 405 with Allow, in the dialect of the caller', async () => {
    expect(await post('{}', {}, '/v1/nothing')).toMatchObject({ status: 404, error: { code: 'route_not_found' } });
    const wrong = await fetch(`${stack.gatewayUrl}/v1/chat/completions`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

describe('upstreams that fail', () => {
  test('one that accepts and never answers: 504 in time; one that stops mid-stream: an error, never a clean end', async () => {
    await simulate({ blackHoleRate: 1 });
    expect(await post('{"model":"input","messages":[{"role":"user","content":"x"}]}')).toMatchObject({
      status: 504,
      error: { code: 'upstream_timeout' },
    });
    await simulate({ stallAfterTokens: 3 });
    const stream = await stack.chat(key, { model: 'input', stream: true });
    const text = await stream.text().catch((error: unknown) => String(error));
    expect(text).not.toContain('[DONE]');
    await simulate({});
  });

  test('a refused port, an unresolvable name, an address that is not allowed: 502, and the text names no address', async () => {
    for (const [name, baseUrl] of [
      ['refused', 'http://127.0.0.1:1/v1'],
      ['unresolvable', 'http://nothing.invalid/v1'],
    ] as const) {
      await stack.api('POST', '/providers', { name, kind: 'openai', baseUrl, apiKey: 'sk-planted-canary' });
      await stack.api('POST', '/models', { name: `${name}-model`, provider: name, upstreamModel: 'x' });
      await stack.api('POST', '/groups', { name });
      await stack.api('PUT', `/groups/${name}/variants`, [
        { model: `${name}-model`, role: 'champion', weightBp: 10_000 },
      ]);
      const answer = await post(JSON.stringify({ model: name }));
      expect(answer).toMatchObject({ status: 502, error: { code: 'upstream_unreachable' } });
      expect(answer.error.message).not.toMatch(/127\.0|invalid|planted/);
    }
    const forbidden = await stack.api<{ field: string }>('POST', '/providers', {
      name: 'p',
      kind: 'openai',
      baseUrl: 'http://10.0.0.1/v1',
    });
    expect(forbidden).toMatchObject({ status: 422, body: { field: 'baseUrl' } });
  });

  test('a large answer passes through whole, HTML with 200 is passed on, both recorded', async () => {
    await simulate({ answerTokens: 400_000 });
    const answer = await stack.chat(key, { model: 'input' });
    const body = (await answer.json()) as { choices: { message: { content: string } }[] };
    expect(body.choices[0]!.message.content.length).toBeGreaterThan(1_048_576);
    const id = answer.headers.get('x-ringside-inference-id');
    const row = await waitFor('the row', async () => {
      const found = await stack.api<{ response: { truncated: boolean; sha256: string }; responseBytes: number }>(
        'GET',
        `/inferences/${id}`,
      );
      return found.status === 200 ? found.body : undefined;
    });
    expect(row.response).toMatchObject({ truncated: true, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(row.responseBytes).toBeGreaterThan(1_048_576);
    await simulate({ htmlAnswer: true });
    const html = await stack.chat(key, { model: 'input' });
    expect([html.status, html.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
    await html.text();
    await simulate({});
  });
});

test('a redirect is not followed', async () => {
  let hits = 0;
  const redirecting = createServer((_, response) => {
    hits++;
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  await new Promise<void>((done) => redirecting.listen(0, '127.0.0.1', done));
  const { port } = redirecting.address() as { port: number };
  await stack.api('POST', '/providers', { name: 'redirects', kind: 'openai', baseUrl: `http://127.0.0.1:${port}/v1` });
  await stack.api('POST', '/models', { name: 'redirects', provider: 'redirects', upstreamModel: 'x' });
  await stack.api('POST', '/groups', { name: 'redirects' });
  await stack.api('PUT', '/groups/redirects/variants', [{ model: 'redirects', role: 'champion', weightBp: 10_000 }]);
  expect(await post('{"model":"redirects"}')).toMatchObject({ status: 502, error: { code: 'upstream_error' } });
  expect(hits).toBe(1);
  redirecting.close();
  redirecting.closeAllConnections();
});

test('canaries of keys and provider secrets are in no log line, metric or row', async () => {
  await waitForInferences(stack, 'input', 1);
  const sinks = [
    stack.log(),
    await stack.metrics(),
    JSON.stringify((await stack.api('GET', '/inferences?limit=200')).body),
  ];
  for (const sink of sinks) {
    expect(sink).not.toContain('sk-planted-canary');
    expect(sink).not.toContain(key);
  }
});
