import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isSampled } from '#core/sampling.ts';
import { canariesIn, EVERY_CANARY } from '../support/canaries.ts';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Canaries of every kind on every way into the log of a real gateway: none may lie in a spool file, a table or a log line. */
let stack: Stack;
let upstream: Server;
let db: pg.Client;
let key: string;
let answer: (response: ServerResponse, body: string) => void;

const planted = `Contact: ${EVERY_CANARY.join(' ; ')} ; token sk-live-0123abcd end`;
const json = { 'content-type': 'application/json' };
const stream = { 'content-type': 'text/event-stream' };
const event = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const delta = (content: string) => event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const reply = (content: string) => JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content } }] });
const redaction = {
  detectors: ['email', 'phone', 'card', 'iban'],
  patterns: [{ name: 'token', pattern: 'sk-live-[0-9a-z]{8}' }],
};

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  upstream = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(response, Buffer.concat(chunks).toString()));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as { port: number };
  await stack.api('POST', '/providers', { name: 'p', kind: 'openai', baseUrl: `http://127.0.0.1:${port}/v1` });
  await stack.api('POST', '/models', { name: 'm', provider: 'p', upstreamModel: 'x' });
  const groups = {
    redacted: { mode: 'full', redaction },
    hidden: { mode: 'full', redaction: { paths: ['messages.*.content', 'choices.*.message.content', 'metadata.ssn'] } },
    sampled: { mode: 'sampled', sampleBp: 5_000 },
    plain: { mode: 'full' },
  };
  for (const [name, capture] of Object.entries(groups)) {
    expect((await stack.api('POST', '/groups', { name, capture })).status).toBe(201);
    await stack.api('PUT', `/groups/${name}/variants`, [{ model: 'm', role: 'champion', weightBp: 10_000 }]);
  }
  key = (await stack.api<{ key: string }>('POST', '/keys', { name: 'k' })).body.key;
  db = new pg.Client({ connectionString: stack.databaseUrl });
  await db.connect();
});
afterAll(async () => {
  await db?.end();
  upstream?.closeAllConnections();
  upstream?.close();
  await stack?.stop();
});

interface Row {
  readonly metadata: Record<string, unknown> | null;
  readonly request: string | null;
  readonly response: string | null;
  readonly response_type: string | null;
  readonly outcome: string;
  readonly request_bytes: string;
  readonly hashes: boolean;
}

const ask = (group: string, body: object = {}, headers: Record<string, string> = {}) =>
  stack.chat(key, { model: group, ...body }, headers);
const idOf = (response: Response) => response.headers.get('x-ringside-inference-id')!;

