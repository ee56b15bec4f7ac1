import { describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { adapter } from '#gateway/providers/anthropic/adapter.ts';
import { CAPABILITIES } from '#gateway/providers/anthropic/capabilities.ts';
import { MODELS } from '#gateway/providers/anthropic/models.ts';
import { anthropic } from '#translation/dialects/anthropic/ingress.ts';

/** Anthropic's callers at Anthropic's own API: bytes pass, and are looked at. */
const wire = adapter.natives.anthropic!;
const target = { model: null, stream: null, framing: 'sse' } as const;
const plan = anthropic.planRequest(wire.refusedKeys);
const parse = (body: string, operation: 'chat' | 'count-tokens' = 'chat') =>
  anthropic.parseRequest(Buffer.from(body), plan, operation, target);

const deployment = {
  provider: {
    kind: 'anthropic',
    name: 'claude',
    baseUrl: 'https://api.anthropic.com/v1/',
    timeouts: {},
  },
  upstreamModel: 'claude-opus-5-5',
  maxOutputTokens: 4096,
  cumulativeWeight: 1,
} as unknown as Parameters<typeof adapter.bind>[0];
const timeouts = { connectMs: 1, firstByteMs: 2, idleMs: 3 };
const bound = adapter.bind(deployment, { apiKey: 'sk-ant-secret' }, timeouts);

describe('governed keys', () => {
  test('model, stream and the unit', () => {
    const body = '{"metadata":{"user_id":"u-1"},"model":"group","stream":true,"messages":[]}';
    const parsed = parse(body);
    expect(parsed).toMatchObject({
      model: 'group',
      stream: true,
      user: 'u-1',
      metadata: null,
      insertion: null,
      refused: [],
    });
    expect(body.slice(parsed.modelSpan!.start, parsed.modelSpan!.end)).toBe('"group"');
    expect(parse('{"model":"g"}')).toMatchObject({ stream: false, user: null });
    expect(parse('{"model":"g","metadata":null}').user).toBeNull();
    expect(parse('{"model":"g","stream":true}', 'count-tokens').stream).toBe(false);
  });

  test('keys that route are found', () => {
    expect(parse('{"model":"g","mcp_servers":[],"fallbacks":[]}').refused.toSorted()).toEqual([
      'fallbacks',
      'mcp_servers',
    ]);
  });

  test.each([
    ['{}', 'model'],
    ['{"model":1}', 'model'],
    ['{"model":"g","stream":"yes"}', 'stream'],
    [`{"model":"g","metadata":{"user_id":"${'x'.repeat(2000)}"}}`, 'metadata.user_id'],
    [`{"model":"g","metadata":{"user_id":"${'x'.repeat(20_000)}"}}`, 'metadata'],
  ])('%#: refused, naming %s', (body, param) => {
    expect(() => parse(body)).toThrow(expect.objectContaining({ code: 'bad_request', param }));
  });

  test('the key stands in x-api-key, or where the newer SDKs put it', () => {
    const query = '';
    expect(anthropic.authorization({ headers: { 'x-api-key': 'k' }, query })).toBe('Bearer k');
    expect(anthropic.authorization({ headers: { authorization: 'Bearer k' }, query })).toBe('Bearer k');
    expect(anthropic.authorization({ headers: {}, query })).toBeUndefined();
  });
});

describe('heads', () => {
  test('the caller’s version is passed on; a translated chat has ours', () => {
    const chat = bound.heads[wire.headName('chat', true, 'sse', false)]!.toString();
    expect(chat).toMatch(/^POST \/v1\/messages HTTP\/1.1\r\nhost: api.anthropic.com\r\n/);
    expect(chat).toContain('x-api-key: sk-ant-secret\r\n');
    expect(chat).not.toContain('anthropic-version');
    expect(wire.forwardedHeaders).toContain('anthropic-version');
    expect(bound.heads[adapter.chat!.heads.stream]!.toString()).toContain('anthropic-version: 2023-06-01\r\n');
    const count = bound.heads[wire.headName('count-tokens', false, 'sse', false)]!.toString();
    expect(count).toMatch(/^POST \/v1\/messages\/count_tokens /);
    expect(bound.heads[wire.headName('embeddings', false, 'sse', false)]).toBeUndefined();
  });

  test('an operator’s version is the translated chats’', () => {
    const other = adapter.bind(deployment, { headers: { 'Anthropic-Version': '2026-10-21' } }, timeouts);
    expect(other.heads['translated']!.toString().match(/anthropic-version: (.*)\r/g)).toEqual([
      'anthropic-version: 2026-10-21\r',
    ]);
    expect(other.heads['chat']!.toString()).not.toContain('anthropic-version');
  });
});

describe('thoughts of other providers', () => {
  const rewrite = (messages: unknown) =>
    wire.rewriteBody!('chat', Buffer.from(JSON.stringify({ model: 'group', later: 1, messages })), 'claude');
  const own = { type: 'thinking', thinking: '', signature: 'sig==' };
  const text = { type: 'text', text: 'say "rs1.openai.x" and "signature":""' };

  test('are taken out of a conversation, everything else stays', () => {
    const foreign = [
      { type: 'thinking', thinking: 'hm', signature: '' },
      { type: 'thinking', thinking: 'hm', signature: 'rs1.openai.x' },
      { type: 'redacted_thinking', data: 'rs1.google.x' },
    ];
    const user = { role: 'user', content: 'Hi' };
    const rewritten = rewrite([
      user,
      { role: 'assistant', content: [...foreign, own, text] },
      user,
      { role: 'assistant', content: foreign },
    ]);
    expect(JSON.parse(rewritten!.toString())).toEqual({
      model: 'claude',
      later: 1,
      messages: [user, { role: 'assistant', content: [own, text] }, user],
    });
  });

  test('leave the numbers of tool calls as they were', () => {
    const blocks = `{"type":"thinking","signature":""},{"type":"tool_use","input":{"id":1234567890123456789}}`;
    const body = `{"model":"group","messages":[{"role":"assistant","content":[${blocks}]}]}`;
    const rewritten = wire.rewriteBody!('chat', Buffer.from(body), 'claude');
    expect(rewritten!.toString()).toContain('{"id":1234567890123456789}');
  });

  test('where there are none, the bytes stay as they are', () => {
    expect(rewrite([{ role: 'assistant', content: [own, text] }])).toBeNull();
    expect(rewrite([{ role: 'assistant', content: 'rs1.' }])).toBeNull();
    expect(rewrite([null, { content: [] }, '"rs1.'])).toBeNull();
    expect(wire.rewriteBody!('chat', Buffer.from('{"rs1.'), 'claude')).toBeNull();
  });
});

describe('what an answer says of itself', () => {
  test('whole', () => {
    const usage = { input_tokens: 1, cache_read_input_tokens: 2, output_tokens: 3 };
    expect(wire.readReply(Buffer.from(JSON.stringify({ content: [], stop_reason: 'end_turn', usage })))).toMatchObject({
      usage: { inputTokens: 3, outputTokens: 3, cachedTokens: 2, reasoningTokens: null },
      finishReason: 'end_turn',
    });
    expect(wire.readReply(Buffer.from('{"input_tokens":5}'))).toEqual({ usage: null, finishReason: null });
    expect(wire.readReply(Buffer.from('<html>'))).toEqual({ usage: null, finishReason: null });
  });

  test('an error in a stream is not passed on, and has its status', () => {
    const tap = wire.openStream(false, 'sse');
    const ping = 'event: ping\ndata: {"type":"ping"}\n\n';
    const error = '{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}';
    const piece = tap.push(Buffer.from(`${ping}event: error\ndata: ${error}\n\n${ping}`));
    expect(piece).toEqual({ forward: Buffer.from(ping), terminal: null });
    expect(tap.errorBody?.toString()).toBe(error);
    expect(tap.errorStatus).toBe(429);
    expect(tap.push(Buffer.from(ping))).toEqual({ forward: null, terminal: null });
  });

  test('words of the model do not look like events', () => {
    const tap = wire.openStream(false, 'sse');
    const said = JSON.stringify('{"type":"message_stop"} {"error":1}');
    const event = `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":${said}}}\n\n`;
    expect(tap.push(Buffer.from(event + event))).toEqual({ forward: Buffer.from(event + event), terminal: null });
    expect(tap).toMatchObject({ sawToken: true, errorBody: null });
  });

  test('an event that is too long to be held passes in pieces', () => {
    const tap = wire.openStream(false, 'sse');
    const long = Buffer.from(`data: ${'x'.repeat(1_100_000)}`);
    expect(tap.push(long).forward).toEqual(long);
    expect(tap.isMidEvent).toBe(true);
    const end = Buffer.from('\n\ndata: {"type":"message_stop"}\n\n');
    expect(tap.push(end).terminal?.toString()).toBe('data: {"type":"message_stop"}\n\n');
    expect(tap.isMidEvent).toBe(false);
  });
});

describe('errors', () => {
  const body = (message: string) => Buffer.from(JSON.stringify({ type: 'error', error: { type: 'x', message } }));
  const read = (status: number, message = 'It says sk-ant-secret.', retryAfter?: string) =>
    adapter.readError(status, body(message), retryAfter, bound);

  test('of the provider, as ours', () => {
    expect(read(400)).toMatchObject({ code: 'upstream_rejected', status: 400 });
    expect(read(400).message).toContain('It says [redacted].');
    expect(read(413)).toMatchObject({ code: 'upstream_rejected', status: 413 });
    expect(read(429, 'slow', '7')).toMatchObject({ code: 'upstream_rate_limited', status: 429, retryAfterSeconds: 7 });
    expect(read(529)).toMatchObject({ code: 'upstream_error', status: 503 });
    expect(read(500)).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(read(504)).toMatchObject({ code: 'upstream_timeout' });
    for (const status of [401, 402, 403]) {
      expect(read(status, 'secret account')).toMatchObject({ code: 'upstream_error', status: 502 });
      expect(read(status, 'secret account').message).not.toContain('secret account');
    }
    expect(adapter.readError(502, Buffer.from('<html>'), undefined, bound).message).toContain('status 502');
  });

  test('ours, as Anthropic writes them', () => {
    const error = new RingsideError('group_not_found', 'There is no such group.', { param: 'model' });
    const written = { type: 'error', error: { type: 'not_found_error', message: error.message }, request_id: null };
    expect(JSON.parse(anthropic.errorBody(error))).toEqual(written);
    expect(anthropic.errorEvent(error, 'sse', false)).toBe(`event: error\ndata: ${JSON.stringify(written)}\n\n`);
  });
});

describe('models', () => {
  test('the provider’s own list (API reference, "List Models", read 2026-11)', () => {
    const data = [
      { type: 'model', id: 'a', display_name: 'A', created_at: '2026-10-21T00:00:00Z', max_input_tokens: 1_000_000 },
      { type: 'model', id: 'b', display_name: 'B', created_at: '1970-01-01T00:00:00Z', max_input_tokens: null },
      { type: 'model' },
    ];
    expect(MODELS.read(Buffer.from(JSON.stringify({ data, has_more: false })))).toEqual([
      { id: 'a', displayName: 'A', contextTokens: 1_000_000, createdUnixS: 1_792_540_800 },
      { id: 'b', displayName: 'B', contextTokens: null, createdUnixS: null },
    ]);
    for (const body of ['<html>', '{}', 'null']) {
      expect(() => MODELS.read(Buffer.from(body))).toThrow(expect.objectContaining({ code: 'upstream_protocol' }));
    }
    expect(MODELS.path).toMatch(/^\/models/);
  });

  test('capabilities are said for every feature', () => {
    expect(Object.values(CAPABILITIES).every((can) => typeof can === 'boolean')).toBe(true);
    expect(CAPABILITIES).toMatchObject({ tools: true, seed: false });
  });
});
