import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type ApiClient,
  seedGroup,
  startTestControlPlane,
  type TestControlPlane,
} from '#tests/support/control-plane.ts';
import { waitFor } from '#tests/support/wait.ts';
import { startWebhookReceiver, type WebhookReceiver } from '#tests/support/webhook-receiver.ts';

let control: TestControlPlane;
let api: ApiClient;
let receiver: WebhookReceiver;
let organizations = 0;

beforeAll(async () => {
  control = await startTestControlPlane({ jobTimes: { rolloutsMs: 50, webhooksMs: 50 } });
});
beforeEach(async () => {
  api = await control.owner(`acme-${++organizations}`);
  await seedGroup(api);
  receiver = await startWebhookReceiver();
});
afterEach(() => receiver.stop());
afterAll(() => control.stop());

async function create(plan: object): Promise<string> {
  const steps = [{ weightBp: 500, durationMs: 3_600_000 }, { weightBp: 5_000 }];
  const answer = await api('POST', '/rollouts', {
    ...{ group: 'demo', name: 'gated', challengers: ['b'], experiment: { guardrails: [] } },
    plan: { strategy: { kind: 'canary', steps }, intervalMs: 500, ...plan },
  });
  expect(answer).toMatchObject({ status: 201 });
  return `/rollouts/${answer.body.id}`;
}

const until = (path: string, what: string, holds: (rollout: Record<string, unknown>) => boolean) =>
  waitFor(what, async () => {
    const { body } = await api('GET', path);
    return holds(body) && body;
  });

test('a webhook that is asked before the start refuses with its reason, and agrees the next time', async () => {
  let agrees = false;
  const held = Promise.withResolvers<void>();
  receiver.reply = async (response) => {
    await held.promise;
    response.writeHead(agrees ? 204 : 409).end('{"reason":"not on a Friday"}');
  };
  const path = await create({ webhooks: [{ hook: 'confirm-start', url: `${receiver.url}/start` }] });
  await api('POST', `${path}/start`, { reason: 'please' });
  const waiting = await until(path, 'the question', ({ waitsFor }) => String(waitsFor).includes('confirm-start'));
  expect(waiting).toMatchObject({
    ...{ state: 'draft', waitsFor: `The answer of the webhook confirm-start at ${new URL(receiver.url).host}.` },
  });
  held.resolve();
  const refused = await until(path, 'the refusal', ({ possible }) => (possible as string[]).includes('start'));
  expect(refused).toMatchObject({ state: 'draft', reason: expect.stringContaining('not on a Friday') });
  agrees = true;
  await api('POST', `${path}/start`);
  await until(path, 'the start', ({ state }) => state === 'ramping');
  const events = (await api('GET', `${path}/transitions`)).body.items.map(({ event }: { event: string }) => event);
  expect(events.toReversed().slice(0, 6)).toEqual(['request_start', 'ask', 'reject', 'request_start', 'ask', 'start']);
  const deliveries = (await api('GET', `${path}/webhooks?limit=1`)).body;
  expect(deliveries.items).toMatchObject([{ hook: 'confirm-start', state: 'approved', attempts: 1, nextAt: null }]);
  const older = await api('GET', `${path}/webhooks?limit=1&cursor=${deliveries.nextCursor}`);
  expect(older.body).toMatchObject({ items: [{ state: 'denied', detail: 'not on a Friday' }], nextCursor: null });
});

test('a start waits for the person who must approve it', async () => {
  const path = await create({ approvals: ['start'] });
  await api('POST', `${path}/start`);
  const waiting = await until(path, 'the question', ({ possible }) => (possible as string[]).includes('approve'));
  expect(waiting).toMatchObject({ state: 'draft', waitsFor: 'Somebody to approve the start.' });
  expect((await api('POST', `${path}/approve`, { reason: 'go' })).status).toBe(200);
  await until(path, 'the start', ({ state }) => state === 'ramping');
});
