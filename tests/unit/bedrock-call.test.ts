import { describe, expect, test } from 'vitest';
import { regionOf } from '#core/provider-credentials/bedrock.ts';
import { adapter } from '#gateway/providers/bedrock/adapter.ts';
import { readError } from '#gateway/providers/bedrock/errors.ts';
import { readModels } from '#gateway/providers/bedrock/models.ts';
import { chatPath } from '#gateway/providers/bedrock/paths.ts';
import { type SignableCall, sign } from '#gateway/providers/bedrock/signing.ts';
import { checkKey } from '#simulator/dialects/bedrock/signature.ts';

const KEY = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: null,
};
const NOW = Date.UTC(2026, 10, 30, 2, 16, 2);
const CALL: SignableCall = {
  method: 'POST',
  host: 'bedrock-runtime.eu-west-1.amazonaws.com',
  path: chatPath('eu.anthropic.claude-sonnet-4-5-20250929-v1:0', false),
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"messages":[]}'),
};

describe('signatures', () => {
  // The simulator's check is proven by AWS's own SDK in tests/integration/simulator-bedrock.test.ts.
  const accepted = (signed: Record<string, string>, call: SignableCall = CALL) => {
    const head = {
      method: call.method,
      path: call.path,
      query: '',
      headers: { host: call.host, ...call.headers, ...signed },
    };
    return checkKey(head, call.body, `${KEY.accessKeyId}:${KEY.secretAccessKey}`) === undefined;
  };

  test('depend on the call, the key, the region and the time, and on nothing else', () => {
    const signed = sign(CALL, KEY, 'eu-west-1', NOW);
    expect(signed).toEqual({
      'x-amz-date': '20261130T021602Z',
      authorization: expect.stringMatching(
        /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20261130\/eu-west-1\/bedrock\/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}$/,
      ),
    });
    expect(sign(CALL, KEY, 'eu-west-1', NOW)).toEqual(signed);
    expect(accepted(signed)).toBe(true);
    const others = [
      sign({ ...CALL, body: Buffer.from('{}') }, KEY, 'eu-west-1', NOW),
      sign({ ...CALL, path: chatPath('other', false) }, KEY, 'eu-west-1', NOW),
      sign({ ...CALL, host: 'other.example' }, KEY, 'eu-west-1', NOW),
      sign(CALL, { ...KEY, secretAccessKey: 'other' }, 'eu-west-1', NOW),
      sign(CALL, KEY, 'us-east-1', NOW),
      sign(CALL, KEY, 'eu-west-1', NOW + 1000),
    ].map(({ authorization }) => authorization);
    expect(new Set([signed['authorization'], ...others]).size).toBe(7);
  });

  test('are of this body and path only', () => {
    const signed = sign(CALL, KEY, 'eu-west-1', NOW);
    expect(accepted(signed, { ...CALL, body: Buffer.from('{"messages":[1]}') })).toBe(false);
    expect(accepted(signed, { ...CALL, path: chatPath('other', false) })).toBe(false);
    expect(accepted({ ...signed, 'x-amz-date': '20261130T021603Z' })).toBe(false);
  });

  test('of a temporary key cover its session token', () => {
    const signed = sign(CALL, { ...KEY, sessionToken: 'for-an-hour' }, 'eu-west-1', NOW);
    expect(signed['x-amz-security-token']).toBe('for-an-hour');
    expect(signed['authorization']).toContain('SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,');
    expect(accepted(signed)).toBe(true);
    expect(accepted({ ...signed, 'x-amz-security-token': 'other' })).toBe(false);
  });
});

describe('targets', () => {
  const bind = (apiKey: string | undefined, baseUrl = 'https://bedrock-runtime.eu-west-1.amazonaws.com') =>
    adapter.bind(
      {
        provider: {
          id: '00000000-0000-0000-0000-000000000001',
          name: 'aws',
          kind: 'openai',
          baseUrl,
          credentials: null,
          timeouts: {},
        },
        upstreamModel: 'amazon.nova-pro-v1:0',
        maxOutputTokens: 1,
        cumulativeWeight: 1,
      },
      { apiKey },
      { connectMs: 1, firstByteMs: 2, idleMs: 3 },
    );
  const json = (rest: object = {}) =>
    JSON.stringify({ accessKeyId: KEY.accessKeyId, secretAccessKey: KEY.secretAccessKey, ...rest });

  test('sign each call by its head, body and time', () => {
    const target = bind(json());
    const body = [Buffer.from('{"mess'), Buffer.from('ages":[]}')];
    const [names, values] = [0, 1].map((odd) =>
      target.sign!('converse-stream', body, NOW).filter((_, at) => at % 2 === odd),
    );
    expect(names).toEqual(['x-amz-date', 'authorization']);
    const head = target.heads['converse-stream']!.toString();
    const path = /^POST (\S+) HTTP/.exec(head)![1]!;
    expect(path).toBe('/model/amazon.nova-pro-v1%3A0/converse-stream');
    const headers = {
      ...Object.fromEntries(
        head
          .split('\r\n')
          .slice(1, -1)
          .map((line) => line.split(': ', 2)),
      ),
      'x-amz-date': values![0],
      authorization: values![1],
    };
    const check = (bytes: Buffer) =>
      checkKey({ method: 'POST', path, query: '', headers }, bytes, `${KEY.accessKeyId}:${KEY.secretAccessKey}`);
    expect(check(Buffer.concat(body))).toBeUndefined();
    expect(check(Buffer.from('{}'))).toMatchObject({ kind: 'wrong-api-key' });
    expect(target.secrets).toContain(KEY.secretAccessKey);
    expect(head).not.toContain('authorization');
  });

  test('carry an API key of Bedrock’s as it is, and sign nothing', () => {
    const target = bind('bedrock-api-key-1');
    expect(target.sign).toBeUndefined();
    expect(target.heads['converse']!.toString()).toContain('authorization: Bearer bedrock-api-key-1\r\n');
  });

  test('need a region: the endpoint’s, or the key’s', () => {
    expect(() => bind(json(), 'http://127.0.0.1:9')).toThrow(/must say "region"/);
    const signed = bind(json({ region: 'us-west-2', sessionToken: 'token-1' }), 'http://127.0.0.1:9').sign!(
      'converse',
      [],
      NOW,
    );
    expect(signed.join(' ')).toContain('/us-west-2/bedrock/');
    expect(signed).toContain('x-amz-security-token');
  });

  test.each([
    '{',
    '{"accessKeyId":"A"}',
    '{"accessKeyId":"A","secretAccessKey":"SECRET-1","regoin":"x"}',
  ])('a key %s is refused without repeating it', (key) => {
    expect(() => bind(key)).toThrow(TypeError);
    expect(() => bind(key)).not.toThrow(/SECRET-1/);
  });
});

