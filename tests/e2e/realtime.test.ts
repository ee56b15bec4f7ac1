import net from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openOfficialSession, openSession, type Recorded, Refused } from '../support/realtime.ts';
import { allInferences, type Stack, startStack } from '../support/stack.ts';
import { waitFor } from '../support/wait.ts';

/** Realtime sessions through a real gateway to the simulator, with the official client and without. */
let stack: Stack;
let key: string;
const group = 'voices';
const SECRET = 'sk-planted-canary';

beforeAll(async () => {
  stack = await startStack({ env: { RINGSIDE_SHIP_AFTER_MS: '10' } });
  key = await stack.createGroup(group, { 'sim-voice': 10_000 });
});
afterAll(() => stack.stop());
beforeEach(() => simulate({}));

const simulate = (behaviour: object) =>
  fetch(`${stack.simulatorUrl}/_sim/models/sim-voice`, { method: 'PUT', body: JSON.stringify(behaviour) });
const urlOf = (query: string) => `${stack.gatewayUrl.replace('http', 'ws')}/v1/realtime?${query}`;
const open = (headers: Record<string, string> = {}, query = `model=${group}`, protocols: string[] = []) =>
  openSession(urlOf(query), protocols, { authorization: `Bearer ${key}`, ...headers });
const refusal = (opening: Promise<Recorded>): Promise<Refused> =>
  opening.then(
    () => expect.fail('it opened'),
    (error: Refused) => {
      expect(error).toBeInstanceOf(Refused);
      return error;
    },
  );
interface Handshake {
  readonly sequence: number;
  readonly status: number | null;
  readonly query: string;
  readonly headers: Record<string, string>;
  readonly path: string;
  readonly bodyBytes: number;
  readonly aborted: boolean;
  readonly completed: boolean;
}
const lastHandshake = async () => {
  const page = (await (await fetch(`${stack.simulatorUrl}/_sim/requests?model=sim-voice`)).json()) as {
    items: Handshake[];
  };
  return page.items.at(-1) as Handshake;
};
const rowOf = (id: unknown) =>
  waitFor('the row', async () => {
    const answer = await stack.api<Record<string, unknown>>('GET', `/inferences/${String(id)}`);
    return answer.status === 200 ? answer.body : undefined;
  });
const textItem = {
  type: 'conversation.item.create',
  item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Who won the third round?' }] },
};

