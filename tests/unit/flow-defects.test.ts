import { randomBytes, randomUUID, subtle } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { createRandomPool } from '#core/ids.ts';
import { DEFAULT_CAPTURE } from '#core/snapshot/log-policy.ts';
import { DEFAULT_TRAFFIC_POLICY } from '#core/snapshot/traffic-policy.ts';
import { createBodyPool } from '#gateway/flow/body-pool.ts';
import { createRequestHandler, type RequestDeps } from '#gateway/flow/handle-request.ts';
import { SignsOfLife } from '#gateway/flow/signs-of-life.ts';
import { createPending } from '#gateway/pending.ts';
import { adapter as openaiAdapter } from '#gateway/providers/openai/adapter.ts';
import { planScans } from '#gateway/scan-plans.ts';
import { bindOrganization } from '#gateway/snapshot/bind.ts';
import { createClock } from '#gateway/telemetry/clock.ts';
import { allocateCells, GAUGE } from '#gateway/telemetry/layout.ts';
import { createRecorder } from '#gateway/telemetry/recorder.ts';
import type { UpstreamHandler } from '#gateway/upstream/handler.ts';
import { findRoute } from '#translation/dialects/routes.ts';
import { NO_MIRRORS } from '../support/no-mirrors.ts';
import { NO_TOKENS } from '../support/no-tokens.ts';
import { waitFor } from '../support/wait.ts';

// A defect of our own, wherever it lies, ends the request: with an answer, an end frame and a line in the log.

const servers: Server[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const server of servers.splice(0)) server.close();
});

const answers = (status: number, contentType: string, body: string) => (handler: UpstreamHandler) => {
  const controller = { abort: () => undefined, pause: () => undefined, resume: () => undefined };
  handler.onRequestStart(controller);
  handler.onResponseStart(controller, status, { 'content-type': contentType });
  handler.onResponseData(controller, Buffer.from(body));
  handler.onResponseEnd(controller);
};

function bound(kind: string) {
  const [id, providerId, modelId, groupId] = Array.from({ length: 4 }, () => randomUUID());
  const createdAt = '2026-01-01T00:00:00.000Z';
  const document = {
    ...{ schema: 1, organizationId: id!, organizationName: 'acme' },
    providers: [
      ...[{ id: providerId!, name: 'p', kind, baseUrl: 'http://127.0.0.1:1', credentials: null, timeouts: {} }],
    ],
    models: [{ id: modelId!, name: 'm', createdAt, deployments: [{ providerId, upstreamModel: 'm', weight: 1 }] }],
    groups: [
      {
        ...{ id: groupId!, name: 'g', createdAt, salt: randomBytes(16).toString('hex'), hashVersion: 1, phase: 1 },
        capture: DEFAULT_CAPTURE,
        traffic: DEFAULT_TRAFFIC_POLICY,
        variants: [{ modelId, role: 'champion', weightBp: 10_000, ranges: [[0, 10_000]] }],
      },
    ],
  } as unknown as Parameters<typeof bindOrganization>[0]['document'];
  const keyring = [{ id: 'k', key: randomBytes(32) }] as unknown as Parameters<typeof bindOrganization>[1];
  return bindOrganization({ version: 1, document, series: new Map() }, keyring, {
    ...{ connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 },
  });
}

/** The flow on a real HTTP server, in front of an upstream that is a function. */
async function startFlow(dispatch: (handler: UpstreamHandler) => void, kind = 'openai', path = '/v1/chat/completions') {
  const clock = createClock();
  const cells = allocateCells();
  const organization = bound(kind);
  const begun: string[] = [];
  const ends: { outcome: string; errorCode: string | null }[] = [];
  const defects: unknown[] = [];
  const pending = createPending();
  const key = { id: 'k', organizationId: organization.id, groupIds: null, defaultUnit: null, expiresAt: null };
  const handle = createRequestHandler({
    ...{ clock, pending, random: createRandomPool(), recorder: createRecorder(cells) },
    authenticator: { authenticate: () => key },
    organizations: () => new Map([[organization.id, organization]]),
    scanPlans: planScans(),
    tokens: NO_TOKENS,
    mirrors: NO_MIRRORS,
    signsOfLife: new SignsOfLife(),
    upstream: { dispatch: (_call, handler) => dispatch(handler), close: () => undefined },
    spool: {
      ...{ spoolId: 's', accepting: true, accepts: () => true, part: () => undefined, handOver: () => undefined },
      begin: (id) => void begun.push(id),
      end(_id, record, _response, release) {
        ends.push(record);
        release(true);
      },
      close: async () => undefined,
    },
    bodyBudget: { take: () => true, give: () => undefined },
    ...{ bodyPool: createBodyPool(1_000), maxBodyBytes: 1_000_000, stalledReaderMs: 60_000 },
    onDefect: (defect) => void defects.push(defect),
  } satisfies RequestDeps);
  const server = createServer((incoming, outgoing) => handle(findRoute(path)!, incoming, outgoing));
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const post = (body: object, signal: AbortSignal | null = null) =>
    fetch(url, { method: 'POST', headers: { connection: 'close' }, body: JSON.stringify(body), signal });
  const chat = (stream = false) => post({ model: 'g', stream });
  return { chat, post, begun, ends, defects, pending, inFlight: () => cells[GAUGE.IN_FLIGHT]! };
}

