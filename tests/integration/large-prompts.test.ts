import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

let stack: Stack;
let key: string;
let upstream: Server;
/** The upstream refuses before it has read anything. */
let isFull = false;

const GROUP = 'large';
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
const bodyOf = (model: string, content: string) => JSON.stringify({ messages: [{ role: 'user', content }], model });

beforeAll(async () => {
  // The upstream answers with the digest of what it got.
  upstream = createServer(async (incoming, outgoing) => {
    if (isFull) return void outgoing.writeHead(413).end();
    const hash = createHash('sha256');
    for await (const chunk of incoming) hash.update(chunk as Buffer);
    outgoing.setHeader('content-type', 'application/json');
    outgoing.end(JSON.stringify({ choices: [{ message: { content: hash.digest('hex') } }] }));
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  stack = await startStack();
  key = await stack.createGroup('other', { m: 10_000 });
  const baseUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`;
  await stack.api('POST', '/providers', { name: GROUP, kind: 'openai', baseUrl });
  await stack.api('POST', '/models', { name: GROUP, provider: GROUP, upstreamModel: 'upstream-model' });
  await stack.api('POST', '/groups', { name: GROUP });
  await stack.api('PUT', `/groups/${GROUP}/variants`, [{ model: GROUP, role: 'champion', weightBp: 10_000 }]);
});
afterAll(async () => {
  await stack.stop();
  upstream.close();
});

test.each([
  70_000, 300_000, 2_000_000,
])('prompts of %i bytes reach the upstream whole, side by side, and are logged with their digest', async (bytes) => {
  for (const letters of ['abcdef', 'ghijkl']) {
    // Of different letters: memory that is used again must not show in another request.
    await Promise.all([...letters].map((letter) => exchange(letter.repeat(bytes))));
  }
});

test('an upstream that answers before it has read the prompt harms no other prompt', async () => {
  isFull = true;
  const refused = [...'abcd'].map((letter) =>
    stack.chat(key, { messages: [{ role: 'user', content: letter.repeat(2_000_000) }], model: GROUP }),
  );
  for (const answer of await Promise.all(refused)) expect(answer.status).toBeGreaterThanOrEqual(400);
  isFull = false;
  await Promise.all([...'efghij'].map((letter) => exchange(letter.repeat(2_000_000))));
});

async function exchange(content: string): Promise<void> {
  const answer = await stack.chat(key, { messages: [{ role: 'user', content }], model: GROUP });
  const reply = (await answer.json()) as { choices?: { message: { content: string } }[] };
  expect(reply.choices?.[0]?.message.content).toBe(digestOf(bodyOf('upstream-model', content)));
  const id = answer.headers.get('x-ringside-inference-id');
  const row = await waitFor('the row', async () => {
    const found = await stack.api<{ request: object; requestBytes: number }>('GET', `/inferences/${id}`);
    return found.status === 200 ? found.body : undefined;
  });
  const sent = bodyOf(GROUP, content);
  expect(row.requestBytes).toBe(sent.length);
  expect(row.request).toMatchObject({ truncated: true, sha256: digestOf(sent) });
}