describe('paths', () => {
  test('hold ids and ARNs percent-encoded', () => {
    expect(chatPath('amazon.nova-pro-v1:0', true)).toBe('/model/amazon.nova-pro-v1%3A0/converse-stream');
    expect(chatPath('arn:aws:bedrock:us-east-1:1:inference-profile/x', false)).toBe(
      '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse',
    );
  });

  test.each([
    ['bedrock-runtime.us-east-1.amazonaws.com', 'us-east-1'],
    ['bedrock-runtime-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
    ['vpce-0a1b-2c3d.bedrock-runtime.eu-central-1.vpce.amazonaws.com', 'eu-central-1'],
    ['bedrock-runtime.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
    ['bedrock-runtime.ap-southeast-2.api.aws', 'ap-southeast-2'],
    ['127.0.0.1', null],
    ['bedrock-runtime.us-east-1.example.com', null],
    ['bedrock-runtime.us-east-1.amazonaws.com.example.com', null],
  ])('the region of %s is %s', (host, region) => expect(regionOf(host)).toBe(region));
});

describe('errors', () => {
  const target = { providerName: 'aws', secrets: ['a-secret-key'] };
  const read = (status: number, body: string, retryAfter?: string) => {
    const { code, status: made, message, retryAfterSeconds } = readError(status, Buffer.from(body), retryAfter, target);
    return { code, status: made, message, retryAfterSeconds };
  };

  test.each([
    [400, 'upstream_rejected', 400],
    [413, 'upstream_rejected', 413],
    [401, 'upstream_error', 502],
    [403, 'upstream_error', 502],
    [404, 'upstream_error', 502],
    [408, 'upstream_timeout', 504],
    [424, 'upstream_error', 502],
    [429, 'upstream_rate_limited', 429],
    [500, 'upstream_error', 502],
    [503, 'upstream_error', 503],
    [529, 'upstream_error', 503],
  ])('status %i is %s with %i', (status, code, made) => {
    expect(read(status, '{"message":"it is so"}')).toMatchObject({ code, status: made });
  });

  test.each([
    ['throttlingException', 'upstream_rate_limited'],
    ['validationException', 'upstream_rejected'],
    ['com.amazon.coral#AccessDeniedException', 'upstream_error'],
    ['modelTimeoutException', 'upstream_timeout'],
    ['ModelNotReadyException:http://internal.amazon.com/', 'upstream_error'],
    ['constructor', 'upstream_error'],
    ['__proto__', 'upstream_error'],
  ])('inside a stream the name decides: %s is %s', (name, code) => {
    expect(read(502, JSON.stringify({ __type: name, message: 'so' })).code).toBe(code);
  });

  test('a caller’s fault is told with the provider’s words, without secrets; what speaks of credentials is not', () => {
    expect(read(400, '{"message":"blank, says a-secret-key"}').message).toBe(
      'The provider "aws" refused the request: blank, says [redacted]',
    );
    expect(read(403, '{"message":"User arn:aws:iam::1:user/x may not"}').message).not.toContain('arn:aws');
    expect(read(500, '<html>').message).toBe('The provider "aws" failed with status 500');
    expect(read(429, '{"Message":"slow"}', '7')).toMatchObject({ retryAfterSeconds: 7 });
  });
});

describe('models', () => {
  test('those that are offered', () => {
    const body = {
      modelSummaries: [
        { modelId: 'a.one-v1:0', modelName: 'One', modelLifecycle: { status: 'ACTIVE' } },
        { modelId: 'a.old-v1:0', modelName: 'Old', modelLifecycle: { status: 'LEGACY' } },
        { modelId: 'a.bare-v1:0' },
        { modelName: 'without id' },
        null,
      ],
    };
    expect(readModels(body)).toEqual([
      { id: 'a.one-v1:0', displayName: 'One', contextTokens: null, createdUnixS: null },
      { id: 'a.bare-v1:0', displayName: null, contextTokens: null, createdUnixS: null },
    ]);
    expect(readModels(null)).toEqual([]);
  });
});
