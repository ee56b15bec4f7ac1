import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { envelopeContext, type Keyring, seal } from '#core/envelope.ts';
import { createRandomPool } from '#core/ids.ts';
import type { ProviderKind } from '#core/names.ts';
import { DEFAULT_CAPTURE } from '#core/snapshot/log-policy.ts';
import { snapshotSchema } from '#core/snapshot/schema.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { drain } from '#gateway/drain.ts';
import { createBodyPool } from '#gateway/flow/body-pool.ts';
import { createRequestHandler, type RequestDeps } from '#gateway/flow/handle-request.ts';
import { SignsOfLife } from '#gateway/flow/signs-of-life.ts';
import { createPending } from '#gateway/pending.ts';
import type { UpstreamTarget } from '#gateway/providers/provider.ts';
import { planScans } from '#gateway/scan-plans.ts';
import { type BoundOrganization, bindOrganization } from '#gateway/snapshot/bind.ts';
import { createClock } from '#gateway/telemetry/clock.ts';
import { allocateCells, GAUGE } from '#gateway/telemetry/layout.ts';
import { createRecorder } from '#gateway/telemetry/recorder.ts';
import { createUpstreamPools } from '#gateway/upstream/pools.ts';
import { bindEndpoint, bindHead } from '#gateway/upstream/request-head.ts';
import { createTokenSources } from '#gateway/upstream/token-source.ts';
import type { EndRecord } from '#inference-log/record.ts';
import { findRoute } from '#translation/dialects/routes.ts';
import { NO_MIRRORS } from './no-mirrors.ts';

/** What must be found nowhere: in no answer, no record, no line of the log. */
export const CLIENT_SECRET = 'planted-client-secret';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const DOCUMENTS = {
  google: { type: 'service_account', client_email: 'a@p.test', private_key: PEM },
  'azure-openai': { tenantId: 't', clientId: 'app-1', clientSecret: CLIENT_SECRET },
};

