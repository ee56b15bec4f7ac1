// Wire bodies: Open Inference Protocol, specification/protocol/inference_rest.md, and Triton's extensions
// (docs/protocol/extension_binary_data.md, extension_shared_memory.md, extension_model_repository.md), read 2026-11.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { adapter } from '#gateway/providers/oip/adapter.ts';
import { readError } from '#gateway/providers/oip/errors.ts';
import { readModels } from '#gateway/providers/oip/models.ts';
import { inferPath } from '#gateway/providers/oip/request.ts';
import { readReply } from '#gateway/wires/oip/reply.ts';
import { errorBody } from '#translation/dialects/oip/errors.ts';
import { liveBody, modelBody, modelReadyBody, readyBody, serverBody } from '#translation/dialects/oip/metadata.ts';
import { parseRequest, planRequest } from '#translation/dialects/oip/request.ts';
import { findRoute } from '#translation/dialects/oip/routes.ts';

const INPUT = { name: 'input__0', shape: [2, 2], datatype: 'FP32', data: [1, 2, 3, 4] };
const TARGET = { model: 'fraud', stream: null, framing: 'sse' } as const;
const PLAN = planRequest(['routes']);
const PARSED = {
  model: 'fraud',
  modelSpan: null,
  stream: false,
  user: null,
  metadata: null,
  hideUsage: false,
  insertion: null,
  refused: [],
};
const read = (body: unknown) =>
  parseRequest(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), PLAN, 'infer', TARGET);

function faultOf(work: () => unknown) {
  try {
    work();
  } catch (error) {
    if (error instanceof RingsideError) return { code: error.code, param: error.param, message: error.message };
    throw error;
  }
  return null;
}