function rowOf(id: string): Promise<Row> {
  return waitFor(`row ${id}`, async () => {
    const { rows } = await db.query<Row>(
      `SELECT i.metadata, i.outcome, i.request_bytes, p.response_type,
         convert_from(p.request, 'UTF8') AS request, convert_from(p.response, 'UTF8') AS response,
         p.request_sha256 IS NOT NULL OR p.response_sha256 IS NOT NULL AS hashes
       FROM ringside.inferences i LEFT JOIN ringside.inference_payloads p USING (group_id, created_at, id) WHERE i.id = $1`,
      [id],
    );
    return rows[0];
  });
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Everything that this gateway has on disk, has stored, and has said. */
async function everythingKept(): Promise<Buffer> {
  const files = filesOf(stack.dataFolder).map((file) => readFileSync(file));
  const { rows } = await db.query<{ kept: string }>(
    `SELECT to_jsonb(i)::text AS kept FROM ringside.inferences i
     UNION ALL SELECT concat(convert_from(request, 'LATIN1'), convert_from(response, 'LATIN1'), response_type)
     FROM ringside.inference_payloads`,
  );
  return Buffer.concat([...files, ...rows.map(({ kept }) => Buffer.from(kept, 'latin1')), Buffer.from(stack.log())]);
}

describe('what callers and upstreams send', () => {
  test('a plain chat: both sides, metadata, the upstream’s request id; the caller and the upstream get everything', async () => {
    let received = '';
    answer = (response, body) => {
      received = body;
      response.writeHead(200, { ...json, 'x-request-id': EVERY_CANARY[0]! }).end(reply(planted));
    };
    const metadata = { team: 'blue', note: planted, card: 4111111111111111, [EVERY_CANARY[1]!]: true };
    const got = await ask(
      'redacted',
      { messages: [{ role: 'user', content: planted }], metadata: { from: 'body', mail: EVERY_CANARY[0] } },
      { 'x-ringside-metadata': JSON.stringify(metadata), 'x-ringside-unit': 'user-1' },
    );
    expect(await got.text()).toBe(reply(planted));
    expect(JSON.parse(received).messages[0].content).toBe(planted);
    const row = await rowOf(idOf(got));
    expect(JSON.parse(row.request!).messages[0].content).toMatch(
      /^Contact: \[redacted:email\] ; .*\[redacted:token\] end$/,
    );
    expect(JSON.parse(row.response!).choices[0].message.content).toMatch(/\[redacted:iban\]/);
    expect(row.metadata).toEqual({
      from: 'body',
      mail: '[redacted:email]',
      team: 'blue',
      note: expect.stringContaining('[redacted:phone]'),
      card: '[redacted:card]',
      '[redacted:email]': true,
    });
    expect(Number(row.request_bytes)).toBe(
      Buffer.byteLength(JSON.stringify({ ...JSON.parse(received), model: 'redacted' })),
    );
    expect(row.hashes).toBe(false);
  });

  test('a stream of single characters with a tool call, in odd chunks, is kept as the message it makes', async () => {
    const call = (part: string) =>
      event({ choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: part } }] } }] });
    const wire =
      [...[...planted].map(delta), ...[...JSON.stringify({ to: planted })].map(call)].join('') + event('[DONE]');
    answer = (response) => {
      response.writeHead(200, stream);
      const bytes = Buffer.from(wire);
      let at = 0;
      const send = () => {
        for (const end = Math.min(at + 7_000, bytes.length); at < end; at += 97)
          response.write(bytes.subarray(at, at + 97));
        if (at < bytes.length) setImmediate(send);
        else response.end();
      };
      send();
    };
    const got = await ask('redacted', { stream: true, messages: [{ role: 'user', content: planted }] });
    const seen = await got.text();
    for (const character of ['C', 'o', 'n', 't']) expect(seen).toContain(JSON.stringify(character));
    const row = await rowOf(idOf(got));
    expect(row).toMatchObject({ outcome: 'completed', response_type: 'application/json' });
    const [choice] = JSON.parse(row.response!).choices;
    expect(choice.message.content).toMatch(/^Contact: \[redacted:email\] .*\[redacted:token\] end$/);
    expect(JSON.parse(choice.message.tool_calls[0].function.arguments).to).toBe(choice.message.content);
  });

  test.each<[string, (response: ServerResponse, seen: Promise<void>) => void]>([
    ['an error body', (response) => response.writeHead(400, json).end(JSON.stringify({ error: { message: planted } }))],
    [
      'an error in a stream',
      (response) => response.writeHead(200, stream).end(delta('a') + event({ error: { message: planted } })),
    ],
    ['plain text', (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(planted)],
    ['broken JSON', (response) => response.writeHead(200, json).end(`${reply(planted)},`)],
    ['events that are no JSON', (response) => response.writeHead(200, stream).end(event(planted) + event('[DONE]'))],
    [
      'a compressed answer',
      (response) => response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(reply(planted))),
    ],
    [
      'UTF-16',
      (response) =>
        response
          .writeHead(200, { 'content-type': 'application/json; charset=utf-16le' })
          .end(Buffer.from(reply(planted), 'utf16le')),
    ],
    ['an answer of 2 MB', (response) => response.writeHead(200, json).end(reply(`${planted} `.repeat(5_000)))],
    [
      'an answer that breaks off',
      (response) => {
        response.writeHead(200, { ...json, 'content-length': '5000000' });
        response.write(reply(`${planted} `.repeat(5_000)), () => response.destroy());
      },
    ],
    [
      'a stream that breaks off',
      (response, seen) => {
        response.writeHead(200, stream);
        response.write([...planted].map(delta).join(''));
        void seen.then(() => response.destroy());
      },
    ],
  ])('%s', async (_, answers) => {
    const seen = Promise.withResolvers<void>();
    answer = (response) => answers(response, seen.promise);
    const got = await ask('redacted', { stream: true, messages: [{ role: 'user', content: planted }] });
    const reader = got.body!.getReader();
    await reader.read().catch(() => undefined);
    seen.resolve();
    for (let isOver = false; !isOver; )
      isOver = await reader.read().then(
        ({ done }) => done,
        () => true,
      );
    const row = await rowOf(idOf(got));
    expect(row.response).not.toBe('');
    expect(canariesIn(Buffer.from(JSON.stringify(row)))).toEqual([]);
  });

  test('a caller that leaves in the middle of a stream', async () => {
    answer = (response) => {
      response.writeHead(200, stream);
      response.write([...planted].map(delta).join(''));
    };
    const abort = new AbortController();
    const got = await fetch(`${stack.gatewayUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'redacted', stream: true, messages: [{ role: 'user', content: planted }] }),
      signal: abort.signal,
    });
    await got.body!.getReader().read();
    abort.abort();
    const row = await rowOf(idOf(got));
    expect(row.outcome).toBe('client_closed');
    expect(JSON.parse(row.response!).choices[0].message.content).toMatch(/^Contact: \[redacted:email\]/);
  });

  test('a path hides its values on both sides, and nothing is kept of an answer that cannot be read', async () => {
    answer = (response) => response.writeHead(200, json).end(reply('planted-secret'));
    const body = {
      messages: [{ role: 'user', content: 'planted-secret' }],
      metadata: { ssn: 'planted-secret', a: 'b' },
    };
    const first = await rowOf(idOf(await ask('hidden', body)));
    expect(JSON.parse(first.request!)).toMatchObject({ model: 'hidden', messages: [{ content: '[redacted:path]' }] });
    expect(JSON.parse(first.response!).choices[0].message).toEqual({ role: 'assistant', content: '[redacted:path]' });
    expect(first.metadata).toEqual({ ssn: '[redacted:path]', a: 'b' });
    answer = (response) => response.writeHead(200, json).end(`${reply('planted-secret')}}`);
    expect((await rowOf(idOf(await ask('hidden', body)))).response).toBe('[redacted:unreadable]');
    answer = (response) => response.writeHead(200, stream).end(delta('planted-') + delta('secret') + event('[DONE]'));
    const third = await rowOf(idOf(await ask('hidden', { ...body, stream: true })));
    expect(JSON.parse(third.response!).choices[0].message.content).toBe('[redacted:path]');
    expect((await everythingKept()).includes('planted-secret')).toBe(false);
  });

  test('a gateway that is killed in the middle of a stream', async () => {
    answer = (response) => {
      response.writeHead(200, stream);
      response.write([...planted, ...'x'.repeat(3_000)].map(delta).join(''));
    };
    const got = await ask('redacted', { stream: true, messages: [{ role: 'user', content: planted }] });
    await got.body!.getReader().read();
    await stack.killGateway();
    expect(canariesIn(await everythingKept())).toEqual([]);
    await stack.startGateway();
    const row = await rowOf(idOf(got));
    expect(row).toMatchObject({ outcome: 'interrupted', response: null });
    expect(row.request).toContain('[redacted:card]');
  });

  test('nothing of it lies in a file, a table or a log line', async () => {
    const kept = await everythingKept();
    expect(kept.includes('[redacted:email]')).toBe(true);
    expect(canariesIn(kept)).toEqual([]);
    expect(kept.includes('sk-live-0123abcd')).toBe(false);
    const { rows } = await db.query(`SELECT count(*)::int AS n FROM ringside.inferences`);
    expect(rows[0].n).toBeGreaterThan(15);
  });
});

test('sampled: the bodies of the inferences that their ids draw, everything else of all', async () => {
  answer = (response) => response.writeHead(200, json).end(reply('hi'));
  const ids: string[] = [];
  for (let i = 0; i < 40; i++) ids.push(idOf(await ask('sampled', {}, { 'x-ringside-metadata': '{"n":1}' })));
  await waitForInferences(stack, 'sampled', ids.length);
  for (const id of ids) {
    const row = await rowOf(id);
    expect(row.metadata).toEqual({ n: 1 });
    expect(row.response).toBe(isSampled(id, 5_000) ? reply('hi') : null);
    expect(row.request === null).toBe(!isSampled(id, 5_000));
  }
});

describe('metadata', () => {
  test('without redaction it is stored as it came; bodies stay as they were', async () => {
    answer = (response) => response.writeHead(200, json).end(reply(planted));
    const metadata = { team: 'växjö', retries: 0, beta: false };
    const header = Buffer.from(JSON.stringify(metadata)).toString('latin1');
    const row = await rowOf(idOf(await ask('plain', { metadata: { a: 'b' } }, { 'x-ringside-metadata': header })));
    expect(row.metadata).toEqual({ a: 'b', ...metadata });
    expect(row.response).toBe(reply(planted));
    const without = await rowOf(idOf(await ask('plain', { metadata: { nested: { is: 'the upstream’s' } } })));
    expect(without.metadata).toBeNull();
  });

  test.each([
    '{',
    '[]',
    '{"a":{}}',
    '{"a":null}',
    `{"a":"${'x'.repeat(4_090)}"}`,
  ])('a bad header is a 400 that names it (%#)', async (header) => {
    const got = await ask('plain', {}, { 'x-ringside-metadata': header });
    expect(got.status).toBe(400);
    expect(await got.json()).toMatchObject({ error: { code: 'bad_request', param: 'x-ringside-metadata' } });
  });

  test('it does not reach the upstream as a header', async () => {
    let headers: NodeJS.Dict<string | string[]> = {};
    upstream.once('request', (request) => {
      headers = request.headers;
    });
    answer = (response) => response.writeHead(200, json).end(reply('hi'));
    await (await ask('plain', {}, { 'x-ringside-metadata': '{"n":1}' })).text();
    expect(Object.keys(headers)).toContain('traceparent');
    expect(Object.keys(headers).filter((name) => name.startsWith('x-ringside'))).toEqual([]);
  });
});