/** A server of tokens on loopback: what it answers is the test's; `token-1`, `token-2`, … for an hour if that is nothing. */
export async function startTokenServer() {
  const forms: URLSearchParams[] = [];
  let answer: ((request: IncomingMessage, response: ServerResponse, count: number) => void) | null = null;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      forms.push(new URLSearchParams(body));
      if (answer !== null) return answer(request, response, forms.length);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: `token-${forms.length}`, expires_in: 3_600, token_type: 'Bearer' }));
    });
  });
  const origin = await listen(server);
  return {
    ...{ origin, forms },
    answers(next: typeof answer) {
      answer = next;
    },
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The flow on a real HTTP server with real upstream connections, and a group `g` on one provider whose calls need tokens. */
export async function startTokenFlow(options: {
  readonly kind: keyof typeof DOCUMENTS;
  readonly baseUrl: string;
  readonly tokenOrigin: string;
  readonly privateUpstreams?: string;
}) {
  const clock = createClock();
  const cells = allocateCells();
  const ends: EndRecord[] = [];
  const begun: string[] = [];
  const logged: string[] = [];
  const bodies: Buffer[] = [];
  let shiftMs = 0;
  const nowMs = () => clock.nowNs() / 1e6;
  const onDefect = (defect: unknown) => void logged.push(`defect: ${String(defect)}`);
  const organization = bound(options.kind, options.baseUrl, options.tokenOrigin);
  const upstream = createUpstreamPools({
    policy: parseAddressPolicy(options.privateUpstreams ?? '127.0.0.0/8'),
    nowMs,
  });
  const random = createRandomPool();
  const pending = createPending();
  const handle = createRequestHandler({
    ...{ clock, random, pending, upstream, onDefect },
    tokens: createTokenSources({
      ...{ upstream, nowMs, onDefect, unixMs: () => clock.unixMs() + shiftMs, uniform: () => 0.5 },
      log: (line) => void logged.push(line),
    }),
    recorder: createRecorder(cells),
    authenticator: {
      authenticate: () => ({
        ...{ id: 'k', organizationId: organization.id, groupIds: null, defaultUnit: null, expiresAt: null },
      }),
    },
    organizations: () => new Map([[organization.id, organization]]),
    ...{ scanPlans: planScans(), signsOfLife: new SignsOfLife(), mirrors: NO_MIRRORS },
    spool: {
      ...{ spoolId: 's', accepting: true, accepts: () => true, part: () => undefined, handOver: () => undefined },
      begin: (id) => void begun.push(id),
      end(_id, record, response, release) {
        ends.push(record);
        if (response !== null) bodies.push(Buffer.concat(response));
        release(true);
      },
      close: async () => undefined,
    },
    bodyBudget: { take: () => true, give: () => undefined },
    ...{ bodyPool: createBodyPool(1_000), maxBodyBytes: 1_000_000, stalledReaderMs: 60_000 },
  } satisfies RequestDeps);
  const server = createServer((incoming, outgoing) => handle(findRoute(incoming.url!)!, incoming, outgoing));
  const origin = await listen(server);
  const post = (path: string, body: object, signal: AbortSignal | null = null) =>
    fetch(`${origin}${path}`, { method: 'POST', body: JSON.stringify(body), signal });
  const inFlight = () => cells[GAUGE.IN_FLIGHT]!;
  return {
    ...{ ends, begun, logged, inFlight },
    chat: (signal: AbortSignal | null = null, more: object = {}) =>
      post('/v1/chat/completions', { model: 'g', messages: [{ role: 'user', content: 'Hello' }], ...more }, signal),
    gemini: (method: string) =>
      post(`/v1beta/models/g:${method}`, { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] }),
    /** Moves the clock that tokens are kept by. */
    passMs(ms: number) {
      shiftMs += ms;
    },
    drain: (ms: number) =>
      drain(
        server,
        ms,
        () => inFlight() > 0 || pending.count > 0,
        () => undefined,
      ),
    /** Everything that stays of what was asked here. */
    remains: () => JSON.stringify([ends, logged, bodies.map(String)]),
    stop() {
      upstream.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

function bound(kind: ProviderKind & keyof typeof DOCUMENTS, baseUrl: string, tokenOrigin: string): BoundOrganization {
  const [id, providerId, modelId, groupId] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const keyring: Keyring = [{ id: 'k', key: randomBytes(32) }];
  const secrets = JSON.stringify({ apiKey: JSON.stringify(DOCUMENTS[kind]) });
  const credentials = seal(keyring, envelopeContext(id, 'providers', providerId), secrets, randomBytes(12));
  const createdAt = '2026-01-01T00:00:00.000Z';
  const document = snapshotSchema.parse({
    ...{ schema: 1, organizationId: id, organizationName: 'acme' },
    providers: [{ id: providerId, name: 'p', kind, baseUrl, credentials, timeouts: {} }],
    models: [{ id: modelId, name: 'm', createdAt, deployments: [{ providerId, upstreamModel: 'up', weight: 1 }] }],
    groups: [
      {
        ...{ id: groupId, name: 'g', createdAt, salt: randomBytes(16).toString('hex'), hashVersion: 1, phase: 1 },
        capture: DEFAULT_CAPTURE,
        variants: [{ modelId, role: 'champion', weightBp: 10_000, ranges: [[0, 10_000]] }],
      },
    ],
  });
  const timeouts = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 5_000 };
  const organization = bindOrganization({ version: 1, document, series: new Map() }, keyring, timeouts);
  const groups = [...organization.groups].map(([name, group]) => {
    const variants = group.variants.map((each) => ({
      ...each,
      targets: each.targets.map((target) => atTokenServer(target, tokenOrigin)),
    }));
    return [name, { ...group, variants }] as const;
  });
  return { ...organization, groups: new Map(groups) };
}

/** The one thing that is not as in production: the token server is ours. */
function atTokenServer(target: UpstreamTarget, origin: string): UpstreamTarget {
  if (target.access?.kind !== 'token') throw new Error('this provider needs no token');
  const grant = { ...target.access.grant, endpoint: bindEndpoint(origin, 1_000), head: bindHead(origin, '/token', []) };
  return { ...target, access: { kind: 'token', grant } };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
