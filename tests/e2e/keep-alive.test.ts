import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** A model that thinks for long: signs of life reach the caller, between events, and never the log. */
let stack: Stack;
let key: string;

beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  key = await stack.createGroup('slow', { 'sim-slow': 10_000 });
  await stack.api('PATCH', '/groups/slow', { traffic: { keepAliveMs: 1_000 } });
  const behaviour = JSON.stringify({ firstTokenMs: { kind: 'fixed', ms: 3_500 }, answerTokens: 5 });
  await fetch(`${stack.simulatorUrl}/_sim/models/sim-slow`, { method: 'PUT', body: behaviour });
});
afterAll(() => stack.stop());

const messages = [{ role: 'user', content: 'Hello' }];
const parts = [{ text: 'Hello' }];

test.each([
  ['openai-chat', '/v1/chat/completions', { model: 'slow', stream: true, messages }, ': keep-alive'],
  ['openai-responses', '/v1/responses', { model: 'slow', stream: true, input: 'Hello', store: false }, ': keep-alive'],
  ['anthropic', '/v1/messages', { model: 'slow', stream: true, max_tokens: 50, messages }, 'event: ping'],
  ['gemini', '/v1beta/models/slow:streamGenerateContent?alt=sse', { contents: [{ role: 'user', parts }] }, ':'],
] as const)('%s', async (dialect, path, body, sign) => {
  const answer = await fetch(`${stack.gatewayUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('x-accel-buffering')).toBe('no');
  const text = await answer.text();
  const blocks = text.split(/\r?\n\r?\n/);
  const signs = blocks.filter((block) => block.startsWith(sign) && !block.includes('"Hello"'));
  expect(signs.length).toBeGreaterThanOrEqual(1);
  // Whole blocks only: each is an event or a comment.
  for (const block of blocks.filter((each) => each !== '')) expect(block).toMatch(/^(?:event:|data:|:)/);
  const id = answer.headers.get('x-ringside-inference-id');
  const row = await waitFor('the row', async () => {
    const found = await stack.api<{ outcome: string; response: { body: string } }>('GET', `/inferences/${id}`);
    return found.status === 200 ? found.body : undefined;
  });
  expect(row.outcome).toBe('completed');
  const kept = JSON.stringify(row);
  expect(kept).toContain(dialect);
  expect(kept).not.toMatch(/keep-alive|event: ping/);
});
