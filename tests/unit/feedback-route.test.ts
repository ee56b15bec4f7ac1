import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { createInferenceId, createRandomPool, groupHashOf } from '#core/ids.ts';
import { DEFAULT_CAPTURE } from '#core/snapshot/log-policy.ts';
import { DEFAULT_TRAFFIC_POLICY } from '#core/snapshot/traffic-policy.ts';
import { createFeedbackHandler } from '#gateway/feedback/handle-feedback.ts';
import { allocateFeedbackMeter, createFeedbackMeter } from '#gateway/feedback/meter.ts';
import { redactReports } from '#gateway/feedback/redact-reports.ts';
import { createBodyPool } from '#gateway/flow/body-pool.ts';
import { bindOrganization } from '#gateway/snapshot/bind.ts';
import { createClock } from '#gateway/telemetry/clock.ts';
import { allocateCells, GAUGE } from '#gateway/telemetry/layout.ts';
import { createRecorder } from '#gateway/telemetry/recorder.ts';
import type { FeedbackReport } from '#inference-log/feedback-record.ts';
import { feedbackOf } from '../support/feedback.ts';
import { waitFor } from '../support/wait.ts';

// It goes through the rooms of every governed request: framing, key, organization, body, log.

const pool = createRandomPool();
const REDACTING = { ...DEFAULT_CAPTURE, redaction: { detectors: ['email'], paths: [], patterns: [] } };
const groupIds = { g: randomUUID(), h: randomUUID() };
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

function organization() {
  const group = (name: 'g' | 'h') => ({
    ...{ id: groupIds[name], name, createdAt: '2026-01-01T00:00:00.000Z', salt: randomBytes(16).toString('hex') },
    ...{
      hashVersion: 1,
      phase: 1,
      capture: name === 'g' ? DEFAULT_CAPTURE : REDACTING,
      traffic: DEFAULT_TRAFFIC_POLICY,
      variants: [],
    },
  });
  const document = {
    ...{ schema: 1, organizationId: randomUUID(), organizationName: 'acme', providers: [], models: [] },
    groups: [group('g'), group('h')],
  } as unknown as Parameters<typeof bindOrganization>[0]['document'];
  const defaults = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 };
  return bindOrganization({ version: 1, document, series: new Map() }, [{ id: 'k', key: randomBytes(32) }], defaults);
}

interface Rooms {
  readonly hasKey?: boolean;
  readonly groupIds?: readonly string[];
  readonly isConfigured?: boolean;
  readonly accepting?: boolean;
  /** What becomes of a report that the spool is given. */
  readonly takes?: boolean;
  readonly maxBodyBytes?: number;
  readonly maxHeldBytes?: number;
  readonly perMinute?: number;
}

