import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chatCompletion } from '../support/planted-pairs.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';

/** Mirrored calls on real processes: compared, and judged by a group through the gateway. */
let stack: Stack;
let db: pg.Client;
let judge: WebhookReceiver;

beforeAll(async () => {
  judge = await startWebhookReceiver((response) => {
    const body = chatCompletion('{"reason":"so it is","winner":"first"}');
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
  stack = await startStack({ workers: 1, env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  db = new pg.Client({ connectionString: stack.databaseUrl });
  await db.connect();
});
afterAll(async () => {
  await db.end();
  await stack.stop();
  await judge.stop();
});

async function must<Body>(method: string, path: string, body: unknown): Promise<Body> {
  const answer = await stack.api<Body>(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

test('a mirrored call is compared, and judged by a group', async () => {
  const apiKey = 'sk-upstream';
  await must('POST', '/providers', { name: 'sim', kind: 'openai', baseUrl: `${stack.simulatorUrl}/v1`, apiKey });
  await must('POST', '/providers', { name: 'judging', kind: 'openai', baseUrl: `${judge.url}/v1`, apiKey });
  await must('POST', '/models', { name: 'main', provider: 'sim', upstreamModel: 'sim-main' });
  await must('POST', '/models', { name: 'second', provider: 'sim', upstreamModel: 'sim-second' });
  await must('POST', '/models', { name: 'critic', provider: 'judging', upstreamModel: 'critic' });
  await must('POST', '/groups', { name: 'judge' });
  await must('PUT', '/groups/judge/variants', [{ model: 'critic', role: 'champion', weightBp: 10_000 }]);
  await must('POST', '/groups', {
    name: 'g',
    capture: { mode: 'full' },
    shadow: { evaluator: { kind: 'group', group: 'judge', maxPerMinute: 60 } },
  });
  await must('PUT', '/groups/g/variants', [
    { model: 'main', role: 'champion', weightBp: 10_000 },
    { model: 'second', role: 'shadow' },
  ]);
  const { key } = await must<{ key: string }>('POST', '/keys', { name: 'app' });
  // A thread that has other work drops mirrored calls: it is asked until one was made.
  await waitFor(
    'a pair',
    async () => {
      expect((await stack.chat(key, { model: 'g' })).status).toBe(200);
      const { rows } = await db.query('SELECT FROM ringside.shadow_pairs');
      return rows.length > 0;
    },
    40_000,
  );
  const scored = await waitFor(
    'a verdict',
    async () => {
      // A key takes a moment to reach the gateway; the next attempt need not wait for its minute here.
      await db.query(`UPDATE ringside.shadow_pairs SET evaluation_next_at = now(), evaluation_attempts = 1
        WHERE evaluation = 'pending' AND evaluation_detail <> ''`);
      const { rows } = await db.query(`SELECT * FROM ringside.shadow_pairs WHERE evaluation = 'scored'`);
      return rows[0] as { measures: Record<string, number> } | undefined;
    },
    40_000,
  );
  expect(scored.measures).toMatchObject({ failure: 0, judge_first_preference: 1, latency_us: expect.any(Number) });
  expect(scored.measures).toHaveProperty('text_similarity');
  const shown = (await stack.api<{ shadows: object[] }>('GET', '/groups/g/shadows')).body.shadows;
  expect(shown[0]).toMatchObject({ model: 'second', failures: { original: 0, shadow: 0 } });
  const [asked] = judge.calls;
  expect(JSON.parse(asked!.body).messages[1].content).toContain('<first>');
  const metadata = await waitFor('the row of the judging', async () => {
    const { rows } = await db.query(`SELECT i.metadata FROM ringside.inferences AS i
      JOIN ringside.groups AS g ON g.id = i.group_id WHERE g.name = 'judge' LIMIT 1`);
    return rows[0]?.metadata as object | undefined;
  });
  expect(metadata).toMatchObject({ ringside: 'shadow-evaluation', group: 'g' });
}, 150_000);
