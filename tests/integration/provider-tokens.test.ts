import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createSimulator } from '#simulator/server.ts';
import { CLIENT_SECRET, PEM, startTokenFlow, startTokenServer } from '#tests/support/token-flow.ts';
import { waitFor } from '#tests/support/wait.ts';

/** Providers whose calls carry tokens that are fetched: with a real token server, and the simulator as Vertex AI and as Azure. */
const simulator = createSimulator();
let simulated: string;
let tokens: Awaited<ReturnType<typeof startTokenServer>>;
const flows: Awaited<ReturnType<typeof startTokenFlow>>[] = [];

beforeAll(async () => {
  const { host, port } = await simulator.listen('127.0.0.1', 0);
  simulated = `http://${host}:${port}`;
});
afterAll(() => simulator.close());
beforeEach(async () => {
  tokens = await startTokenServer();
  simulator.journal.clear();
});
afterEach(() => {
  for (const flow of flows.splice(0)) flow.stop();
  tokens.stop();
  simulator.removeBehaviour('up');
});

type Kind = 'google' | 'azure-openai';
async function start(kind: Kind, change: { baseUrl?: string; privateUpstreams?: string } = {}) {
  const path = kind === 'google' ? '/v1/projects/p/locations/eu/publishers/google' : '/openai?api-version=2024-10-21';
  const flow = await startTokenFlow({ kind, baseUrl: `${simulated}${path}`, tokenOrigin: tokens.origin, ...change });
  flows.push(flow);
  return flow;
}

/** What the upstream was sent as credentials, call by call. */
const presented = () => simulator.journal.read().items.map(({ headers }) => headers['authorization']);
const paths = () => simulator.journal.read().items.map(({ path }) => path);

/** Holds every answer of the token server back until `go`. */
function holdTokens() {
  const held: (() => void)[] = [];
  tokens.answers((_request, response, count) => {
    held.push(() => response.end(JSON.stringify({ access_token: `token-${count}`, expires_in: 3_600 })));
  });
  return {
    held,
    go() {
      for (const answer of held.splice(0)) answer();
    },
  };
}

