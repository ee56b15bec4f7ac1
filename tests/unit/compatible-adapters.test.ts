import { describe, expect, test } from 'vitest';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { adapter as azure } from '#gateway/providers/azure-openai/adapter.ts';
import * as azureModels from '#gateway/providers/azure-openai/models.ts';
import { adapter as cohere } from '#gateway/providers/cohere/adapter.ts';
import * as cohereModels from '#gateway/providers/cohere/models.ts';
import { adapter as huggingface } from '#gateway/providers/huggingface/adapter.ts';
import * as huggingfaceModels from '#gateway/providers/huggingface/models.ts';
import { adapter as mistral } from '#gateway/providers/mistral/adapter.ts';
import * as mistralModels from '#gateway/providers/mistral/models.ts';
import type { ProviderAdapter, ProviderCredentials } from '#gateway/providers/provider.ts';

const DEFAULTS = { connectMs: 1_000, firstByteMs: 2_000, idleMs: 3_000 };

function bind(adapter: ProviderAdapter, baseUrl: string, credentials: ProviderCredentials, upstreamModel = 'm') {
  const provider = {
    id: '0198c0de-0000-7000-8000-000000000001',
    kind: adapter.kind,
    name: 'p',
    baseUrl,
    credentials: null,
    timeouts: { idleMs: 9_000 },
  } as unknown as CompiledDeployment['provider'];
  const target = adapter.bind(
    { provider, upstreamModel, maxOutputTokens: 4_096, cumulativeWeight: 1 },
    credentials,
    DEFAULTS,
  );
  const [requestLine, ...headers] = target.heads['chat']!.toString('latin1').trimEnd().split('\r\n');
  return { target, requestLine, headers };
}

describe.each([
  [cohere, 'https://api.cohere.example', 'POST /v2/chat HTTP/1.1'],
  [mistral, 'https://api.mistral.example/v1/', 'POST /v1/chat/completions HTTP/1.1'],
  [huggingface, 'https://router.huggingface.example/v1', 'POST /v1/chat/completions HTTP/1.1'],
])('%o at %s', (adapter, baseUrl, line) => {
  test('is called there, with its key and the headers of the provider', () => {
    const credentials = { apiKey: 'secret-key', headers: { 'X-Team': 'secret-team', 'accept-encoding': 'gzip' } };
    const { target, requestLine, headers } = bind(adapter, baseUrl, credentials);
    expect(requestLine).toBe(line);
    expect(headers).toEqual([
      `host: ${new URL(baseUrl).host}`,
      'connection: keep-alive',
      'content-type: application/json',
      'user-agent: ringside',
      'authorization: Bearer secret-key',
      'x-team: secret-team',
      'accept-encoding: identity',
    ]);
    expect(target).toMatchObject({
      providerName: 'p',
      model: { upstreamModel: 'm', defaultMaxTokens: 4_096, host: new URL(baseUrl).hostname },
      firstByteTimeoutMs: 2_000,
      idleTimeoutMs: 9_000,
    });
    expect(target.secrets).toEqual(expect.arrayContaining(['secret-key', 'secret-team']));
    expect(bind(adapter, baseUrl, {}).headers.join()).not.toContain('authorization');
  });
});

