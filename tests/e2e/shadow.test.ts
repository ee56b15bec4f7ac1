import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { metricOf } from '../support/metrics.ts';
import { openSession } from '../support/realtime.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Mirrored calls on real processes: pairs in the log, at shadows of two kinds, and callers who never notice. */
let stack: Stack;
let db: pg.Client;
let key: string;

const VARIANTS = [
  { model: 'main', role: 'champion', weightBp: 10_000 },
  { model: 'second', role: 'shadow' },
  { model: 'claude', role: 'shadow' },
];

beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  db = new pg.Client({ connectionString: stack.databaseUrl });
  await db.connect();
  const { simulatorUrl } = stack;
  const apiKey = 'sk-planted-canary';
  await must('POST', '/providers', { name: 'sim', kind: 'openai', baseUrl: `${simulatorUrl}/v1`, apiKey });
  await must('POST', '/providers', { name: 'other', kind: 'anthropic', baseUrl: `${simulatorUrl}/v1`, apiKey });
  await must('POST', '/models', { name: 'main', provider: 'sim', upstreamModel: 'sim-main' });
  await must('POST', '/models', { name: 'second', provider: 'sim', upstreamModel: 'sim-second' });
  await must('POST', '/models', { name: 'claude', provider: 'other', upstreamModel: 'sim-claude' });
  await makeGroup('g', {}, VARIANTS);
  key = (await must<{ key: string }>('POST', '/keys', { name: 'shadow' })).key;
});
afterAll(async () => {
  await db.end();
  await stack.stop();
});

async function must<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function makeGroup(name: string, settings: object, variants: readonly object[]): Promise<void> {
  await must('POST', '/groups', { name, ...settings });
  await must('PUT', `/groups/${name}/variants`, variants);
}

const behave = (model: string, behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/${model}`, { method: 'PUT', body: JSON.stringify(behaviour) });

/** Calls of a group's shadow that are accounted for. */
const counted = async (group: string, outcome = '') => {
  const lines = (await stack.metrics()).split('\n').filter((line) => line.includes(`group="${group}"`));
  return metricOf(lines.join('\n'), 'ringside_mirrored_total', outcome);
};

interface Asked {
  readonly id: string;
  readonly status: number;
  readonly text: string;
}

const BUSY = 'outcome="dropped_busy"';

/** Asks until the mirrored calls of the answer, `shadows` of them, were not dropped because this machine had other work. */
async function askMirrored(group: string, shadows: number, ask: () => Promise<Response>): Promise<Asked> {
  const attempt = async () => {
    const [before, busy] = [await counted(group), await counted(group, BUSY)];
    const answer = await ask();
    const text = await answer.text();
    expect(answer.status, text).toBe(200);
    await waitFor('them to be counted', async () => (await counted(group)) >= before + shadows);
    if ((await counted(group, BUSY)) > busy) return undefined;
    return { id: answer.headers.get('x-ringside-inference-id')!, status: answer.status, text };
  };
  return waitFor('mirrored calls', attempt, 40_000);
}

interface Row {
  readonly id: string;
  readonly shadow_of: string | null;
  readonly assigned_variant: string;
  readonly served_variant: string | null;
  readonly served_reason: string;
  readonly outcome: string;
  readonly error_code: string | null;
  readonly request: Buffer | null;
  readonly response: Buffer | null;
  readonly [column: string]: unknown;
}

/** The rows of an inference and of those that mirror it, as stored, the original first. */
const rowsOf = (id: string, count: number): Promise<Row[]> =>
  waitFor(`${count} rows of ${id}`, async () => {
    const { rows } = await db.query<Row>(
      `SELECT i.*, p.request, p.response FROM ringside.inferences i LEFT JOIN ringside.inference_payloads p USING (id)
       WHERE i.id = $1 OR i.shadow_of = $1 ORDER BY i.shadow_of IS NOT NULL, i.assigned_variant`,
      [id],
    );
    return rows.length === count ? rows : undefined;
  });

const chat =
  (group: string, fields: object = {}) =>
  () =>
    stack.chat(key, { model: group, ...fields });

describe('pairs', () => {
  test.each([false, true])('are stored with both bodies, at a shadow of each kind; streamed: %s', async (stream) => {
    await behave('sim-main', { answerText: 'from main' });
    await behave('sim-second', { answerText: 'from second' });
    await behave('sim-claude', { answerText: 'from claude' });
    const asked = await askMirrored('g', 2, chat('g', { stream, user: 'ann' }));
    const [original, claude, second] = await rowsOf(asked.id, 3);
    expect(original).toMatchObject({ shadow_of: null, served_reason: 'assigned', served_variant: 'main' });
    for (const [row, variant] of [
      [claude, 'claude'],
      [second, 'second'],
    ] as const) {
      expect(row).toMatchObject({
        ...{ shadow_of: asked.id, assigned_variant: variant, served_variant: null, served_reason: 'shadow' },
        ...{ outcome: 'completed', status: 200, streamed: stream, unit: 'ann', bucket: original!['bucket'] },
        ...{ phase: original!['phase'], trace_id: original!['trace_id'], dialect: 'openai-chat', arm: null },
      });
      expect(row!.request).toEqual(original!.request);
      expect(row!['output_tokens']).toBeGreaterThan(0);
    }
    expect(original!.response!.toString()).toBe(asked.text);
    // In the caller's dialect, whatever the provider speaks: so they can be compared.
    const said = (row: Row | undefined) => wordsOf(row!.response!.toString(), stream);
    expect([said(original), said(second), said(claude)]).toEqual(['from main', 'from second', 'from claude']);
  });

  test('of a dialect that the shadow does not speak, and of embeddings', async () => {
    await makeGroup('vectors', {}, VARIANTS.slice(0, 2));
    const anthropic = await askMirrored('g', 2, () =>
      fetch(`${stack.gatewayUrl}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
        body: JSON.stringify({ model: 'g', max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] }),
      }),
    );
    const [, claude, second] = await rowsOf(anthropic.id, 3);
    for (const row of [claude, second])
      expect(JSON.parse(row!.response!.toString())).toMatchObject({ type: 'message' });
    const embeddings = await askMirrored('vectors', 1, () =>
      fetch(`${stack.gatewayUrl}/v1/embeddings`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: 'vectors', input: 'Hello' }),
      }),
    );
    const [, mirror] = await rowsOf(embeddings.id, 2);
    expect(mirror).toMatchObject({ operation: 'embeddings', outcome: 'completed' });
  });

  test('are not among the requests in any figure, and the ledger has them all', async () => {
    await makeGroup('figures', {}, VARIANTS.slice(0, 2));
    for (let at = 0; at < 5; at++) await askMirrored('figures', 1, chat('figures'));
    const exposition = await waitFor('the ledger to balance', async () => {
      const text = await stack.metrics();
      const of = (name: string) => metricOf(text, name, 'group="figures"');
      const isSettled = of('ringside_log_stored_total') === of('ringside_log_accepted_total');
      return isSettled && of('ringside_log_in_flight') === 0 ? text : undefined;
    });
    const lines = exposition.split('\n').filter((line) => line.includes('group="figures"'));
    const ofShadow = lines.filter((line) => line.includes('variant="second"'));
    expect(ofShadow.every((line) => line.startsWith('ringside_mirrored_total{'))).toBe(true);
    const [requests, mirrored] = ['ringside_requests_total', 'ringside_mirrored_total'].map((name) =>
      metricOf(lines.join('\n'), name),
    );
    expect(mirrored).toBe(requests);
    const made = metricOf(lines.join('\n'), 'ringside_mirrored_total', 'outcome="completed"');
    expect(metricOf(lines.join('\n'), 'ringside_log_accepted_total')).toBe(requests! + made);
  });
});

