import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Stack, startStack, waitForInferences } from '../support/stack.ts';

/** The Open Inference Protocol through a real gateway to the simulator: there is no official client, the requests are the specification's. */
let stack: Stack;
let key: string;

const REQUEST = {
  id: 'r1',
  inputs: [{ name: 'input__0', shape: [2, 2], datatype: 'FP32', data: [1, 2, 3, 4] }],
};

async function must(method: string, path: string, body: unknown): Promise<unknown> {
  const answer = await stack.api(method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

beforeAll(async () => {
  stack = await startStack({ workers: 1 });
  await must('POST', '/providers', {
    name: 'triton',
    kind: 'oip',
    baseUrl: stack.simulatorUrl,
    apiKey: 'sk-planted-canary',
  });
  await must('POST', '/models', { name: 'fraud', provider: 'triton', upstreamModel: 'fraud-net/versions/3' });
  await must('POST', '/groups', { name: 'fraud' });
  await must('PUT', '/groups/fraud/variants', [{ model: 'fraud', role: 'champion', weightBp: 10_000 }]);
  key = ((await must('POST', '/keys', { name: 'tables' })) as { key: string }).key;
  await stack.createGroup('chat', { 'sim-a': 10_000 });
});
afterAll(() => stack.stop());

const call = (path: string, body?: unknown, presented = key) =>
  fetch(`${stack.gatewayUrl}${path}`, {
    headers: { authorization: `Bearer ${presented}` },
    ...(body === undefined ? {} : { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
const INFER = '/v2/models/fraud/infer';
const journal = async () =>
  (await (await fetch(`${stack.simulatorUrl}/_sim/requests?model=fraud-net`)).json()) as {
    items: { path: string; body: string; headers: Record<string, string> }[];
  };
const simulate = (behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/fraud-net`, { method: 'PUT', body: JSON.stringify(behaviour) });

describe('inferences', () => {
  test('the bytes go on as they are, the version is the deployment’s, the answer comes back as it is', async () => {
    const odd = '{ "inputs":[ {"name":"a", "shape":[1],"datatype":"FP64","data":[1.50e0]} ], "id" : "x" }';
    const answer = await call(INFER, odd);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-ringside-group')).toBe('fraud');
    expect(await answer.json()).toMatchObject({
      id: 'x',
      model_name: 'fraud-net',
      model_version: '3',
      outputs: [{ name: 'output__0', shape: [1, 3] }],
    });
    const sent = (await journal()).items.at(-1)!;
    expect(sent).toMatchObject({ path: '/v2/models/fraud-net/versions/3/infer', body: odd });
    expect(sent.headers['authorization']).toBe('Bearer sk-planted-canary');
  });

  test('are recorded', async () => {
    expect((await call(INFER, REQUEST)).status).toBe(200);
    const recorded = await waitForInferences(stack, 'fraud', 2);
    expect(recorded.every(({ outcome }) => outcome === 'completed')).toBe(true);
  });

  test.each([
    ['a tensor without data', { inputs: [{ ...REQUEST.inputs[0], data: undefined }] }, 'inputs[0].data'],
    [
      'tensors in bytes',
      { inputs: [{ ...REQUEST.inputs[0], parameters: { binary_data_size: 16 } }] },
      'binary_data_size',
    ],
    ['bytes behind the JSON', `${JSON.stringify(REQUEST)}\0\0\0\0`, 'binary'],
  ])('%s: 400 in the protocol’s words', async (_what, body, said) => {
    const answer = await call(INFER, body);
    expect([answer.status, await answer.json()]).toEqual([400, { error: expect.stringContaining(said) }]);
  });

  test('an unknown group, a version, a wrong key, a group that only chats', async () => {
    const statusOf = async (path: string, presented?: string) => {
      const answer = await call(path, REQUEST, presented);
      expect(await answer.json()).toEqual({ error: expect.any(String) });
      return answer.status;
    };
    expect(await statusOf('/v2/models/churn/infer')).toBe(404);
    expect(await statusOf('/v2/models/fraud/versions/3/infer')).toBe(404);
    expect(await statusOf(INFER, 'rsk_wrong')).toBe(401);
    expect(await statusOf('/v2/models/chat/infer')).toBe(400);
  });

  test('a chat is no inference', async () => {
    const answer = await call('/v1/chat/completions', { model: 'fraud', messages: [{ role: 'user', content: 'Hi' }] });
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { error: expect.objectContaining({ code: 'unsupported_operation' }) },
    ]);
  });

  test('failures of the server', async () => {
    await simulate({ errors: [{ status: 503, rate: 1, message: 'sk-planted-canary', retryAfterSeconds: 2 }] });
    const busy = await call(INFER, REQUEST);
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await busy.text()).not.toContain('canary');
    await simulate({ truncate: true });
    expect((await call(INFER, REQUEST)).status).toBe(502);
    await simulate({});
  });
});

test('health and metadata', async () => {
  const [live, ready] = [await call('/v2/health/live', undefined, ''), await call('/v2/health/ready', undefined, '')];
  expect([live.status, await live.json(), ready.status, await ready.json()]).toEqual([
    200,
    { live: true },
    200,
    { ready: true },
  ]);
  expect(await (await call('/v2')).json()).toMatchObject({ name: 'ringside', extensions: [] });
  expect(await (await call('/v2/models/fraud')).json()).toMatchObject({ name: 'fraud', inputs: [] });
  expect(await (await call('/v2/models/fraud/ready')).json()).toEqual({ name: 'fraud', ready: true });
  expect((await call('/v2/models/churn/ready')).status).toBe(404);
});