describe('Azure', () => {
  const HOST = 'https://res.openai.azure.example';

  test.each([
    [`${HOST}/openai/v1`, '/openai/v1/chat/completions'],
    [`${HOST}/openai/v1/?api-version=preview`, '/openai/v1/chat/completions?api-version=preview'],
    [
      `${HOST}/openai?api-version=2025-04-01-preview`,
      '/openai/deployments/my%20gpt/chat/completions?api-version=2025-04-01-preview',
    ],
    [`${HOST}/openai/`, '/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21'],
    [HOST, '/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21'],
  ])('%s', (baseUrl, path) => {
    const { requestLine, headers } = bind(azure, baseUrl, { apiKey: 'az-secret' }, 'my gpt');
    expect(requestLine).toBe(`POST ${path} HTTP/1.1`);
    expect(headers).toContain('api-key: az-secret');
    const { heads } = bind(azure, baseUrl, {}, 'my gpt').target;
    for (const [name, end] of [
      ['embeddings', '/embeddings'],
      ['completions', '/completions'],
    ] as const) {
      const [line] = heads[name]!.toString('latin1').split('\r\n', 1);
      expect(line).toBe(`POST ${path.replace('/chat/completions', end)} HTTP/1.1`);
    }
  });

  test("a client of Entra's stays here, and its secret is one", () => {
    const document = { tenantId: 't', clientId: 'c', clientSecret: 'entra-secret' };
    const { target, headers } = bind(azure, HOST, { apiKey: JSON.stringify(document) });
    expect(headers.join()).not.toMatch(/api-key|authorization|entra/);
    expect(target.secrets).toContain('entra-secret');
  });
});

test.each([
  [
    cohereModels,
    '/v1/models?page_size=1000',
    {
      models: [
        { name: 'command-a', endpoints: ['chat'], context_length: 256000.0 },
        { name: 'old', is_deprecated: true },
        { endpoints: [] },
      ],
    },
    [{ id: 'command-a', displayName: null, contextTokens: 256_000, createdUnixS: null }],
  ],
  [
    mistralModels,
    '/models',
    {
      data: [
        {
          id: 'mistral-small',
          name: 'Small',
          max_context_length: 32_768,
          created: 5,
          capabilities: { completion_chat: true },
        },
        { id: 'mistral-embed', capabilities: { completion_chat: false } },
      ],
    },
    [{ id: 'mistral-small', displayName: 'Small', contextTokens: 32_768, createdUnixS: 5 }],
  ],
  [
    huggingfaceModels,
    '/models',
    {
      data: [
        {
          id: 'a/b',
          created: 5,
          providers: [
            { status: 'live', context_length: 100 },
            { status: 'error', context_length: 1 },
            { status: 'live' },
            { context_length: 50 },
          ],
        },
        { id: 'tgi', created: 6 },
      ],
    },
    [
      { id: 'a/b', displayName: null, contextTokens: 50, createdUnixS: 5 },
      { id: 'tgi', displayName: null, contextTokens: null, createdUnixS: 6 },
    ],
  ],
  [
    azureModels,
    '/models',
    { data: [{ id: 'gpt-5', created: 5, status: 'succeeded' }] },
    [{ id: 'gpt-5', displayName: null, contextTokens: null, createdUnixS: 5 }],
  ],
])('lists of models %#', ({ MODELS }, path, body, models) => {
  expect(MODELS.path).toBe(path);
  expect(MODELS.read(Buffer.from(JSON.stringify(body)))).toEqual(models);
  expect(() => MODELS.read(Buffer.from('<html>'))).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
});

test.each([
  [400, '{"message":"invalid request: too many tokens"}', 'upstream_rejected', 400, 'too many tokens'],
  [401, '{"message":"invalid api token co-secret"}', 'upstream_error', 502, 'did not accept the credentials'],
  [429, '{"message":"past the per minute limit"}', 'upstream_rate_limited', 429, 'past the per minute limit'],
  [498, '{"message":"blocked"}', 'upstream_rejected', 422, 'blocked'],
  [500, '{"message":"internal server error co-secret"}', 'upstream_error', 502, '[redacted]'],
  [503, '<html>', 'upstream_error', 503, 'overloaded'],
])("Cohere's error of status %i: %s", (status, body, code, seen, text) => {
  const target = { ...bind(cohere, 'https://api.cohere.example', { apiKey: 'co-secret' }).target };
  const error = cohere.readError(status, Buffer.from(body), '3', target);
  expect(error).toMatchObject({ code, status: seen, retryAfterSeconds: 3 });
  expect(error.message).toContain(text);
  expect(error.message).not.toContain('co-secret');
});