async function start(rooms: Rooms = {}) {
  const bound = organization();
  const cells = allocateCells();
  const reports: FeedbackReport[] = [];
  const defects: unknown[] = [];
  let heldBytes = 0;
  const key = {
    ...{
      id: randomUUID(),
      organizationId: bound.id,
      groupIds: rooms.groupIds ?? null,
      defaultUnit: null,
      expiresAt: null,
    },
  };
  const handle = createFeedbackHandler({
    ...{ clock: createClock(), random: pool, recorder: createRecorder(cells), bodyPool: createBodyPool(1_000) },
    authenticator: {
      authenticate() {
        if (rooms.hasKey === false) throw new RingsideError('unauthorized', 'This API key is not valid.');
        return key;
      },
    },
    organizations: () => new Map(rooms.isConfigured === false ? [] : [[bound.id, bound]]),
    bodyBudget: {
      take(bytes) {
        if (heldBytes + bytes > (rooms.maxHeldBytes ?? 1e9)) return false;
        heldBytes += bytes;
        return true;
      },
      give: (bytes) => {
        heldBytes -= bytes;
      },
    },
    // In a moment that does not pass.
    meter: createFeedbackMeter(allocateFeedbackMeter(), rooms.perMinute ?? 60_000, () => 1n),
    ...{ maxBodyBytes: rooms.maxBodyBytes ?? 1e9, stalledReaderMs: 60_000, onDefect: (defect) => defects.push(defect) },
    spool: {
      accepting: rooms.accepting ?? true,
      feedback(_id, report, release) {
        reports.push(report);
        setImmediate(() => release(rooms.takes ?? true));
      },
    },
  });
  const server = createServer(handle);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/v1/feedback`;
  const post = async (body: string | Uint8Array<ArrayBuffer> | object, headers: Record<string, string> = {}) => {
    const isText = typeof body === 'string' || body instanceof Uint8Array;
    const answer = await fetch(url, {
      method: 'POST',
      headers: { authorization: 'Bearer x', ...headers },
      body: isText ? body : JSON.stringify(body),
    });
    return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) };
  };
  const settled = async () => {
    await waitFor('nothing to be in flight', () => cells[GAUGE.IN_FLIGHT] === 0);
    expect(heldBytes).toBe(0);
    expect(defects).toEqual([]);
    return [cells[GAUGE.FEEDBACK_ACCEPTED], cells[GAUGE.FEEDBACK_REFUSED]];
  };
  return { post, settled, reports, bound, key, port, cells };
}

const idOf = (group: 'g' | 'h') => createInferenceId(Date.now() - 1_000, groupHashOf(groupIds[group]), pool);
const thumb = (changes: object = {}) => ({ inferenceId: idOf('g'), metric: 'thumbs_up', value: true, ...changes });

describe('a call', () => {
  test('is answered once the log has it, with the ids, given and made', async () => {
    const { post, settled, reports, bound, key } = await start();
    const answer = await post({ feedback: [thumb({ id: 'mine' }), thumb()] });
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ accepted: 2, ids: ['mine', expect.stringMatching(/^[0-9a-f-]{13}-7/)] });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.has('x-ringside-inference-id')).toBe(false);
    expect(reports).toMatchObject([
      { organizationId: bound.id, keyId: key.id, items: [{ id: 'mine' }, { kind: 'boolean' }] },
    ]);
    expect(await settled()).toEqual([2, 0]);
  });

  test('may be one report, and come in pieces', async () => {
    const { post, settled } = await start();
    const comment = 'x'.repeat(8_000);
    const body = { feedback: Array.from({ length: 200 }, () => thumb({ comment })) };
    expect((await post(body)).body.accepted).toBe(200);
    expect((await post(thumb())).body.accepted).toBe(1);
    expect(await settled()).toEqual([201, 0]);
  });
});

test('a comment is kept as the policy of its group wants it; one that names a correlation, as all that the key may use', async () => {
  const { post, reports } = await start();
  const comment = 'ask ann@example.org';
  const feedback = [
    thumb({ comment }),
    thumb({ comment, inferenceId: idOf('h') }),
    thumb({ comment, inferenceId: undefined, correlationId: 'c@example.org' }),
    thumb({ value: undefined, label: 'x@example.org' }),
  ];
  expect((await post({ feedback })).status).toBe(202);
  const items = reports[0]!.items;
  expect(items[0]!.comment).toBe(comment);
  for (const item of items.slice(1, 3)) expect(item.comment).not.toContain('ann@');
  expect([items[2]!.correlation, items[3]!.label]).toEqual(['c@example.org', 'x@example.org']);
});

test('a correlation that every group of the key hides can be found nowhere, and is kept nowhere', async () => {
  const { post, reports } = await start({ groupIds: [groupIds.h] });
  const report = (correlationId: string) => thumb({ inferenceId: undefined, correlationId });
  expect((await post({ feedback: [report('c@example.org'), report('order-7')] })).status).toBe(202);
  const [hidden, plain] = reports[0]!.items.map(({ correlation }) => correlation);
  expect(hidden).not.toContain('example.org');
  expect(plain).toBe('order-7');
});

test('long comments are looked at in turns, so that other requests get theirs', async () => {
  const groups = [...organization().groups.values()].map(({ group }) => group);
  const comment = `ann@example.org ${'x'.repeat(8_000)}`;
  const items = Array.from({ length: 100 }, () => feedbackOf({ inferenceId: null, correlation: 'c', comment }));
  let turns = 0;
  const redacted = await redactReports(items, groups, async () => void turns++);
  expect(redacted).toHaveLength(100);
  for (const item of redacted) expect(item.comment).not.toContain('ann@');
  expect(turns).toBeGreaterThan(20);
});

describe('is refused in the shape of OpenAI', () => {
  const error = (type: string, code: string) => ({ error: { type, code, message: expect.any(String) } });
  test.each<[string, Rooms, number, object]>([
    ['without a key', { hasKey: false }, 401, error('authentication_error', 'invalid_api_key')],
    ['before the configuration is there', { isConfigured: false }, 503, error('server_error', 'config_unavailable')],
    ['while the log takes nothing', { accepting: false }, 503, error('server_error', 'log_unavailable')],
    ['when the log could not take it', { takes: false }, 503, error('server_error', 'log_unavailable')],
    ['beyond the size of a body', { maxBodyBytes: 20 }, 413, error('invalid_request_error', 'body_too_large')],
    ['beyond the budget of bodies', { maxHeldBytes: 20 }, 503, error('server_error', 'overloaded')],
  ])('%s', async (_, rooms, status, body) => {
    const { post, settled, reports } = await start(rooms);
    const answer = await post(thumb());
    expect(answer).toMatchObject({ status, body });
    if (status === 503) expect(answer.headers.get('retry-after')).toBe('1');
    expect(reports).toHaveLength(rooms.takes === false ? 1 : 0);
    expect(await settled()).toEqual([0, rooms.takes === false ? 1 : 0]);
  });

  test.each<[string, string | Uint8Array<ArrayBuffer>, RegExp]>([
    ['no JSON', '{"inferenceId":', /is not JSON/],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), /is not UTF-8/],
    ['an empty body', '', /is not JSON/],
    ['more fields than a thousand reports have', `{${'"a":1,'.repeat(50_000)}"b":1}`, /too many fields; at most 1000/],
    ['more brackets than that', '['.repeat(100_000), /too many fields/],
  ])('%s', async (_, body, message) => {
    const { post, settled } = await start();
    expect(await post(body)).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringMatching(message), code: 'bad_request' } },
    });
    await settled();
  });

  test('beyond what its key may report in a minute, with the time to wait', async () => {
    const { post, settled, reports, cells } = await start({ perMinute: 1_000 });
    const many = (count: number) => ({ feedback: Array.from({ length: count }, () => thumb()) });
    expect((await post(many(500))).status).toBe(202);
    // What is refused for what it says is not free either.
    expect((await post({ feedback: Array.from({ length: 400 }, () => ({})) })).status).toBe(400);
    const answer = await post(many(300));
    expect(answer).toMatchObject({ status: 429, body: error('rate_limit_error', 'rate_limited') });
    expect(answer.body.error.message).toMatch(/^Nothing was taken: .* again in 13 s\.$/);
    expect(answer.headers.get('retry-after')).toBe('13');
    for (let left = 99; left > 0; left--) expect((await post(thumb())).status).toBe(202);
    // Before its body is read.
    const unread = await post(`{"x":${' '.repeat(100_000)}`);
    expect([unread.status, unread.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await settled()).toEqual([599, 400]);
    expect(cells[GAUGE.FEEDBACK_LIMITED]).toBe(301);
    expect(reports).toHaveLength(100);
  });

  test('a compressed body', async () => {
    const { post } = await start();
    expect((await post('x', { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  test('as a whole, with everything that is wrong and where', async () => {
    const { post, settled, reports } = await start({ groupIds: [groupIds.g] });
    const feedback = [thumb(), thumb({ inferenceId: idOf('h') }), thumb({ value: 'x', metric: 'latency' })];
    const answer = await post({ feedback });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ type: 'invalid_request_error', code: 'bad_request' });
    expect(answer.body.error.param).toBe('feedback[1].inferenceId');
    expect(answer.body.error.message).toMatch(
      /^Nothing was taken\. feedback\[1\]\.inferenceId is of no model group that this API key may use\. feedback\[2\]\.metric "latency" is/,
    );
    expect(answer.body.error.issues).toMatchObject([
      { item: 1, field: 'inferenceId' },
      { item: 2, field: 'metric' },
      { item: 2, field: 'value' },
    ]);
    expect(reports).toEqual([]);
    expect(await settled()).toEqual([0, 3]);
  });

  test('with all of a thousand issues listed, though the message names a few', async () => {
    const { post } = await start();
    const answer = await post({ feedback: Array.from({ length: 1_000 }, () => thumb({ metric: '' })) });
    expect(answer.body.error.issues).toHaveLength(1_000);
    expect(answer.body.error.message).toMatch(/And 990 more: see "issues"\.$/);
  });
});

test('a caller that leaves in the middle of its body leaves nothing behind', async () => {
  const { settled, reports, port } = await start();
  const request = httpRequest({ port, method: 'POST', headers: { authorization: 'x', 'content-length': '1000' } });
  request.on('error', () => undefined);
  request.write('{');
  await waitFor('it to be read', () => request.socket !== null && request.socket.bytesWritten > 0);
  request.destroy();
  await settled();
  expect(reports).toEqual([]);
});
