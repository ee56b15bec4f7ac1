import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { RingsideError } from '#core/errors.ts';
import { createRandomPool } from '#core/ids.ts';
import { OPERATIONS } from '#core/names.ts';
import { DEFAULT_CAPTURE } from '#core/snapshot/log-policy.ts';
import { DEFAULT_TRAFFIC_POLICY } from '#core/snapshot/traffic-policy.ts';
import { createBodyPool } from '#gateway/flow/body-pool.ts';
import { createRequestHandler, type RequestDeps } from '#gateway/flow/handle-request.ts';
import { SignsOfLife } from '#gateway/flow/signs-of-life.ts';
import { createPending } from '#gateway/pending.ts';
import { planScans } from '#gateway/scan-plans.ts';
import { bindOrganization } from '#gateway/snapshot/bind.ts';
import { createClock } from '#gateway/telemetry/clock.ts';
import { allocateCells, GAUGE } from '#gateway/telemetry/layout.ts';
import { createRecorder } from '#gateway/telemetry/recorder.ts';
import { GEMINI_METHODS } from '#translation/dialects/gemini/path.ts';
import { findRoute, GOVERNED_PATHS } from '#translation/dialects/routes.ts';
import { NO_MIRRORS } from '../support/no-mirrors.ts';
import { NO_TOKENS } from '../support/no-tokens.ts';
import { waitFor } from '../support/wait.ts';

// Whatever route a call takes, it goes through the same rooms: key, group, log, and only then the upstream.

/** Every governed route, with the kind of provider that speaks its dialect. */
const ROUTES = [
  ...GOVERNED_PATHS.map((path) => [path, path.startsWith('/v1/messages') ? 'anthropic' : 'openai'] as const),
  ...GEMINI_METHODS.map((method) => [`/v1beta/models/g:${method}`, 'google'] as const),
  ['/v2/models/g/infer', 'oip'] as const,
];
const FORMS = /^\/v1\/(?:images\/(?:edits|variations)|audio\/trans)/;

const SECRET = 'caller-secret';
const CREDENTIALS = {
  authorization: `Bearer ${SECRET}`,
  ...Object.fromEntries(
    ['x-api-key', 'x-goog-api-key', 'api-key', 'cookie', 'proxy-authorization'].map((name) => [name, SECRET]),
  ),
};

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function bound(kind: string) {
  const [id, providerId, modelId, groupId] = Array.from({ length: 4 }, () => randomUUID());
  const createdAt = '2026-01-01T00:00:00.000Z';
  const document = {
    ...{ schema: 1, organizationId: id!, organizationName: 'acme' },
    providers: [{ id: providerId!, name: 'p', kind, baseUrl: 'http://127.0.0.1:1', credentials: null, timeouts: {} }],
    models: [{ id: modelId!, name: 'm', createdAt, deployments: [{ providerId, upstreamModel: 'up', weight: 1 }] }],
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
  const defaults = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 };
  return bindOrganization({ version: 1, document, series: new Map() }, keyring, defaults);
}

interface Rooms {
  readonly hasKey?: boolean;
  readonly groupIds?: readonly string[];
  readonly takesRecords?: boolean;
}

/** Calls one route of the flow, whose upstream answers nothing but 418; `steps` is what happened, in order. */
async function call(path: string, kind: string, { hasKey = true, groupIds, takesRecords = true }: Rooms = {}) {
  const organization = bound(kind);
  const cells = allocateCells();
  const steps: string[] = [];
  const held: number[] = [];
  const key = {
    id: 'k',
    organizationId: organization.id,
    groupIds: groupIds ?? null,
    defaultUnit: null,
    expiresAt: null,
  };
  const handle = createRequestHandler({
    ...{ clock: createClock(), pending: createPending(), random: createRandomPool(), recorder: createRecorder(cells) },
    authenticator: {
      authenticate() {
        if (!hasKey) throw new RingsideError('unauthorized', 'no');
        return key;
      },
    },
    organizations: () => new Map([[organization.id, organization]]),
    scanPlans: planScans(),
    tokens: NO_TOKENS,
    mirrors: NO_MIRRORS,
    signsOfLife: new SignsOfLife(),
    upstream: {
      dispatch(call, handler) {
        steps.push('sent');
        const sent = Buffer.concat(call.body).toString('latin1');
        expect(`${call.head.toString('latin1')}${call.headers}${sent}`).not.toContain(SECRET);
        const controller = { abort: () => undefined, pause: () => undefined, resume: () => undefined };
        handler.onRequestStart(controller);
        handler.onResponseStart(controller, 418, { 'content-type': 'application/json' });
        handler.onResponseEnd(controller);
      },
      close: () => undefined,
    },
    spool: {
      ...{
        spoolId: 's',
        accepting: true,
        accepts: () => takesRecords,
        part: () => undefined,
        handOver: () => undefined,
      },
      begin: () => void steps.push('begun'),
      end(_id, _record, _response, release) {
        steps.push('ended');
        release(true);
      },
      close: async () => undefined,
    },
    bodyBudget: { take: (bytes) => held.push(bytes) > 0, give: (bytes) => void held.push(-bytes) },
    ...{ bodyPool: createBodyPool(1_000), maxBodyBytes: 1_000_000, stalledReaderMs: 60_000 },
    onDefect: (defect) => expect.unreachable(String(defect)),
  } satisfies RequestDeps);
  const server = createServer((incoming, outgoing) => handle(findRoute(incoming.url!)!, incoming, outgoing));
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}?key=${SECRET}`;
  const headers = { ...CREDENTIALS, connection: 'close' };
  const answer = await fetch(url, { method: 'POST', headers, body: bodyFor(path) });
  const text = await answer.text();
  await waitFor('nothing to be in flight', () => cells[GAUGE.IN_FLIGHT] === 0);
  expect(held.reduce((sum, bytes) => sum + bytes, 0)).toBe(0);
  expect(text).not.toContain(SECRET);
  return { status: answer.status, body: JSON.parse(text) as object, steps };
}

function bodyFor(path: string): string | FormData {
  if (!FORMS.test(path)) {
    const inputs = [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }];
    return JSON.stringify(path.startsWith('/v1beta') ? {} : path.startsWith('/v2') ? { inputs } : { model: 'g' });
  }
  const form = new FormData();
  form.append('model', 'g');
  return form;
}

test('every operation is that of a route, or of a session', () => {
  const routed = ROUTES.map(([path]) => findRoute(path)!.operation);
  expect(new Set([...routed, 'realtime'])).toEqual(new Set(OPERATIONS));
});

describe.each(ROUTES)('%s', (path, kind) => {
  test('needs a key, a group of it, and a log that takes the record, before anything is sent', async () => {
    expect(await call(path, kind, { hasKey: false })).toMatchObject({ status: 401, steps: [] });
    expect(await call(path, kind, { groupIds: [randomUUID()] })).toMatchObject({ status: 403, steps: [] });
    expect(await call(path, kind, { takesRecords: false })).toMatchObject({ status: 503, steps: [] });
  });

  test('is sent once its record has begun, without a credential of the caller’s', async () => {
    const { status, steps } = await call(path, kind);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(steps).toEqual(['begun', 'sent', 'ended']);
  });
});
