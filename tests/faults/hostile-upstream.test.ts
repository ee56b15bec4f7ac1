import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rawExchange } from '../support/raw-http.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Upstreams that do what none should and some do. Each test says how the upstream answers. */
let stack: Stack;
let upstream: Server;
let key: string;
let client: OpenAI;
let last: ServerResponse;
let answer: (response: ServerResponse, request: IncomingMessage) => void;

const event = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const token = (content: string) => event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const stream = { 'content-type': 'text/event-stream' };

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_UPSTREAM_IDLE_TIMEOUT_MS: '20000' } });
  upstream = createServer((request, response) => {
    last = response;
    request.resume().on('end', () => answer(response, request));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as { port: number };
  const baseUrl = `http://127.0.0.1:${port}/v1`;
  await stack.api('POST', '/providers', { name: 'hostile', kind: 'openai', baseUrl, apiKey: 'sk-planted-canary' });
  await stack.api('POST', '/models', { name: 'hostile', provider: 'hostile', upstreamModel: 'x' });
  await stack.api('POST', '/groups', { name: 'hostile' });
  await stack.api('PUT', '/groups/hostile/variants', [{ model: 'hostile', role: 'champion', weightBp: 10_000 }]);
  key = (await stack.api<{ key: string }>('POST', '/keys', { name: 'hostile' })).body.key;
  client = new OpenAI({ baseURL: `${stack.gatewayUrl}/v1`, apiKey: key, maxRetries: 0 });
});
afterAll(async () => {
  upstream.closeAllConnections();
  upstream.close();
  await stack.stop();
});

const ask = (body: object = {}) => stack.chat(key, { model: 'hostile', ...body });
const rowOf = (reply: Response) => {
  const id = reply.headers.get('x-ringside-inference-id');
  return waitFor(`row ${id}`, async () => {
    const found = await stack.api<Record<string, unknown>>('GET', `/inferences/${id}`);
    return found.status === 200 ? found.body : undefined;
  });
};

test.each([
  '[DONE]',
  '[DONE] ',
  ' [DONE]',
])('%j and then silence: the caller has its end, the upstream is let go', async (done) => {
  answer = (response) => {
    response.writeHead(200, stream);
    response.write(token('hi') + event(done));
  };
  const reply = await ask({ stream: true });
  expect(await reply.text()).toBe(token('hi') + event(done));
  expect(await rowOf(reply)).toMatchObject({
    outcome: 'completed',
    endReason: 'terminal_event',
    attempts: [{ status: 200 }],
  });
  await waitFor('the upstream connection to be closed', () => last.closed && !last.writableFinished);
});

test('an error event in a stream: one error, ours, without the secret in it', async () => {
  answer = (response) => {
    response.writeHead(200, stream);
    response.write(
      token('hi') + event({ error: { message: 'bad key sk-planted-canary', param: 'sk-planted-canary' } }),
    );
  };
  const reply = await ask({ stream: true });
  const text = await reply.text().catch((error: unknown) => String(error));
  expect(text).not.toContain('planted');
  const row = await rowOf(reply);
  expect(row).toMatchObject({ outcome: 'failed', errorCode: 'upstream_error' });
  expect(JSON.stringify(row)).not.toContain('planted');
  const parsed = await client.chat.completions.create({ model: 'hostile', messages: [], stream: true });
  const drain = async () => {
    for await (const _ of parsed);
  };
  await expect(drain()).rejects.toThrow(/redacted/);
});

test('two Content-Type headers, and one in capitals', async () => {
  answer = (response) =>
    response
      .writeHead(200, [
        ['Content-Type', 'application/json'],
        ['Content-Type', 'text/html'],
      ] as never)
      .end('{"a":1}');
  expect(await (await ask()).json()).toEqual({ a: 1 });
  answer = (response) => {
    response.writeHead(200, { 'content-type': 'Text/Event-Stream' });
    response.write(token('first'));
  };
  const reply = await ask({ stream: true });
  const reader = reply.body!.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe(token('first'));
  await reader.cancel();
});

test('an encoded stream that breaks off is cut, never filled up with an error event of ours', async () => {
  answer = (response) => {
    response.writeHead(200, { ...stream, 'content-encoding': 'x-own', 'content-length': '1000' });
    response.write('x'.repeat(500));
    response.write('y'.repeat(430), () => response.destroy());
  };
  await expect(ask({ stream: true, user: 'encoded' }).then((reply) => reply.text())).rejects.toThrow();
  await waitFor('the row', async () => {
    const { body } = await stack.api<{ items: Record<string, unknown>[] }>('GET', '/inferences?group=hostile');
    const row = body.items.find((item) => item['unit'] === 'encoded');
    return row?.['outcome'] === 'failed' && row['errorCode'] === 'upstream_unreachable';
  });
});

test('an error answer that never ends', async () => {
  answer = (response) => {
    response.writeHead(500, { 'content-type': 'text/plain' });
    const timer = setInterval(() => response.write('x'.repeat(16_384)), 1);
    response.on('close', () => clearInterval(timer));
  };
  const reply = await ask();
  expect(reply.status).toBe(502);
  await reply.text();
  await waitFor('the upstream to be cut', () => last.closed && !last.writableFinished);
});

test('a body of 3 MB in one event, and many small ones, pass through byte for byte', async () => {
  const large = token('x'.repeat(3_000_000));
  answer = (response) => response.writeHead(200, stream).end(large + token('small') + event('[DONE]'));
  expect(await (await ask({ stream: true })).text()).toBe(large + token('small') + event('[DONE]'));
});

test('a caller that reads nothing holds the upstream up, not the memory', async () => {
  let written = 0;
  answer = (response) => {
    response.writeHead(200, stream);
    const pump = () => {
      while (response.write(token('y'.repeat(60_000)))) written += 60_000;
      response.once('drain', pump);
    };
    pump();
  };
  const abort = new AbortController();
  const reply = await fetch(`${stack.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'hostile', stream: true }),
    signal: abort.signal,
  });
  expect(reply.status).toBe(200);
  let seen = -1;
  let still = 0;
  await waitFor('the upstream to stand still', () => {
    still = written === seen ? still + 1 : 0;
    seen = written;
    return still >= 20;
  });
  expect(written).toBeLessThan(30_000_000);
  abort.abort();
  await waitFor('the upstream to be cut', () => last.closed && !last.writableFinished);
});

test('"Expect: 100-continue" is answered with it only for a known key', async () => {
  const head = (bearer: string) =>
    `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bearer}\r\nExpect: 100-continue\r\nContent-Length: 19\r\n\r\n`;
  expect(await rawExchange(stack.gatewayPort, [head('rsk_wrong')])).toMatch(/^HTTP\/1\.1 401 /);
  answer = (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  expect(await rawExchange(stack.gatewayPort, [head(key), '{"model":"hostile"}'])).toMatch(/^HTTP\/1\.1 100 Continue/);
});
