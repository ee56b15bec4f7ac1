import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BeginRecord, EndRecord } from '#inference-log/record.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { auditLog, waitForDrained } from '../support/audit.ts';
import { settleFault } from '../support/fault-results.ts';
import { beginRecord, endRecord, newInferenceId } from '../support/records.ts';
import { type Stack, startStack } from '../support/stack.ts';

/** R7: what no text column, no JSON parser and no integer takes, from callers and from upstreams, between good traffic. */
const WORKERS = 2;
const MAX_BODY_BYTES = 32 * 1024 * 1024;
let stack: Stack;
let upstream: Server;
let key: string;
/** What the upstream answers next, by the `user` of the request. */
const answers = new Map<string, Buffer>();

beforeAll(async () => {
  stack = await startStack({ workers: WORKERS });
  upstream = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const user = /"user":"([a-z0-9-]+)"/.exec(Buffer.concat(pieces).subarray(0, 300).toString('latin1'))?.[1] ?? '';
      response.writeHead(200, { 'content-type': 'application/json' }).end(answers.get(user) ?? '{"choices":[]}');
    });
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const baseUrl = `http://127.0.0.1:${(upstream.address() as { port: number }).port}/v1`;
  await stack.api('POST', '/providers', { name: 'odd', kind: 'openai', baseUrl, apiKey: 'sk-x' });
  await stack.api('POST', '/models', { name: 'odd', provider: 'odd', upstreamModel: 'odd' });
  await stack.api('POST', '/groups', { name: 'odd' });
  await stack.api('PUT', '/groups/odd/variants', [{ model: 'odd', role: 'champion', weightBp: 10_000 }]);
  key = (await stack.api<{ key: string }>('POST', '/keys', { name: 'odd' })).body.key;
});
afterAll(async () => {
  upstream.closeAllConnections();
  upstream.close();
  await stack.stop();
});

const usage = (tokens: number) => ({ prompt_tokens: tokens, completion_tokens: 1, total_tokens: tokens });
const reply = (fields: object) =>
  Buffer.from(JSON.stringify({ choices: [{ index: 0, finish_reason: 'stop', ...fields }] }));

/** The body of a request; `content` goes between the quotes as it is. */
function bodyWith(user: string, content: Buffer): Buffer {
  const head = `{"model":"odd","user":"${user}","messages":[{"role":"user","content":"`;
  return Buffer.concat([Buffer.from(head), content, Buffer.from('"}]}')]);
}

interface Poison {
  readonly name: string;
  readonly request: Buffer;
  readonly answer: Buffer;
}

const BAD_UTF8 = Buffer.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80]);
const plain = Buffer.from('Hello');
const POISONS: readonly Poison[] = [
  { name: 'nul-in', request: Buffer.from('a\\u0000b'), answer: reply({}) },
  { name: 'bare-nul-in', request: Buffer.from('a\0b'), answer: reply({}) },
  { name: 'utf8-in', request: BAD_UTF8, answer: reply({}) },
  { name: 'surrogate-in', request: Buffer.from('\\ud800x\\udc00'), answer: reply({}) },
  { name: 'nul-out', request: plain, answer: reply({ finish_reason: 'st\0op' }) },
  { name: 'surrogate-out', request: plain, answer: reply({ finish_reason: 'st\ud800op' }) },
  {
    name: 'utf8-out',
    request: plain,
    answer: Buffer.concat([Buffer.from('{"choices":[],"x":"'), BAD_UTF8, Buffer.from('"}')]),
  },
  { name: 'no-json-out', request: plain, answer: Buffer.from('<html>\0</html>') },
  { name: 'large-in', request: Buffer.alloc(MAX_BODY_BYTES - 200, 'x'), answer: reply({}) },
  { name: 'large-out', request: plain, answer: bodyWith('x', Buffer.alloc(MAX_BODY_BYTES, 'y')) },
  // A count that no integer column takes.
  { name: 'count-out', request: plain, answer: Buffer.from(JSON.stringify({ choices: [], usage: usage(3e9) })) },
];

