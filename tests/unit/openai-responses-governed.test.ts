import { expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { openaiResponses } from '#translation/dialects/openai-responses/ingress.ts';
import { findRoute } from '#translation/dialects/routes.ts';

const plan = openaiResponses.planRequest(['api_base']);
const target = { model: null, stream: null, framing: 'sse' } as const;
const parse = (body: object) =>
  openaiResponses.parseRequest(
    Buffer.from(JSON.stringify({ model: 'group', input: 'Hi', ...body })),
    plan,
    'chat',
    target,
  );
const fault = (body: object): unknown => {
  try {
    return parse(body);
  } catch (reason) {
    return reason;
  }
};

test('the path is a chat of this dialect', () => {
  for (const url of ['/v1/responses', '/v1/responses?x=1']) {
    expect(findRoute(url)).toMatchObject({ ingress: openaiResponses, operation: 'chat', target });
  }
  expect(findRoute('/v1/responses/resp_1')).toBeUndefined();
});

test('what the gateway needs to know is read from the bytes', () => {
  expect(
    parse({ stream: true, metadata: { team: 'a' }, user: 'u', safety_identifier: 's', api_base: 'x' }),
  ).toMatchObject({
    model: 'group',
    stream: true,
    user: 'u',
    metadata: { team: 'a' },
    hideUsage: false,
    insertion: null,
    refused: ['api_base'],
  });
  expect(parse({ safety_identifier: 's' }).user).toBe('s');
  expect(parse({ user: null, background: false })).toMatchObject({
    user: null,
    stream: false,
    metadata: null,
    refused: [],
  });
});

test('what it cannot govern is refused, and names the parameter', () => {
  expect(fault({ model: undefined })).toMatchObject({ code: 'bad_request', param: 'model' });
  expect(fault({ model: 7 })).toMatchObject({ code: 'bad_request', param: 'model' });
  expect(fault({ stream: 'yes' })).toMatchObject({ code: 'bad_request', param: 'stream' });
  expect(fault({ user: 'x'.repeat(2_000) })).toMatchObject({ code: 'bad_request', param: 'user' });
  expect(fault({ background: true })).toMatchObject({ code: 'unsupported_parameter', param: 'background' });
  expect(fault({ Model: 'other' })).toBeInstanceOf(RingsideError);
});
