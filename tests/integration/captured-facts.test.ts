import { createServer, type Server, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** What `GET /inferences/{id}` and exports say of bodies that are not what was sent, through a real gateway. */
let stack: Stack;
let upstream: Server;
let key: string;
let answer: (response: ServerResponse) => void;

interface Side {
  readonly bytes: number;
  readonly sha256: string | null;
  readonly truncated: boolean;
  readonly cutBy: readonly string[] | null;
  readonly redacted: boolean;
  readonly captured: boolean;
  readonly missing: string | null;
  readonly body: unknown;
}
interface Detail {
  readonly outcome: string;
  readonly request: Side;
  readonly response: Side;
  readonly answer: unknown;
}

const json = { 'content-type': 'application/json' };
const stream = { 'content-type': 'text/event-stream' };
const event = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const delta = (content: string, finish: string | null = null) =>
  event({ choices: [{ index: 0, delta: { role: 'assistant', content }, finish_reason: finish }] });
const done = event('[DONE]');
const reply = (content: string) =>
  JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }] });
const GROUPS = {
  redacted: { mode: 'full', maxBytes: 2_000, redaction: { detectors: ['email'] } },
  plain: { mode: 'full', maxBytes: 2_000 },
  off: { mode: 'none' },
  undrawn: { mode: 'sampled', sampleBp: 0 },
};

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  upstream = createServer((request, response) => {
    request.resume().on('end', () => answer(response));
  });
  await new Promise<void>((listening) => upstream.listen(0, '127.0.0.1', listening));
  const { port } = upstream.address() as { port: number };
  await stack.api('POST', '/providers', { name: 'p', kind: 'openai', baseUrl: `http://127.0.0.1:${port}/v1` });
  await stack.api('POST', '/models', { name: 'm', provider: 'p', upstreamModel: 'x' });
  for (const [name, capture] of Object.entries(GROUPS)) {
    expect((await stack.api('POST', '/groups', { name, capture })).status).toBe(201);
    await stack.api('PUT', `/groups/${name}/variants`, [{ model: 'm', role: 'champion', weightBp: 10_000 }]);
  }
  key = (await stack.api<{ key: string }>('POST', '/keys', { name: 'k' })).body.key;
});
afterAll(async () => {
  upstream?.closeAllConnections();
  upstream?.close();
  await stack?.stop();
});

const idOf = (got: Response) => got.headers.get('x-ringside-inference-id')!;
const detailOf = (id: string) =>
  waitFor(`inference ${id}`, async () => {
    const { status, body } = await stack.api<Detail>('GET', `/inferences/${id}`);
    return status === 200 ? body : undefined;
  });

/** Asks, reads the answer to its end, and gives what the log has of it. */
async function ask(group: keyof typeof GROUPS, body: object, answers: typeof answer): Promise<Detail> {
  answer = answers;
  const got = await stack.chat(key, { model: group, ...body });
  await got.arrayBuffer().catch(() => undefined);
  return detailOf(idOf(got));
}

const sends = (text: string, head: Record<string, string>) => (response: ServerResponse) =>
  void response.writeHead(200, head).end(text);

async function fineTuningLines(group: string): Promise<string[]> {
  const url = `${stack.controlUrl}/api/v1/inferences:export?group=${group}&format=openai-chat`;
  const text = await (await fetch(url, { headers: { authorization: `Bearer ${stack.adminToken}` } })).text();
  return text.split('\n').filter((line) => line !== '');
}

test('a redacted text of the original’s length is not the original, and gets no digest', async () => {
  const address = 'alice@xy.example';
  expect(address).toHaveLength('[redacted:email]'.length);
  const detail = await ask('redacted', { messages: [{ role: 'user', content: address }] }, sends(reply(address), json));
  for (const side of [detail.request, detail.response]) {
    expect(side).toMatchObject({ redacted: true, truncated: false, cutBy: [], captured: true, sha256: null });
    expect(side.bytes).toBe(JSON.stringify(side.body).length);
  }
  const clean = await ask('redacted', {}, sends(reply('hi'), json));
  expect(clean.response).toMatchObject({ redacted: false, sha256: expect.any(String), body: JSON.parse(reply('hi')) });
});

test('a redacted stream that was cut is neither shown nor exported as whole', async () => {
  const whole = await ask('redacted', { stream: true }, sends(delta('fine', 'stop') + done, stream));
  expect(whole).toMatchObject({
    answer: { content: 'fine' },
    response: { redacted: true, truncated: false, cutBy: [] },
  });
  // The reassembler drops most of it: what is kept is valid JSON and has a reason why it ended.
  const long = [...Array.from({ length: 40 }, () => delta('word '.repeat(50))), delta('', 'stop'), done].join('');
  const dropped = await ask('redacted', { stream: true }, sends(long, stream));
  expect(dropped).toMatchObject({ outcome: 'completed', answerIsWhole: false });
  expect(dropped.response).toMatchObject({ redacted: true, truncated: true, sha256: null });
  expect(dropped.response.cutBy).toContain('reassembly');
  // One event is no JSON.
  const broken = await ask(
    'redacted',
    { stream: true },
    sends(`${delta('a')}data: {\n\n${delta('b', 'stop')}${done}`, stream),
  );
  expect(broken).toMatchObject({
    answer: { content: 'ab' },
    answerIsWhole: false,
    response: { truncated: true, cutBy: ['reassembly'] },
  });
  // It ends well for HTTP, and in the middle of the message.
  const middle = await ask('redacted', { stream: true }, sends(delta('half a sen'), stream));
  expect(middle).toMatchObject({
    outcome: 'completed',
    answer: { content: 'half a sen' },
    answerIsWhole: false,
    response: { truncated: true, cutBy: ['interrupted'] },
  });
  // Without its terminal event, and yet with a reason: some servers do that.
  const short = await ask('redacted', { stream: true }, sends(delta('short', 'stop'), stream));
  expect(short).toMatchObject({ answer: { content: 'short' }, response: { truncated: false } });
  const lines = (await fineTuningLines('redacted')).map((line) => JSON.parse(line).messages.at(-1).content);
  expect(lines).toContain('short');
  expect(lines).toContain('fine');
  expect(lines.filter((content) => !['fine', 'short', 'hi', '[redacted:email]'].includes(content))).toEqual([]);
});

