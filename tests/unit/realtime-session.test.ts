import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { sessionEnding } from '#gateway/realtime/ending.ts';
import { createEventInspector } from '#gateway/realtime/inspect.ts';
import type { SessionEnd } from '#gateway/realtime/relay.ts';
import { isSessionRequest, readSessionRequest, sessionKey } from '#gateway/realtime/request.ts';
import { rollUp } from '#inference-log/rollup.ts';
import { beginRecord, endRecord, newInferenceId } from '../support/records.ts';

const handshake = { 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
const incoming = (headers: Record<string, string>, url = '/v1/realtime?model=g', method = 'GET') =>
  ({ method, url, headers: { ...handshake, ...headers } }) as unknown as IncomingMessage;

describe('the handshake', () => {
  test.each([
    [incoming({ upgrade: 'websocket' }), true],
    [incoming({ upgrade: 'WebSocket, h2c' }), true],
    [incoming({ upgrade: 'websocket' }, '/v1/realtime'), true],
    [incoming({ upgrade: 'h2c' }), false],
    [incoming({ upgrade: 'websockets' }), false],
    [incoming({ upgrade: 'websocket' }, '/v1/realtime/calls'), false],
    [incoming({ upgrade: 'websocket' }, '/v1/realtimes?model=g'), false],
    [incoming({ upgrade: 'websocket' }, 'http://x/v1/realtime?model=g'), false],
    [incoming({ upgrade: 'websocket' }, '/v1/realtime?model=g', 'POST'), false],
  ])('which requests are for a session (%#)', (request, expected) => {
    expect(isSessionRequest(request)).toBe(expected);
  });

  test('the key: Authorization before the subprotocol', () => {
    const protocols = { 'sec-websocket-protocol': 'realtime, openai-insecure-api-key.rsk_1' };
    expect(sessionKey(incoming(protocols))).toBe('Bearer rsk_1');
    expect(sessionKey(incoming({ ...protocols, authorization: 'Bearer rsk_2' }))).toBe('Bearer rsk_2');
    expect(sessionKey(incoming({ 'sec-websocket-protocol': 'realtime' }))).toBeUndefined();
  });

  test('subprotocols with keys and choices of accounts go no further', () => {
    const offered =
      'realtime,openai-insecure-api-key.k, openai-organization.o,openai-project.p,openai-beta.realtime-v1,x';
    const { protocols } = readSessionRequest(incoming({ 'sec-websocket-protocol': offered }));
    expect(protocols).toEqual(['realtime', 'openai-beta.realtime-v1']);
  });

  test.each([
    [{ 'sec-websocket-version': '8' }, '/v1/realtime?model=g', 'bad_request'],
    [{ 'sec-websocket-key': 'short' }, '/v1/realtime?model=g', 'bad_request'],
    [{ 'content-length': '3' }, '/v1/realtime?model=g', 'bad_request'],
    [{ 'transfer-encoding': 'chunked' }, '/v1/realtime?model=g', 'bad_request'],
    [{ 'sec-websocket-protocol': 'a,a' }, '/v1/realtime?model=g', 'bad_request'],
    [{ 'sec-websocket-protocol': 'a b' }, '/v1/realtime?model=g', 'bad_request'],
    [{ 'sec-websocket-protocol': 'a,' }, '/v1/realtime?model=g', 'bad_request'],
    [{}, '/v1/realtime', 'bad_request'],
    [{}, '/v1/realtime?model=g&model=h', 'bad_request'],
    [{}, '/v1/realtime?model=g&call_id=1', 'unsupported_parameter'],
  ])('what is refused (%#)', (headers: Record<string, string>, url, code) => {
    expect(() => readSessionRequest(incoming(headers, url))).toThrow(expect.objectContaining({ code }));
  });
});

describe('what an end means', () => {
  const meaning = (end: SessionEnd) => {
    const { error, ...ending } = sessionEnding(end, 'acme', ['sk-secret']);
    return { ...ending, error: error?.code ?? null };
  };
  const closed = (by: 'caller' | 'upstream', code: number, reason = '') =>
    meaning({ kind: 'closed', by, code, reason });

  test.each([
    [closed('caller', 1000), 'completed', null, 'close_1000', 1000],
    [closed('caller', 4999), 'completed', null, 'close_4999', 1000],
    [closed('caller', 1006), 'client_closed', 'client_closed', 'close_1006', 1000],
    [closed('upstream', 1000), 'completed', null, 'close_1000', 1000],
    [closed('upstream', 1005), 'completed', null, 'close_1005', null],
    [closed('upstream', 4001), 'failed', 'upstream_error', 'close_4001', 4001],
    [closed('upstream', 1006), 'failed', 'upstream_unreachable', 'close_1006', 1011],
    [meaning({ kind: 'broken', by: 'caller', code: 1009 }), 'failed', 'body_too_large', 'close_1009', 1009],
    [meaning({ kind: 'broken', by: 'caller', code: 1002 }), 'failed', 'bad_request', 'close_1002', 1002],
    [meaning({ kind: 'broken', by: 'upstream', code: 1009 }), 'failed', 'upstream_protocol', 'close_1009', 1011],
    [meaning({ kind: 'silent', by: 'caller' }), 'client_closed', 'client_closed', 'close_1006', 1001],
    [meaning({ kind: 'silent', by: 'upstream' }), 'failed', 'upstream_timeout', 'close_1006', 1011],
    [meaning({ kind: 'idle' }), 'completed', null, 'close_1001', 1001],
    [meaning({ kind: 'overlong' }), 'completed', null, 'close_1001', 1001],
    [meaning({ kind: 'stopped' }), 'failed', 'interrupted', 'close_1001', 1001],
  ])('%#', (ending, outcome, error, endReason, code) => {
    expect(ending).toMatchObject({ outcome, error, endReason, toCaller: { code } });
  });

  test('a reason of the upstream keeps no secret, and fits into a frame', () => {
    const { toCaller } = closed('upstream', 4001, 'the key sk-secret is wrong at 10.0.0.7');
    expect(toCaller.reason).toBe('the key [redacted] is wrong at [redacted]');
    const long = closed('upstream', 4001, '🥊'.repeat(100)).toCaller.reason;
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(123);
    expect(long.isWellFormed()).toBe(true);
  });
});

describe('what is read of events', () => {
  const done = (usage: unknown) =>
    Buffer.from(JSON.stringify({ type: 'response.done', event_id: 'e', response: { usage } }));

  test('usage of all responses together; missing stays missing, zero stays zero', () => {
    const inspector = createEventInspector([]);
    expect(inspector.usage).toBeNull();
    inspector.inspect(done(null), false);
    expect(inspector.usage).toBeNull();
    inspector.inspect(done({ input_tokens: 0, output_tokens: 3 }), false);
    expect(inspector.usage).toEqual({ inputTokens: 0, outputTokens: 3, cachedTokens: null, reasoningTokens: null });
    inspector.inspect(done({ input_tokens: 5, output_tokens: 4, input_token_details: { cached_tokens: 2 } }), false);
    expect(inspector.usage).toEqual({ inputTokens: 5, outputTokens: 7, cachedTokens: 2, reasoningTokens: null });
  });

  test.each([
    ['bytes', done({ input_tokens: 1 }), true],
    ['broken JSON', Buffer.from('{"type":"response.done",'), false],
    [
      'another event that speaks of it',
      Buffer.from('{"type":"x","note":"response.done","response":{"usage":{}}}'),
      false,
    ],
    ['a very large one', done({ input_tokens: 1, pad: 'x'.repeat(300_000) }), false],
    ['a usage that is no number', done({ input_tokens: 'many', output_tokens: -1 }), false],
  ])('what does not count: %s', (_name, data, isBinary) => {
    const inspector = createEventInspector([]);
    expect(inspector.inspect(data, isBinary)).toBe(data);
    expect(inspector.usage?.inputTokens ?? null).toBeNull();
  });

  test('an error loses the secrets; everything else is passed on byte for byte', () => {
    const inspector = createEventInspector(['sk-secret']);
    const error = Buffer.from('{"type":"error","error":{"message":"the key sk-secret"}}');
    expect(inspector.inspect(error, false).toString()).toBe(
      '{"type":"error","error":{"message":"the key [redacted]"}}',
    );
    const harmless = Buffer.from('{"type":"error","error":{"message":"no"}}');
    expect(inspector.inspect(harmless, false)).toBe(harmless);
  });
});

test('a pinned row counts with what it used, under no served variant and without durations', () => {
  const begin = beginRecord({});
  const row = (end: Parameters<typeof endRecord>[0]) => ({
    ...{ id: newInferenceId(Date.parse('2026-03-02T10:00:00Z'), begin.groupId), gatewayId: begin.groupId, begin },
    ...{ end: endRecord(end), request: null, response: null },
  });
  const session = { servedVariant: 'a', totalNs: 3_600e9, inputTokens: 7, outputTokens: 9, firstTokenNs: null };
  const [rollup, ...others] = rollUp([row({ ...session, servedReason: 'pinned' })]);
  expect(others).toEqual([]);
  expect(rollup).toMatchObject({
    servedVariant: null,
    count: 1,
    inputTokens: 7,
    outputTokens: 9,
    totalNs: 0n,
    latency: {},
  });
});