async function ask(body: Buffer): Promise<{ readonly id: string; readonly bytes: Buffer }> {
  const answer = await fetch(`${stack.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: new Uint8Array(body),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect({ status: answer.status, said: bytes.subarray(0, 200).toString() }).toMatchObject({ status: 200 });
  return { id: answer.headers.get('x-ringside-inference-id')!, bytes };
}

test('poison from callers and upstreams is stored or set aside one by one; the good ones of its batch are stored', async (context) => {
  const acknowledged: string[] = [];
  const poisoned = new Map<string, string>();
  const good = async (count: number) => {
    for (let i = 0; i < count; i++) acknowledged.push((await ask(bodyWith(`good-${i}`, plain))).id);
  };
  const poison = async ({ name, request, answer }: Poison) => {
    answers.set(name, answer);
    const { id, bytes } = await ask(bodyWith(name, request));
    expect(bytes.equals(answer)).toBe(true);
    poisoned.set(name, id);
    acknowledged.push(id);
  };
  await Promise.all([good(40), good(40), ...POISONS.map(poison)]);
  await waitForDrained(stack, WORKERS);
  const spoolRoot = join(stack.dataFolder, 'spool');
  const { outcomes, gaps, ...counts } = await auditLog(stack.databaseUrl, [spoolRoot], acknowledged);
  settleFault(context, {
    fault: 'R7',
    scope: `${POISONS.length} kinds among good ones, through the gateway`,
    ...counts,
  });
  expect(gaps).toEqual([]);
  // Nothing that a caller or an upstream sends makes a record that the store refuses.
  expect(counts.deadLetters).toBe(0);
  expect(acknowledged.every((id) => outcomes.get(id) === 'completed')).toBe(true);
  await expectStoredBytes(poisoned);
});

/** Bytes are kept as they came, up to the bound of the capture; text that no column takes is mended. */
async function expectStoredBytes(poisoned: ReadonlyMap<string, string>): Promise<void> {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    const rowOf = async (name: string) => {
      const { rows } = await client.query(
        `SELECT finish_reason, request, response, request_bytes::int, response_bytes::int, request_sha256
         FROM ringside.inferences JOIN ringside.inference_payloads USING (group_id, created_at, id) WHERE id = $1`,
        [poisoned.get(name)],
      );
      return rows[0];
    };
    const utf8 = await rowOf('utf8-in');
    expect(utf8.request.includes(BAD_UTF8)).toBe(true);
    expect((await rowOf('utf8-out')).response.includes(BAD_UTF8)).toBe(true);
    expect((await rowOf('nul-out')).finish_reason).toBe('st\ufffdop');
    expect((await rowOf('surrogate-out')).finish_reason).toBe('st\ufffdop');
    const large = await rowOf('large-in');
    expect(large.request_bytes).toBeGreaterThan(MAX_BODY_BYTES - 200);
    expect(large.request.length).toBe(65_536);
    expect(large.request_sha256).not.toBeNull();
    expect((await rowOf('large-out')).response_bytes).toBeGreaterThan(MAX_BODY_BYTES);
  } finally {
    await client.end();
  }
}

test('a spool full of poison, frames of 32 MB among it, is shipped and ended, and holds up nobody', async (context) => {
  const spoolRoot = join(stack.dataFolder, 'spool');
  const writer = await createSpoolWriter({
    ...{ root: spoolRoot, gatewayId: randomUUID(), maxSpoolBytes: 1e9, nowMs: Date.now, randomId: randomUUID },
    onAlarm: () => undefined,
  });
  const acknowledged: string[] = [];
  const record = async (begin: Partial<BeginRecord>, end: Partial<EndRecord>, payload: Buffer | null = null) => {
    const id = newInferenceId();
    writer.begin(id, beginRecord(begin), payload === null ? null : [payload]);
    await new Promise((release) => writer.end(id, endRecord(end), payload === null ? null : [payload], release));
    acknowledged.push(id);
  };
  for (let i = 0; i < 30; i++) await record({}, {});
  await record({ unit: 'a\0b\ud800c' }, { finishReason: '\udfff\0' }, Buffer.from('{"nul":"\0"}'));
  await record({}, {}, Buffer.alloc(MAX_BODY_BYTES, '{"a":'));
  await record({}, { responseType: '\0'.repeat(1_000) }, BAD_UTF8);
  await record({}, { status: 70_000 }, Buffer.alloc(MAX_BODY_BYTES, 0));
  await record({ bucket: undefined as never }, {});
  await record({}, { totalNs: 0.5 });
  for (let i = 0; i < 30; i++) await record({}, {});
  await writer.close();
  const before = (await ask(bodyWith('good', plain))).id;
  await waitForDrained(stack, WORKERS);
  const { outcomes, gaps, ...counts } = await auditLog(stack.databaseUrl, [spoolRoot], [...acknowledged, before]);
  settleFault(context, { fault: 'R7', scope: 'an adopted spool with frames of 32 MB', ...counts });
  expect(gaps).toEqual([]);
  expect(counts.deadLetters).toBe(3);
  expect(stack.log()).toMatch(/dead_letter: \d+ records/);
  expect(outcomes.get(before)).toBe('completed');
}, 90_000);