test('what cannot be read is said to be so', async () => {
  const { response } = await ask('redacted', {}, (to) =>
    to.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(reply('hi'))),
  );
  expect(response).toMatchObject({ redacted: true, truncated: true, cutBy: ['unreadable'], sha256: null });
  expect(response.body).toBe('[redacted:unreadable]');
});

test('bodies as they came: whole, longer than the limit, broken off', async () => {
  const whole = await ask('plain', { stream: true }, sends(delta('hi', 'stop') + done, stream));
  expect(whole.request).toMatchObject({ truncated: false, cutBy: [], redacted: false, missing: null });
  expect(whole.response).toMatchObject({ truncated: false, cutBy: [], sha256: expect.any(String) });
  const long = await ask('plain', { padding: 'x'.repeat(3_000) }, sends(reply('y'.repeat(3_000)), json));
  for (const side of [long.request, long.response]) {
    expect(side).toMatchObject({ truncated: true, cutBy: ['limit'], redacted: false, sha256: expect.any(String) });
  }
  // Hashed beside the call.
  const large = await ask('plain', { padding: 'x'.repeat(300_000) }, sends(reply('hi'), json));
  expect(large.request).toMatchObject({ truncated: true, cutBy: ['limit'], sha256: expect.any(String) });
  const cut = await ask('plain', { stream: true }, (response) => {
    response.writeHead(200, stream);
    response.write(delta('half'), () => setImmediate(() => response.destroy()));
  });
  expect(cut).toMatchObject({ outcome: 'failed', answer: { content: 'half' }, answerIsWhole: false });
  expect(cut.response).toMatchObject({ truncated: true, cutBy: ['interrupted'], sha256: null });
  expect(cut.response.body).toContain('half');
});

test('why nothing is kept: by the policy, not drawn, no answer', async () => {
  const nothing = { captured: false, body: null, truncated: false, redacted: false, sha256: null };
  for (const [group, missing] of [
    ['off', 'capture_off'],
    ['undrawn', 'not_sampled'],
  ] as const) {
    const { request, response } = await ask(group, {}, sends(reply('hi'), json));
    expect([request, response]).toMatchObject([
      { ...nothing, missing },
      { ...nothing, missing },
    ]);
  }
  // Our own error is the whole answer.
  const refused = await ask('plain', {}, (response) => void response.writeHead(500).end());
  expect(refused).toMatchObject({ outcome: 'failed', response: { captured: true, truncated: false, missing: null } });
  const abort = new AbortController();
  let id = '';
  answer = () => abort.abort();
  const unanswered = fetch(`${stack.gatewayUrl}/v1/chat/completions`, {
    ...{ method: 'POST', headers: { authorization: `Bearer ${key}` }, signal: abort.signal },
    body: JSON.stringify({ model: 'plain', messages: [] }),
  });
  await expect(unanswered).rejects.toThrow();
  await waitFor('the row', async () => {
    const { body } = await stack.api<{ items: { id: string }[] }>(
      'GET',
      '/inferences?group=plain&outcome=client_closed',
    );
    id = body.items[0]?.id ?? '';
    return id !== '';
  });
  expect(await detailOf(id)).toMatchObject({
    request: { captured: true, missing: null },
    response: { ...nothing, missing: 'no_answer' },
  });
});

test('a gateway that died: the pieces that were there, or that none were', async () => {
  answer = (response) => {
    response.writeHead(200, stream);
    response.write(Array.from({ length: 400 }, () => delta('word '.repeat(20))).join(''));
  };
  const ids: string[] = [];
  for (const group of ['plain', 'redacted', 'off']) {
    const got = await stack.chat(key, { model: group, stream: true });
    await got.body!.getReader().read();
    ids.push(idOf(got));
  }
  await stack.killGateway();
  await stack.startGateway();
  const [plain, redacted, off] = await Promise.all(ids.map(detailOf));
  expect(plain).toMatchObject({ outcome: 'interrupted', request: { truncated: false, missing: null } });
  expect(redacted).toMatchObject({ outcome: 'interrupted', response: { captured: false, missing: 'interrupted' } });
  expect(off).toMatchObject({ request: { missing: 'capture_off' }, response: { missing: 'capture_off' } });
  expect(plain!.response).toMatchObject(
    plain!.response.captured ? { truncated: true, cutBy: ['interrupted'], sha256: null } : { missing: 'interrupted' },
  );
});
