import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { PROVIDER_KINDS, type ProviderKind } from '#core/names.ts';
import type { CompiledDeployment } from '#core/snapshot/compile.ts';
import { type Capabilities, FEATURES } from '#gateway/providers/capabilities.ts';
import { ADAPTERS } from '#gateway/providers/registry.ts';
import type { ChatEvent } from '#translation/chat/events.ts';
import type { UserPart } from '#translation/chat/parts.ts';
import { createRefusals } from '#translation/chat/refusals.ts';
import { type ChatRequest, type Message, NO_SETTINGS, type Settings } from '#translation/chat/request.ts';

/** What every provider kind must do, whatever its API is. */
const SECRET = 'sk-planted-canary-0123456789';
const EXAMPLES: Readonly<
  Record<ProviderKind, { readonly baseUrl: string; readonly apiKey?: string; readonly definition?: object }>
> = {
  openai: { baseUrl: 'https://api.openai.com/v1' },
  anthropic: { baseUrl: 'https://api.anthropic.com/v1' },
  google: { baseUrl: 'https://generativelanguage.googleapis.com/v1beta' },
  'azure-openai': { baseUrl: 'https://example.openai.azure.com/openai' },
  bedrock: {
    baseUrl: 'https://bedrock-runtime.eu-central-1.amazonaws.com',
    apiKey: JSON.stringify({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: SECRET }),
  },
  cohere: { baseUrl: 'https://api.cohere.com' },
  mistral: { baseUrl: 'https://api.mistral.ai/v1' },
  huggingface: { baseUrl: 'https://router.huggingface.co/v1' },
  oip: { baseUrl: 'https://models.example.com' },
  custom: {
    baseUrl: 'https://models.example.com',
    definition: {
      path: ['complete'],
      request: { input: { $from: 'prompt' }, live: { $from: 'stream' } },
      reply: { text: '/text' },
      stream: { framing: 'sse', delta: '/piece', done: { at: '/done', equals: true } },
      infer: { path: ['infer'] },
    },
  },
  simulator: { baseUrl: 'http://127.0.0.1:8090/v1' },
};
const TIMEOUTS = { connectMs: 1_000, firstByteMs: 2_000, idleMs: 3_000 };

function bound(kind: ProviderKind) {
  const { baseUrl, apiKey = SECRET, definition } = EXAMPLES[kind];
  const deployment = {
    provider: { id: 'p', name: 'upstream', kind, baseUrl, credentials: null, timeouts: {}, definition },
    upstreamModel: 'some/model-1:2',
    maxOutputTokens: 4_096,
    cumulativeWeight: 1,
  } as unknown as CompiledDeployment;
  return ADAPTERS[kind].bind(deployment, { apiKey, headers: { 'X-Team': 'team-secret-header' } }, TIMEOUTS);
}

function request(settings: Partial<Settings> = {}, rest: Partial<ChatRequest> = {}): ChatRequest {
  const spelling = Object.fromEntries(Object.keys(settings).map((name) => [name, `their_${name}`]));
  return {
    ...{ model: 'group', stream: false, streamUsage: true, system: [], tools: [], extras: [], spelling },
    messages: [user({ type: 'text', text: 'Hello there', citations: [] })],
    settings: { ...NO_SETTINGS, ...settings },
    ...rest,
  };
}

function user(part: object): Message {
  const whole = { at: 'their_content', cache: null, ...part };
  return { role: 'user', at: 'their_message', name: null, parts: [whole as unknown as UserPart] };
}

const tool = {
  ...{ at: 'their_tools', name: 'look_up', description: 'Looks up', strict: null, cache: null },
  parameters: { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] },
};
const file = (mediaType: string) => ({ kind: 'base64', mediaType, data: 'AAAA' });

/** A request that needs the feature; only those that one request shows. */
const NEEDS: Readonly<Partial<Record<keyof Capabilities, ChatRequest>>> = {
  plain: request(),
  stream: request({}, { stream: true }),
  tools: request({}, { tools: [tool] }),
  vision: request({}, { messages: [user({ type: 'image', source: file('image/png'), detail: null })] }),
  documents: request(
    {},
    {
      messages: [
        user({ type: 'text', text: 'Read this', citations: [] }),
        user({ type: 'document', source: { kind: 'text', text: 'Once' }, title: 'A tale', citations: false }),
      ],
    },
  ),
  audioInput: request({}, { messages: [user({ type: 'audio', source: file('audio/wav') })] }),
  jsonSchema: request({
    output: { kind: 'json_schema', name: 'word', description: null, schema: tool.parameters, strict: null },
  }),
  stop: request({ stop: ['END'] }),
  maxTokens: request({ maxTokens: 100 }),
  seed: request({ seed: 7 }),
  logprobs: request({ logprobs: true }),
  candidates: request({ candidates: 2 }),
};

test('each kind has its folder, and each folder its kind', () => {
  const folders = readdirSync(new URL('../../gateway/providers', import.meta.url), { withFileTypes: true });
  const names = folders.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(names.toSorted()).toEqual(PROVIDER_KINDS.toSorted());
});

test('docs/adding-a-provider.md shows the smallest adapter as it is', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  expect(read('docs/adding-a-provider.md')).toContain(read('gateway/providers/simulator/adapter.ts'));
});