describe('a session', () => {
  test('with the official client: events both ways, its usage and bytes in one row that is no evidence', async () => {
    await simulate({ answerTokens: 12 });
    const client = openOfficialSession(stack.gatewayPort, key, group);
    const seen: string[] = [];
    const errors: Error[] = [];
    let id: unknown;
    client.socket.on('upgrade', (answer: { headers: Record<string, unknown> }) => {
      id = answer.headers['x-ringside-inference-id'];
    });
    client.on('event', ({ type }) => seen.push(type));
    client.on('error', (error) => errors.push(error));
    await new Promise((opened) => client.socket.on('open', opened));
    await waitFor('the session', () => seen.includes('session.created'));
    client.send({ type: 'session.update', session: { type: 'realtime', output_modalities: ['text'] } });
    client.send({
      type: 'conversation.item.create',
      item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Who won?' }] },
    });
    let usage: { input_tokens?: number; output_tokens?: number } | undefined;
    client.on('response.done', ({ response }) => {
      usage = response.usage;
    });
    client.send({ type: 'response.create' });
    await waitFor('the first response', () => usage !== undefined);
    const first = usage!;
    usage = undefined;
    client.send({ type: 'response.create' });
    await waitFor('the second response', () => usage !== undefined);
    const second = usage!;
    client.close();
    expect(errors).toEqual([]);
    expect(seen.filter((type) => type === 'response.output_text.delta')).toHaveLength(24);
    const row = await rowOf(id);
    expect(row).toMatchObject({
      operation: 'realtime',
      dialect: 'openai',
      streamed: true,
      status: 101,
      outcome: 'completed',
      endReason: 'close_1000',
      errorCode: null,
      assignedVariant: 'sim-voice',
      servedVariant: 'sim-voice',
      servedReason: 'pinned',
      usage: { inputTokens: first.input_tokens! + second.input_tokens!, outputTokens: 24 },
      request: { missing: 'binary', body: null },
      response: { missing: 'binary', body: null },
    });
    const [request, response] = [row['request'], row['response']] as { bytes: number }[];
    expect(request!.bytes).toBeGreaterThan(200);
    expect(response!.bytes).toBeGreaterThan(2_000);
  });

  test('the upstream gets its own credentials and model, and of the caller what is listed', async () => {
    const session = await open({
      'openai-beta': 'realtime=v1',
      'openai-safety-identifier': 'boxer-7',
      cookie: 'a=b',
      'x-forwarded-for': '192.0.2.1',
      'x-ringside-metadata': '{"ring":"2"}',
    });
    await session.event('session.created');
    const handshake = await lastHandshake();
    expect(handshake).toMatchObject({
      path: '/v1/realtime',
      query: 'model=sim-voice',
      headers: {
        authorization: `Bearer ${SECRET}`,
        'openai-beta': 'realtime=v1',
        'openai-safety-identifier': 'boxer-7',
      },
    });
    for (const name of ['cookie', 'x-forwarded-for', 'x-ringside-metadata', 'sec-websocket-extensions']) {
      expect(handshake.headers[name]).toBeUndefined();
    }
    expect(handshake.headers['traceparent']).toBe(session.headers['traceparent']);
    expect(session.headers).toMatchObject({ 'x-ringside-group': group, 'x-ringside-variant': 'sim-voice' });
    session.socket.close(4_321, 'enough');
    const row = await rowOf(session.headers['x-ringside-inference-id']);
    expect(row).toMatchObject({ unit: 'boxer-7', metadata: { ring: '2' }, endReason: 'close_4321' });
  });

  test('the unit: of the header before that of the query', async () => {
    for (const [headers, expected] of [
      [{}, 'from-query'],
      [{ 'x-ringside-unit': 'from-header' }, 'from-header'],
    ] as const) {
      const session = await open({ ...headers }, `model=${group}&x-ringside-unit=from-query`);
      session.socket.close();
      expect(await rowOf(session.headers['x-ringside-inference-id'])).toMatchObject({
        unit: expected,
        endReason: 'close_1005',
      });
    }
  });

  test('the key of browsers comes as a subprotocol, which goes no further', async () => {
    const session = await openSession(
      urlOf(`model=${group}`),
      ['realtime', `openai-insecure-api-key.${key}`, 'openai-project.proj_1'],
      {},
    );
    expect(session.socket.protocol).toBe('realtime');
    await session.event('session.created');
    expect((await lastHandshake()).headers['sec-websocket-protocol']).toBe('realtime');
    session.socket.close();
    await session.closed;
  });

  test.each([
    ['redacts', { mode: 'full', redaction: { detectors: ['email'] } }, { missing: 'binary', body: null }],
    ['captures nothing', { mode: 'none' }, { missing: 'capture_off', body: null }],
  ])('where the group %s, the row says so', async (_name, capture, side) => {
    const name = `voices-${capture.mode}`;
    expect((await stack.api('POST', '/groups', { name, capture })).status).toBe(201);
    await stack.api('PUT', `/groups/${name}/variants`, [{ model: 'sim-voice', role: 'champion', weightBp: 10_000 }]);
    const session = await waitFor('the group to be served', () => open({}, `model=${name}`).catch(() => undefined));
    session.send(textItem);
    await session.event('conversation.item.done');
    session.socket.close();
    const row = await rowOf(session.headers['x-ringside-inference-id']);
    expect(row).toMatchObject({ outcome: 'completed', request: side, response: side });
    expect(JSON.stringify(row)).not.toContain('third round');
  });

  test('an error event is passed on', async () => {
    const session = await open();
    session.send({ type: 'nonsense', event_id: 'mine' });
    expect(await session.event('error')).toMatchObject({ error: { type: 'invalid_request_error', event_id: 'mine' } });
    session.socket.close();
  });
});

