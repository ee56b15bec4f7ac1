import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readModels } from '#gateway/providers/oip/models.ts';
import { inferPath } from '#gateway/providers/oip/request.ts';
import { readReply } from '#gateway/wires/oip/reply.ts';
import { createSimulator, type Simulator } from '#simulator/server.ts';
import { oip } from '#translation/dialects/oip/ingress.ts';

/** The protocol has no official JavaScript client: the requests are those of its specification. */
let simulator: Simulator;
let origin: string;

beforeEach(async () => {
  simulator = createSimulator();
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  origin = `http://${host}:${port}`;
});
afterEach(() => simulator.close());

const get = (path: string) => fetch(`${origin}${path}`);
const post = (path: string, body: unknown) => fetch(`${origin}${path}`, { method: 'POST', body: JSON.stringify(body) });
const REQUEST = {
  id: 'r1',
  inputs: [{ name: 'input__0', shape: [2, 2], datatype: 'FP32', data: [1, 2, 3, 4] }],
};

describe('inferences', () => {
  interface Inferred {
    readonly model_version: string;
    readonly outputs: readonly { readonly data: readonly number[] }[];
  }
  const infer = async (body: unknown, model = 'fraud') =>
    (await (await post(inferPath(model), body)).json()) as Inferred;

  test('the same tensors give the same tensors, nested or flat; others give others', async () => {
    const target = { model: 'fraud', stream: null, framing: 'sse' } as const;
    oip.parseRequest(Buffer.from(JSON.stringify(REQUEST)), oip.planRequest([]), 'infer', target);
    const one = await infer(REQUEST);
    expect(one).toEqual({
      model_name: 'fraud',
      model_version: '1',
      id: 'r1',
      outputs: [{ name: 'output__0', datatype: 'FP32', shape: [2, 3], data: expect.any(Array) }],
    });
    expect(one.outputs[0]!.data).toHaveLength(6);
    expect(readReply(Buffer.from(JSON.stringify(one)))).toEqual({ usage: null, finishReason: null });
    const nested = {
      ...REQUEST,
      inputs: [
        {
          ...REQUEST.inputs[0],
          data: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
    };
    expect(await infer(nested)).toEqual(one);
    const other = { ...REQUEST, inputs: [{ ...REQUEST.inputs[0], data: [1, 2, 3, 5] }] };
    expect((await infer(other)).outputs).not.toEqual(one.outputs);
    expect((await infer(REQUEST, 'churn')).outputs).not.toEqual(one.outputs);
    expect((await infer(REQUEST, 'fraud/versions/2')).model_version).toBe('2');
    expect((await infer({ ...REQUEST, outputs: [{ name: 'a' }, { name: 'b' }] })).outputs).toHaveLength(2);
  });

  test('wrong ones, and those that are to fail', async () => {
    const short = await post(inferPath('fraud'), { inputs: [{ ...REQUEST.inputs[0], data: [1] }] });
    expect([short.status, await short.json()]).toEqual([400, { error: expect.stringContaining('expected 4') }]);
    simulator.setBehaviour('fraud', { errors: [{ status: 503, rate: 1, retryAfterSeconds: 3 }] });
    const busy = await post(inferPath('fraud'), REQUEST);
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '3']);
    expect(await busy.json()).toEqual({ error: expect.any(String) });
  });
});

test('health, metadata and the repository', async () => {
  simulator.setBehaviour('fraud', {});
  expect(await (await get('/v2/health/live')).json()).toEqual({ live: true });
  expect(await (await get('/v2/health/ready')).json()).toEqual({ ready: true });
  expect(await (await get('/v2/models/fraud/ready')).json()).toEqual({ name: 'fraud', ready: true });
  expect(await (await get('/v2/models/fraud')).json()).toMatchObject({ name: 'fraud', versions: ['1'] });
  expect(await (await get('/v2')).json()).toMatchObject({ name: 'simulator' });
  const index = await (await post('/v2/repository/index', {})).json();
  expect(readModels(index).map(({ id }) => id)).toEqual(['fraud']);
  expect((await get('/v2/models/fraud/infer')).status).toBe(405);
  expect((await get('/v2/models/fraud/nothing')).status).toBe(404);
});