describe.each(PROVIDER_KINDS)('%s', (kind) => {
  const adapter = ADAPTERS[kind];
  const target = bound(kind);
  const chat = target.chat ?? adapter.chat;

  test('is bound: its name, its deadlines, whole heads, and what is secret', () => {
    expect(adapter.kind).toBe(kind);
    expect(target).toMatchObject({ kind, providerName: 'upstream', firstByteTimeoutMs: 2_000, idleTimeoutMs: 3_000 });
    expect(target.secrets.some((secret) => secret === SECRET)).toBe(true);
    expect(target.secrets).toContain('team-secret-header');
    const heads = Object.values(target.heads).map((head) => head!.toString('latin1'));
    expect(heads.length).toBeGreaterThan(0);
    for (const head of heads) {
      expect(head).toMatch(/^POST \/\S* HTTP\/1\.1\r\nhost: [^\r\n]+\r\n(?:[a-z0-9-]+: [^\r\n]*\r\n)*$/);
      expect(head).toContain('x-team: team-secret-header\r\n');
      expect(head).toContain('accept-encoding: identity\r\n');
    }
  });

  test('has a head for whatever it is asked for', () => {
    for (const wire of Object.values(adapter.natives)) {
      const operation = adapter.chat === null ? 'infer' : 'chat';
      expect(target.heads[wire.headName(operation, false, 'sse', false)]).toBeDefined();
    }
    if (chat === null) return;
    expect(target.heads[chat.heads.plain]).toBeDefined();
    expect(target.heads[chat.heads.stream]).toBeDefined();
  });

  test.each([
    400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504, 529,
  ])('status %i: an error of ours, without secrets, whatever the body is', (status) => {
    const bodies = ['', '<html>Bad gateway at 10.0.0.7</html>', '{}', '[]', 'null', '{"error":7}', '"text"'];
    const telling = { message: `the key ${SECRET} of team-secret-header is wrong`, type: 'x', code: 'y' };
    for (const body of [
      ...bodies,
      JSON.stringify({ ...telling, error: telling }),
      JSON.stringify({ error: telling }),
    ]) {
      const error = adapter.readError(status, Buffer.from(body), '7', target);
      expect(error).toBeInstanceOf(RingsideError);
      expect(error.message).toContain('upstream');
      expect(error.message).not.toMatch(/sk-planted|team-secret|10\.0\.0\.7/);
      expect(error.code).toMatch(/^upstream_/);
      if (status === 401 || status === 403) expect(error).toMatchObject({ code: 'upstream_error', status: 502 });
      if (status === 429) expect(error).toMatchObject({ code: 'upstream_rate_limited', retryAfterSeconds: 7 });
      if (status >= 500) expect(error.status).toBeGreaterThanOrEqual(502);
      if (status === 400) expect(error.status).toBe(400);
    }
  });

  test('says for every feature whether it has it', () => {
    expect(Object.keys(adapter.capabilities).toSorted()).toEqual(FEATURES.toSorted());
    for (const limit of adapter.limits) expect(limit).toMatch(/^[A-Z].*\.$/s);
  });

  test('its list of models is read, and what is none is refused', () => {
    if (adapter.models === null) return expect(['custom']).toContain(kind);
    expect(adapter.models.path).toMatch(/^\//);
    for (const body of ['<html>', '', '{"data"']) {
      expect(() => adapter.models!.read(Buffer.from(body))).toThrow(
        expect.objectContaining({ code: 'upstream_protocol' }),
      );
    }
  });

  if (chat === null) return;

  describe('as a chat', () => {
    const write = (asked: ChatRequest) => {
      const refusals = createRefusals(kind, false);
      return chat.writeRequest(asked, target.model, refusals).toString('utf8');
    };

    test('a chat is JSON that holds what was asked', () => {
      const body = write(request());
      expect(() => JSON.parse(body)).not.toThrow();
      expect(body).toContain('Hello there');
    });

    test.each(
      Object.keys(NEEDS) as (keyof typeof NEEDS)[],
    )('%s: sent on, or refused by the caller’s name', (feature) => {
      if (kind === 'custom') return; // which of it one expresses is what its definition says
      const asked = NEEDS[feature]!;
      if (adapter.capabilities[feature]) return expect(write(asked)).not.toBe('');
      expect(() => write(asked)).toThrow(
        expect.objectContaining({ code: 'unsupported_parameter', param: expect.stringMatching(/^their_/) }),
      );
    });

    test.each([
      '',
      '<html>login</html>',
      '{}',
      '[]',
      'null',
      '7',
      '{"choices":',
      '"text"',
    ])('an answer of %j is none', (body) => {
      expect(() => chat.readReply(Buffer.from(body))).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
    });

    test.each([
      '',
      '<html>login</html>',
      'data: {"half',
      'data: not JSON\n\n',
      '\u0000\u0001\u0002',
    ])('a stream of %j does not end well', (body) => {
      if (target.heads[chat.heads.stream] === undefined) return;
      const events: ChatEvent[] = [];
      const reader = chat.openReader();
      const read = () => {
        if (body !== '') reader.push(Buffer.from(body), (event) => events.push(event));
        reader.close((event) => events.push(event));
      };
      expect(read).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
      expect(events.map(({ type }) => type)).not.toContain('end');
    });
  });
});