describe('before the handshake, errors are answers over HTTP', () => {
  const code = ({ body }: Refused) => (JSON.parse(body) as { error: { code: string; param: string | null } }).error;

  test.each([
    ['no key', { authorization: '' }, `model=${group}`, 401, 'invalid_api_key'],
    ['a wrong key', { authorization: 'Bearer rsk_wrong' }, `model=${group}`, 401, 'invalid_api_key'],
    ['an unknown group', {}, 'model=nope', 404, 'model_not_found'],
    ['no model', {}, '', 400, 'bad_request'],
    ['two models', {}, `model=${group}&model=${group}`, 400, 'bad_request'],
    ['what is not served', {}, `model=${group}&intent=transcription`, 400, 'unsupported_parameter'],
    ['bad metadata', { 'x-ringside-metadata': 'no' }, `model=${group}`, 400, 'bad_request'],
  ])('%s', async (_name, headers: Record<string, string>, query, status, expected) => {
    const error = await refusal(open(headers, query));
    expect(error.status).toBe(status);
    expect(code(error).code).toBe(expected);
    expect(error.headers['connection']).toBe('close');
    expect(error.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('a wrong key as subprotocol', async () => {
    const error = await refusal(
      openSession(urlOf(`model=${group}`), ['realtime', 'openai-insecure-api-key.rsk_no'], {}),
    );
    expect(error.status).toBe(401);
  });

  test.each([
    [401, 502, 'upstream_error'],
    [404, 502, 'upstream_error'],
    [429, 429, 'upstream_rate_limited'],
    [400, 400, 'upstream_rejected'],
  ])('an upstream that refuses with %i', async (status, seen, expected) => {
    await simulate({ errors: [{ status, rate: 1, message: `not with ${SECRET}` }] });
    const error = await refusal(open());
    expect(error.status).toBe(seen);
    expect(code(error).code).toBe(expected);
    expect(error.body).not.toContain(SECRET);
    const row = await rowOf(error.headers['x-ringside-inference-id']);
    expect(row).toMatchObject({ outcome: 'failed', errorCode: expected, servedReason: 'none', operation: 'realtime' });
    expect(row['attempts']).toMatchObject([{ status, errorCode: expected }]);
  });

  test.each([
    ['a web page', { htmlAnswer: true }, 502],
    ['a reset', { resetBeforeHeadersRate: 1 }, 502],
  ])('an upstream that answers with %s', async (_name, behaviour, status) => {
    await simulate(behaviour);
    expect((await refusal(open())).status).toBe(status);
  });

  test('a caller that leaves an upstream that does not answer', async () => {
    await simulate({ blackHoleRate: 1 });
    const socket = new WebSocket(urlOf(`model=${group}`), { headers: { authorization: `Bearer ${key}` } });
    socket.on('error', () => undefined);
    const started = await waitFor('the handshake', async () => {
      const last = await lastHandshake();
      return last?.status === null && !last.aborted ? last : undefined;
    });
    socket.terminate();
    await waitFor('the upstream to hear of it', async () => {
      const last = await lastHandshake();
      return last.sequence === started.sequence && last.aborted;
    });
    const row = await waitFor('the row', async () => {
      const rows = await allInferences(stack, group);
      return rows.find(({ outcome, status }) => outcome === 'client_closed' && status === 499);
    });
    expect(row).toMatchObject({ errorCode: 'client_closed', servedReason: 'none' });
  });

  test('without Upgrade it is 426, and other methods are not allowed', async () => {
    const plain = await fetch(`${stack.gatewayUrl}/v1/realtime?model=${group}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(plain.status).toBe(426);
    expect(plain.headers.get('upgrade')).toBe('websocket');
    expect(await plain.json()).toMatchObject({ error: { code: 'bad_request' } });
    const posted = await fetch(`${stack.gatewayUrl}/v1/realtime`, { method: 'POST', body: '{}' });
    expect(posted.status).toBe(405);
    expect(posted.headers.get('allow')).toBe('GET');
  });

  test('a handshake behind a request that is not answered yet ends its connection, and nothing else', async () => {
    await simulate({ blackHoleRate: 1 });
    const socket = net.connect(stack.gatewayPort, '127.0.0.1');
    const closed = new Promise((done) => socket.once('close', done));
    socket.on('error', () => undefined);
    const body = JSON.stringify({ model: group, messages: [] });
    const authorized = `host: x\r\nauthorization: Bearer ${key}\r\n`;
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\n${authorized}content-length: ${body.length}\r\n\r\n${body}` +
        `GET /v1/realtime?model=${group} HTTP/1.1\r\n${authorized}connection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    );
    await closed;
    expect((await fetch(`${stack.gatewayUrl}/healthz`)).status).toBe(200);
  });

  test('a handshake without what RFC 6455 asks for', async () => {
    const answer = await new Promise<string>((done) => {
      const socket = net.connect(stack.gatewayPort, '127.0.0.1');
      let received = '';
      socket.on('data', (piece) => {
        received += piece.toString();
      });
      socket.once('close', () => done(received));
      socket.write(
        `GET /v1/realtime?model=${group} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n` +
          'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 7\r\n\r\n',
      );
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*The WebSocket version must be 13/s);
  });

  test('an Upgrade elsewhere is answered as if it had not been asked for', async () => {
    const error = await refusal(
      openSession(`${stack.gatewayUrl.replace('http', 'ws')}/v1/models`, [], { authorization: `Bearer ${key}` }),
    );
    expect(error.status).toBe(200);
  });
});

describe('after the handshake', () => {
  test('an upstream that dies closes the caller with 1011', async () => {
    await simulate({ answerTokens: 50, resetRate: 1, resetAfterTokens: 5 });
    const session = await open();
    session.send(textItem);
    session.send({ type: 'response.create' });
    const { code, reason } = await session.closed;
    expect(code).toBe(1011);
    expect(reason).toBe('The provider "sim" closed the connection in the middle of the session.');
    expect(session.events.filter(({ type }) => type === 'response.output_audio.delta')).toHaveLength(5);
    expect(await rowOf(session.headers['x-ringside-inference-id'])).toMatchObject({
      status: 101,
      outcome: 'failed',
      errorCode: 'upstream_unreachable',
      endReason: 'close_1006',
      usage: { inputTokens: null, outputTokens: null },
    });
  });

  test('a caller that goes away without a word lets the upstream go', async () => {
    const session = await open();
    await session.event('session.created');
    session.socket.terminate();
    expect(await rowOf(session.headers['x-ringside-inference-id'])).toMatchObject({
      outcome: 'client_closed',
      endReason: 'close_1006',
    });
    await waitFor('the upstream to hear of it', async () => (await lastHandshake()).completed);
  });

  test('a message of 20 MB closes the session with 1009', async () => {
    const session = await open();
    await session.event('session.created');
    session.send({ type: 'input_audio_buffer.append', audio: 'A'.repeat(20 * 1_048_576) });
    expect((await session.closed).code).toBe(1009);
    expect(await rowOf(session.headers['x-ringside-inference-id'])).toMatchObject({
      outcome: 'failed',
      errorCode: 'body_too_large',
      endReason: 'close_1009',
    });
  });

  test('a message of 15 MB passes', async () => {
    const session = await open();
    session.send({ type: 'input_audio_buffer.append', audio: 'A'.repeat(15 * 1_048_576) });
    session.send({ type: 'input_audio_buffer.commit' });
    await session.event('input_audio_buffer.committed');
    session.socket.close();
    await session.closed;
  });

  test('a slow reader gets everything', async () => {
    await simulate({ answerTokens: 10_000 });
    const session = await open();
    await session.event('session.created');
    session.socket.pause();
    session.send({ type: 'response.create' });
    await waitFor('the upstream to have been asked', async () => (await lastHandshake()).bodyBytes > 0);
    session.socket.resume();
    await session.event('response.done');
    expect(session.events.filter(({ type }) => type === 'response.output_audio.delta')).toHaveLength(10_000);
    session.socket.close();
    await session.closed;
  });
});

describe('the gateway goes', () => {
  const exitOf = () => new Promise<number | null>((done) => stack.gateway().once('exit', (code) => done(code)));

  test('at the drain limit a session is closed with 1001, and recorded', async () => {
    const before = exitOf();
    stack.gateway().kill('SIGTERM');
    await before;
    await stack.startGateway({ RINGSIDE_DRAIN_MS: '500' });
    const session = await open();
    await session.event('session.created');
    const exited = exitOf();
    stack.gateway().kill('SIGTERM');
    expect(await session.closed).toEqual({ code: 1001, reason: 'The gateway stops; connect again.' });
    expect(await exited).toBe(0);
    await stack.startGateway();
    expect(await rowOf(session.headers['x-ringside-inference-id'])).toMatchObject({
      outcome: 'failed',
      errorCode: 'interrupted',
      endReason: 'close_1001',
      servedReason: 'pinned',
    });
  });

  test('a session that ends within the drain limit ends as it likes', async () => {
    const session = await open();
    await session.event('session.created');
    const exited = exitOf();
    stack.gateway().kill('SIGTERM');
    await waitFor('new connections to be refused', () =>
      fetch(`${stack.gatewayUrl}/healthz`).then(
        () => false,
        () => true,
      ),
    );
    session.send({ type: 'nonsense' });
    await session.event('error');
    session.socket.close(1000);
    expect((await session.closed).code).toBe(1000);
    expect(await exited).toBe(0);
    await stack.startGateway();
  });

  test('a kill leaves an interrupted row', async () => {
    const session = await open();
    await session.event('session.created');
    await stack.killGateway();
    expect((await session.closed).code).toBe(1006);
    await stack.startGateway();
    expect(await rowOf(session.headers['x-ringside-inference-id'])).toMatchObject({
      operation: 'realtime',
      outcome: 'interrupted',
      endReason: 'interrupted',
      request: { missing: 'binary' },
    });
  });
});

test('no secret in what was logged', () => {
  expect(stack.log()).not.toContain(SECRET);
  expect(stack.log()).not.toContain(key);
  expect(stack.log()).not.toContain('defect');
});