describe('calls to Vertex AI', () => {
  test('wait for the first token, which all of them share, and carry it', async () => {
    const flow = await start('google');
    const { held, go } = holdTokens();
    const answers = Promise.all([flow.chat(), flow.chat(null, { stream: true }), flow.gemini('generateContent')]);
    await waitFor('all to wait', () => held.length === 1 && flow.begun.length === 3);
    expect(paths()).toEqual([]);
    go();
    for (const answer of await answers) {
      expect(answer.status).toBe(200);
      expect(await answer.text()).toContain('[up]');
    }
    expect((await flow.chat()).status).toBe(200);
    expect(presented()).toEqual(Array(4).fill('Bearer token-1'));
    expect(new Set(paths())).toEqual(
      new Set(
        ['generateContent', 'streamGenerateContent'].map(
          (method) => `/v1/projects/p/locations/eu/publishers/google/models/up:${method}`,
        ),
      ),
    );
    expect(tokens.forms).toHaveLength(1);
    expect(tokens.forms[0]!.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
    expect(flow.ends.map(({ outcome }) => outcome)).toEqual(Array(4).fill('completed'));
    expect(flow.remains()).not.toMatch(/token-1|PRIVATE/);
  });
});

describe('calls to Azure', () => {
  test('carry a token of Entra’s and no key', async () => {
    const flow = await start('azure-openai');
    expect((await flow.chat()).status).toBe(200);
    expect((await flow.gemini('generateContent')).status).toBe(200);
    const { items } = simulator.journal.read();
    expect(items.map(({ path, query }) => `${path}?${query}`)).toEqual(
      Array(2).fill('/openai/deployments/up/chat/completions?api-version=2024-10-21'),
    );
    expect(items.map(({ headers }) => headers['api-key'])).toEqual([undefined, undefined]);
    expect(presented()).toEqual(Array(2).fill('Bearer token-1'));
    expect(Object.fromEntries(tokens.forms[0]!)).toMatchObject({
      ...{ grant_type: 'client_credentials', client_id: 'app-1', client_secret: CLIENT_SECRET },
    });
    expect(tokens.forms).toHaveLength(1);
  });
});

describe.each<Kind>(['google', 'azure-openai'])('tokens of %s', (kind) => {
  test('are renewed ahead of their end, and nobody waits for it', async () => {
    const flow = await start(kind);
    await flow.chat();
    const { held, go } = holdTokens();
    flow.passMs(55 * 60_000);
    expect((await flow.chat()).status).toBe(200);
    await waitFor('the renewal', () => held.length === 1);
    expect((await flow.chat()).status).toBe(200);
    expect(presented()).toEqual(Array(3).fill('Bearer token-1'));
    go();
    await waitFor('the new token in use', async () => {
      await flow.chat();
      return presented().at(-1) === 'Bearer token-2';
    });
    expect(tokens.forms).toHaveLength(2);
  });

  test('that the upstream does not accept are renewed once', async () => {
    const flow = await start(kind);
    await flow.chat();
    simulator.setBehaviour('up', { errors: [{ status: 401, rate: 1, message: 'no such token-1' }] });
    const refused = await flow.chat();
    expect(refused.status).toBe(502);
    expect(await refused.text()).not.toContain('token-1');
    simulator.removeBehaviour('up');
    expect((await flow.chat()).status).toBe(200);
    simulator.setBehaviour('up', { errors: [{ status: 401, rate: 1 }] });
    expect((await flow.chat()).status).toBe(502);
    expect((await flow.chat()).status).toBe(502);
    expect(presented().map((header) => header?.slice(-1))).toEqual(['1', '1', '2', '2', '2']);
    expect(tokens.forms).toHaveLength(2);
    expect(flow.remains()).not.toMatch(/token-\d/);
  });

  test('that do not come end the call, the record and the answer', async () => {
    const flow = await start(kind);
    tokens.answers((_request, response) => {
      response.statusCode = 401;
      response.end(JSON.stringify({ error: 'invalid_client', error_description: `no ${CLIENT_SECRET} ${PEM}` }));
    });
    const first = await flow.chat();
    const message = 'The token server of the provider "p" gave no token (status 401: invalid_client).';
    expect([first.status, await first.json()]).toMatchObject([502, { error: { code: 'upstream_error', message } }]);
    const second = await flow.chat();
    expect([second.status, second.headers.get('retry-after')]).toEqual([502, '1']);
    expect(tokens.forms).toHaveLength(1);
    tokens.answers(null);
    flow.passMs(1_000);
    expect((await flow.chat()).status).toBe(200);
    expect(flow.begun).toHaveLength(3);
    expect(flow.ends.map(({ outcome, errorCode }) => [outcome, errorCode])).toEqual([
      ['failed', 'upstream_error'],
      ['failed', 'upstream_error'],
      ['completed', null],
    ]);
    expect(flow.remains()).not.toMatch(/planted|PRIVATE|token-\d|defect/);
    await waitFor('nothing to be in flight', () => flow.inFlight() === 0);
  });
});

describe('a token server', () => {
  test('that does not answer is waited for so long as the deadlines say', async () => {
    const flow = await start('google');
    tokens.answers(() => undefined);
    const answer = await flow.chat();
    expect([answer.status, await answer.json()]).toMatchObject([502, { error: { code: 'upstream_unreachable' } }]);
    expect(flow.ends).toMatchObject([{ errorCode: 'upstream_unreachable', attempts: [] }]);
  });

  test('that sends byte by byte is not waited for any longer', async () => {
    const flow = await start('google');
    let drip: NodeJS.Timeout | undefined;
    tokens.answers((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      drip = setInterval(() => response.write(' '), 50);
    });
    const answer = await flow.chat();
    clearInterval(drip);
    expect(await answer.json()).toMatchObject({
      error: { code: 'upstream_unreachable', message: 'The token server of the provider "p" did not answer in time.' },
    });
  });

  test.each<[string, string, string]>([
    ['is gone', 'http://127.0.0.1:1', 'refused the connection'],
    ['has a private address', 'http://10.0.0.1', 'has an address that RINGSIDE_PRIVATE_UPSTREAMS does not allow'],
    ['has no name', 'http://nowhere.invalid', 'has a host name that does not resolve'],
  ])('that %s is named, and its address is not', async (_, tokenOrigin, said) => {
    const flow = await startTokenFlow({ kind: 'google', baseUrl: `${simulated}/v1/publishers/google`, tokenOrigin });
    flows.push(flow);
    const answer = await flow.chat();
    expect([answer.status, await answer.json()]).toMatchObject([...[502, { error: { code: 'upstream_unreachable' } }]]);
    const [line] = flow.logged;
    expect(line).toContain(`The token server of the provider "p" ${said}`);
    expect(flow.remains()).not.toContain(new URL(tokenOrigin).host);
  });

  test.each<[string, (body: string) => string | Buffer]>([
    ['a page', () => '<html>planted</html>'],
    ['a header in the token', () => '{"access_token":"planted\\r\\nx-evil: 1","expires_in":60}'],
    ['a megabyte', () => Buffer.alloc(1_000_000, 'planted')],
  ])('that sends %s is out of order', async (_, body) => {
    const flow = await start('azure-openai');
    tokens.answers((_request, response) => void response.end(body('')));
    const answer = await flow.chat();
    const text = await answer.text();
    expect([answer.status, JSON.parse(text)]).toMatchObject([502, { error: { code: 'upstream_error' } }]);
    expect(text + flow.remains()).not.toContain('planted');
    expect(paths()).toEqual([]);
  });
});

describe('while a call waits for its token', () => {
  test('its caller may leave: it is recorded at once, and never made', async () => {
    const flow = await start('google');
    const { held, go } = holdTokens();
    const leaver = new AbortController();
    const left = flow.chat(leaver.signal).catch(() => 'left');
    const stays = flow.chat();
    await waitFor('both to wait', () => flow.begun.length === 2 && held.length === 1);
    leaver.abort();
    expect(await left).toBe('left');
    await waitFor('the record', () => flow.ends.length === 1);
    expect(flow.ends).toMatchObject([{ outcome: 'client_closed', attempts: [] }]);
    go();
    expect((await stays).status).toBe(200);
    expect(flow.ends.map(({ outcome }) => outcome)).toEqual(['client_closed', 'completed']);
    expect(paths()).toHaveLength(1);
    await waitFor('nothing to be in flight', () => flow.inFlight() === 0);
  });

  test('a drain waits for it', async () => {
    const flow = await start('google');
    const { held, go } = holdTokens();
    const answer = flow.chat();
    await waitFor('it to wait', () => held.length === 1 && flow.begun.length === 1);
    let isDrained = false;
    const drained = flow.drain(10_000).then(() => {
      isDrained = true;
    });
    await new Promise((next) => setImmediate(next));
    expect(isDrained).toBe(false);
    go();
    expect((await answer).status).toBe(200);
    await drained;
    expect(flow.ends).toMatchObject([{ outcome: 'completed' }]);
  });

  test('a drain that has waited long enough cuts it, and its record is written', async () => {
    const flow = await start('google');
    const { held } = holdTokens();
    const cut = flow.chat().catch(() => 'cut');
    await waitFor('it to wait', () => held.length === 1 && flow.begun.length === 1);
    await flow.drain(50);
    expect(await cut).toBe('cut');
    expect(flow.ends).toMatchObject([{ outcome: 'client_closed' }]);
  });
});

test('an error in a stream does not repeat the token of its call', async () => {
  const flow = await start('azure-openai');
  simulator.setBehaviour('up', { streamError: { afterTokens: 1, status: 500, message: 'token-1 is bad' } });
  const answer = await flow.chat(null, { stream: true });
  let text = '';
  const read = async () => {
    for await (const chunk of answer.body!) text += Buffer.from(chunk).toString();
  };
  await expect(read()).rejects.toThrow(); // no clean end
  expect(text).toContain('is bad');
  expect(text + flow.remains()).not.toContain('token-1');
});

test('the upstream itself may be what is not there', async () => {
  const away = createServer();
  await new Promise<void>((done) => away.listen(0, '127.0.0.1', done));
  const { port } = away.address() as AddressInfo;
  await new Promise((done) => away.close(done));
  const flow = await start('azure-openai', { baseUrl: `http://127.0.0.1:${port}` });
  expect(await (await flow.chat()).json()).toMatchObject({
    error: { code: 'upstream_unreachable', message: 'The provider "p" refused the connection.' },
  });
  expect(flow.ends).toMatchObject([{ attempts: [{ provider: 'p', errorCode: 'upstream_unreachable' }] }]);
});