describe('requests', () => {
  test('are read but for their data', () => {
    const text = {
      ...INPUT,
      name: 'text',
      shape: [1],
      datatype: 'BYTES',
      data: ['é [] {} , "\\'],
      parameters: { content_type: 'str' },
    };
    expect(
      read({
        id: 'r1',
        parameters: { priority: 1 },
        inputs: [INPUT, text],
        outputs: [{ name: 'out', parameters: { binary_data: false } }],
      }),
    ).toEqual(PARSED);
    const nested = [
      [1, 2],
      [3, 4],
    ];
    expect(read({ inputs: [{ ...INPUT, data: nested }] })).toEqual(PARSED);
    expect(read({ inputs: [INPUT], routes: 1 })).toEqual({ ...PARSED, refused: ['routes'] });
  });

  test('any tensors in any spacing', () => {
    const tensor = fc.record({
      name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
      shape: fc.array(fc.nat(100), { maxLength: 4 }),
      datatype: fc.constantFrom('BOOL', 'UINT8', 'INT64', 'FP16', 'BF16', 'FP64', 'BYTES'),
      data: fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 8 }),
    });
    fc.assert(
      fc.property(fc.array(tensor, { minLength: 1, maxLength: 5 }), fc.constantFrom(0, 1, '\t'), (inputs, space) => {
        const body = JSON.stringify({ inputs }, null, space);
        expect(read(body)).toEqual(PARSED);
      }),
    );
  });

  const { data: _, ...bare } = INPUT;
  test.each([
    ['no JSON', '{"inputs":', undefined],
    ['a list', [], undefined],
    ['no inputs', {}, 'inputs'],
    ['inputs that are no list', { inputs: INPUT }, 'inputs'],
    ['no tensor', { inputs: [] }, 'inputs'],
    ['a number as tensor', { inputs: [1] }, 'inputs[0]'],
    ['inputs twice', '{"inputs":[],"inputs":[]}', 'inputs'],
    ['inputs in another case', '{"Inputs":[]}', 'inputs'],
    ['no name', { inputs: [INPUT, { ...INPUT, name: undefined }] }, 'inputs[1].name'],
    ['an empty name', { inputs: [{ ...INPUT, name: '' }] }, 'inputs[0].name'],
    ['no shape', { inputs: [{ ...INPUT, shape: undefined }] }, 'inputs[0].shape'],
    ['a shape with holes', { inputs: [{ ...INPUT, shape: [-1, 2] }] }, 'inputs[0].shape'],
    ['a shape of halves', { inputs: [{ ...INPUT, shape: [0.5] }] }, 'inputs[0].shape'],
    ['another datatype', { inputs: [{ ...INPUT, datatype: 'float32' }] }, 'inputs[0].datatype'],
    ['no data', { inputs: [bare] }, 'inputs[0].data'],
    ['data that is no list', { inputs: [{ ...INPUT, data: 'AAAA' }] }, 'inputs[0].data'],
    ['data twice', '{"inputs":[{"name":"a","shape":[1],"datatype":"INT8","data":[1],"data":[2]}]}', 'inputs[0].data'],
    [
      'tensors in bytes',
      { inputs: [{ ...bare, parameters: { binary_data_size: 16 } }] },
      'inputs[0].parameters.binary_data_size',
    ],
    [
      'tensors in shared memory',
      { inputs: [{ ...bare, parameters: { shared_memory_region: 'r', shared_memory_byte_size: 16 } }] },
      'inputs[0].parameters.shared_memory_region',
    ],
    [
      'an answer into shared memory',
      { inputs: [INPUT], outputs: [{ name: 'o', parameters: { shared_memory_region: 'r' } }] },
      'outputs[0].parameters.shared_memory_region',
    ],
    [
      'an answer in bytes',
      { inputs: [INPUT], outputs: [{ name: 'o', parameters: { binary_data: true } }] },
      'outputs[0].parameters.binary_data',
    ],
    [
      'all answers in bytes',
      { inputs: [INPUT], parameters: { binary_data_output: true } },
      'parameters.binary_data_output',
    ],
    ['parameters that are a list', { inputs: [INPUT], parameters: [] }, 'parameters'],
    ['an output without name', { inputs: [INPUT], outputs: [{}] }, 'outputs[0].name'],
    ['an id that is a number', { inputs: [INPUT], id: 1 }, 'id'],
    ['too many tensors', { inputs: Array.from({ length: 1001 }, () => INPUT) }, 'inputs'],
  ])('%s: refused', (_what, body, param) => {
    expect(faultOf(() => read(body))).toMatchObject({ code: 'bad_request', param });
  });

  test('bytes behind the JSON are refused, and the message says so', () => {
    const body = Buffer.concat([Buffer.from(JSON.stringify({ inputs: [INPUT] })), Buffer.alloc(16)]);
    const fault = faultOf(() => parseRequest(body, PLAN, 'infer', TARGET));
    expect(fault).toMatchObject({ code: 'bad_request', message: expect.stringContaining('binary') });
  });

  test('20 MB of numbers are not parsed: what only a parser would find is the upstream’s to say', () => {
    const data = `[${'1.5,'.repeat(5_000_000)}1.5]`;
    const body = `{"inputs":[{"name":"a","shape":[5000001],"datatype":"FP64","data":${data}}]}`;
    expect(read(body)).toEqual(PARSED);
    expect(faultOf(() => read(body.replace('1.5]', '1.5')))).toMatchObject({ code: 'bad_request' });
    expect(read('{"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1.5.5]}]}')).toEqual(PARSED);
  });
});