const wire = openaiAdapter.natives['openai-chat']!;
const defect = new Error('a defect');
const fails = () => {
  throw defect;
};

test.each([
  ['reading a plain answer', () => vi.spyOn(wire, 'readReply'), answers(200, 'application/json', '{}')],
  ['reading a refusal', () => vi.spyOn(openaiAdapter, 'readError'), answers(500, 'application/json', '{}')],
] as const)('a defect in %s: 500, an end frame, a line in the log, nothing stays in flight', async (_, spy, upstream) => {
  spy().mockImplementation(fails);
  const flow = await startFlow(upstream);
  const answer = await flow.chat();
  expect(answer.status).toBe(500);
  expect(await answer.json()).toMatchObject({ error: { code: 'internal_error' } });
  expect(flow.begun).toHaveLength(1);
  expect(flow.ends).toMatchObject([{ outcome: 'failed', errorCode: 'internal' }]);
  expect(flow.defects).toEqual([defect]);
  await waitFor('nothing to be in flight', () => flow.inFlight() === 0);
});

test('a defect in a stream: an error event, an end frame, a line in the log', async () => {
  const tap = wire.openStream(false, 'sse');
  vi.spyOn(wire, 'openStream').mockReturnValue(Object.assign(Object.create(tap), { push: fails, facts: fails }));
  const flow = await startFlow(answers(200, 'text/event-stream', 'data: {}\n\n'));
  const answer = await flow.chat(true);
  await answer.text().catch(() => ''); // never a clean end
  expect(flow.ends).toMatchObject([{ errorCode: 'internal' }]);
  expect(flow.defects).toEqual([defect]);
  await waitFor('nothing to be in flight', () => flow.inFlight() === 0);
});

test('a call that cannot be written down is our defect: 500, and a line in the log says why', async () => {
  const reason = new TypeError('cannot be written');
  const flow = await startFlow(() => {
    throw reason;
  });
  expect((await flow.chat()).status).toBe(500);
  expect(flow.ends).toMatchObject([{ errorCode: 'internal' }]);
  expect(flow.defects).toEqual([reason]);
});

test('an end that waits for the digest of its request is pending until it is written, also when the caller has left', async () => {
  const digest = Promise.withResolvers<ArrayBuffer>();
  vi.spyOn(subtle, 'digest').mockReturnValue(digest.promise);
  const flow = await startFlow(answers(200, 'application/json', '{}'));
  const leave = new AbortController();
  const answer = flow.post({ model: 'g', content: 'x'.repeat(300_000) }, leave.signal).catch(() => 'left');
  await waitFor('the end to wait', () => flow.pending.count === 1);
  leave.abort();
  expect(await answer).toBe('left');
  await waitFor('nothing to be in flight', () => flow.inFlight() === 0);
  expect([flow.pending.count, flow.ends]).toEqual([1, []]);
  digest.resolve(new ArrayBuffer(32));
  await waitFor('the end', () => flow.ends.length === 1);
  expect(flow.ends).toMatchObject([{ outcome: 'completed', requestSha256: '00'.repeat(32) }]);
  await waitFor('nothing to be pending', () => flow.pending.count === 0);
});

test('an error behind nothing but a ping is the first element of an array, and so well-formed', async () => {
  const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const usage = { input_tokens: 1, output_tokens: 1 };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], usage };
  const error = { type: 'overloaded_error', message: 'Overloaded' };
  const events = event('message_start', { message }) + event('ping', {}) + event('error', { error });
  const path = '/v1beta/models/g:streamGenerateContent';
  const flow = await startFlow(answers(200, 'text/event-stream', events), 'anthropic', path);
  const answer = await flow.post({ contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] });
  let text = '';
  const read = async () => {
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) text += piece;
  };
  await read().catch(() => undefined); // never a clean end
  expect(JSON.parse(text)).toMatchObject([{ error: { status: 'UNAVAILABLE' } }]);
  expect(flow.ends).toMatchObject([{ outcome: 'failed' }]);
});