test('sessions are skipped, and counted', async () => {
  await makeGroup('voices', {}, VARIANTS.slice(0, 2));
  const url = `${stack.gatewayUrl.replace('http', 'ws')}/v1/realtime?model=voices`;
  const session = await openSession(url, [], { authorization: `Bearer ${key}` });
  session.socket.close();
  await session.closed;
  expect(await counted('voices', 'outcome="skipped"')).toBe(1);
  expect(await counted('voices')).toBe(1);
});

describe('a shadow', () => {
  test('that fails, or is slow, is not noticed by callers; each failure has its row', async () => {
    await makeGroup('ill', {}, VARIANTS.slice(0, 2));
    await behave('sim-second', { errors: [{ status: 500, rate: 1 }] });
    const failed = await askMirrored('ill', 1, chat('ill'));
    await must('PATCH', '/groups/ill', { shadow: { timeoutMs: 300 } });
    await behave('sim-second', { latencyMs: { kind: 'fixed', ms: 20_000 } });
    const slow = await askMirrored('ill', 1, chat('ill', { stream: true }));
    await behave('sim-second', {});
    const [, first] = await rowsOf(failed.id, 2);
    expect(first).toMatchObject({ outcome: 'failed', error_code: 'upstream_error', served_reason: 'shadow' });
    const [original, second] = await rowsOf(slow.id, 2);
    expect(second).toMatchObject({ outcome: 'failed', error_code: 'upstream_timeout', shadow_of: slow.id });
    expect(original).toMatchObject({ outcome: 'completed' });
    expect(slow.text).toMatch(/data: \[DONE\]\n\n$/);
  });

  test('that is turned off, in its share or in its role, gets nothing more', async () => {
    await makeGroup('off', {}, VARIANTS.slice(0, 2));
    await askMirrored('off', 1, chat('off'));
    await must('PATCH', '/groups/off', { shadow: { sampleBp: 0 } });
    const before = await counted('off');
    for (let at = 0; at < 5; at++) await (await chat('off')()).text();
    expect(await counted('off')).toBe(before);
    await must('PATCH', '/groups/off', { shadow: { sampleBp: 10_000 } });
    await askMirrored('off', 1, chat('off'));
    const again = await counted('off');
    await must('PUT', '/groups/off/variants', VARIANTS.slice(0, 1));
    for (let at = 0; at < 5; at++) await (await chat('off')()).text();
    expect(await counted('off')).toBe(again);
  });
});

/** The text of a chat completion, whole or streamed. */
function wordsOf(body: string, stream: boolean): string {
  if (!stream) return (JSON.parse(body) as { choices: { message: { content: string } }[] }).choices[0]!.message.content;
  return body
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .flatMap((event) => (JSON.parse(event.slice(6)) as { choices: { delta: { content?: string } }[] }).choices)
    .map(({ delta }) => delta.content ?? '')
    .join('');
}