describe('paths', () => {
  test.each([
    ['/v2', { kind: 'server' }],
    ['/v2/health/live', { kind: 'live' }],
    ['/v2/health/ready', { kind: 'ready' }],
    ['/v2/models/fraud', { kind: 'model', group: 'fraud' }],
    ['/v2/models/fraud/ready', { kind: 'model-ready', group: 'fraud' }],
    ['/v2/models/fraud/infer', { kind: 'infer', group: 'fraud' }],
    ['/v2/models/a%3Ab/infer', { kind: 'infer', group: 'a:b' }],
    ['/v2/models/fraud/versions/3/infer', null],
    ['/v2/models/%zz/infer', null],
    ['/v2/models/', null],
    ['/v2/models/a/b/infer', null],
    ['/v2/models/a/generate', null],
    ['/v2/chat', null],
    ['/v2/__proto__', null],
  ])('%s', (path, route) => expect(findRoute(path)).toEqual(route));

  test('upstream: the model’s name, and the version that it pins', () => {
    expect(inferPath('fraud')).toBe('/v2/models/fraud/infer');
    expect(inferPath('team/fraud')).toBe('/v2/models/team%2Ffraud/infer');
    expect(inferPath('fraud/versions/3')).toBe('/v2/models/fraud/versions/3/infer');
  });

  test('a target has one head, with the key', () => {
    const target = adapter.bind(
      {
        provider: {
          id: '00000000-0000-0000-0000-000000000001',
          name: 'triton',
          kind: 'openai',
          baseUrl: 'http://triton.example:8000/prefix/',
          credentials: null,
          timeouts: {},
        },
        upstreamModel: 'fraud',
        maxOutputTokens: 1,
        cumulativeWeight: 1,
      },
      { apiKey: 'the-secret' },
      { connectMs: 1, firstByteMs: 2, idleMs: 3 },
    );
    const head = target.heads[adapter.natives.oip!.headName('infer', false, 'sse', false)]!.toString();
    expect(head).toContain('POST /prefix/v2/models/fraud/infer HTTP/1.1\r\nhost: triton.example:8000\r\n');
    expect(head).toContain('authorization: Bearer the-secret\r\n');
    expect(target.secrets).toEqual(['the-secret']);
  });
});

describe('answers', () => {
  test('are passed on; what is none is the upstream’s fault', () => {
    expect(readReply(Buffer.from('{"model_name":"a","outputs":[]}'))).toEqual({ usage: null, finishReason: null });
    for (const body of ['<html>', '', '{"outputs":[', '{"outputs":{}}', '{"error":"x"}', '[]']) {
      expect(faultOf(() => readReply(Buffer.from(body)))).toMatchObject({ code: 'upstream_protocol' });
    }
  });

  test('of our own: health and metadata', () => {
    expect([liveBody(true), readyBody(false), modelReadyBody('g', true)].map((body) => JSON.parse(body))).toEqual([
      { live: true },
      { ready: false },
      { name: 'g', ready: true },
    ]);
    expect(JSON.parse(serverBody('0.1.0'))).toEqual({ name: 'ringside', version: '0.1.0', extensions: [] });
    expect(JSON.parse(modelBody('g'))).toEqual({
      name: 'g',
      versions: [],
      platform: 'ringside',
      inputs: [],
      outputs: [],
    });
  });

  test('errors are one text, which names the field', () => {
    expect(errorBody(new RingsideError('bad_request', 'It is wrong.', { param: 'inputs[0].data' }))).toBe(
      '{"error":"inputs[0].data: It is wrong."}',
    );
    expect(errorBody(new RingsideError('bad_request', 'The key "id" is wrong.', { param: 'id' }))).toBe(
      '{"error":"The key \\"id\\" is wrong."}',
    );
    expect(errorBody(new RingsideError('internal', 'It failed.'))).toBe('{"error":"It failed."}');
  });

  test.each([
    [400, 'upstream_rejected', 400],
    [404, 'upstream_error', 502],
    [401, 'upstream_error', 502],
    [408, 'upstream_timeout', 504],
    [429, 'upstream_rate_limited', 429],
    [500, 'upstream_error', 502],
    [503, 'upstream_error', 503],
  ])('an upstream’s %i is %s with %i', (status, code, made) => {
    const target = { providerName: 'triton', secrets: ['the-secret'] };
    const error = readError(status, Buffer.from('{"error":"so says the-secret"}'), '2', target);
    expect(error).toMatchObject({ code, status: made, retryAfterSeconds: 2 });
    expect(error.message).not.toContain('the-secret');
    expect(error.message.includes('so says [redacted]')).toBe(status !== 401);
    expect(readError(status, Buffer.from('<html>'), undefined, target).code).toBe(code);
  });

  test('models of a repository: the loaded ones', () => {
    expect(
      readModels([
        { name: 'a', version: '1', state: 'READY' },
        { name: 'b', version: '1', state: 'READY' },
        { name: 'b', version: '2', state: 'READY' },
        { name: 'c', version: '1', state: 'UNAVAILABLE', reason: 'unloaded' },
        { version: '1' },
      ]).map(({ id }) => id),
    ).toEqual(['a', 'b/versions/1', 'b/versions/2']);
    expect(readModels({})).toEqual([]);
  });
});
