import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRandomPool } from '#core/ids.ts';
import { type SnapshotDocument, snapshotSchema } from '#core/snapshot/schema.ts';
import type { ShadowPolicy } from '#core/snapshot/shadow-policy.ts';
import { createBodyPool } from '#gateway/flow/body-pool.ts';
import { createRequestHandler } from '#gateway/flow/handle-request.ts';
import { createMirrors, type RunningMirrors } from '#gateway/flow/mirror.ts';
import type { BodyBudget, FlowDeps } from '#gateway/flow/ports.ts';
import { SignsOfLife } from '#gateway/flow/signs-of-life.ts';
import { createPending } from '#gateway/pending.ts';
import { planScans } from '#gateway/scan-plans.ts';
import { bindOrganization } from '#gateway/snapshot/bind.ts';
import { createClock } from '#gateway/telemetry/clock.ts';
import {
  allocateCells,
  CELL,
  GAUGE,
  MIRROR_OUTCOMES,
  STATUS_CLASSES,
  seriesOffset,
} from '#gateway/telemetry/layout.ts';
import { createRecorder } from '#gateway/telemetry/recorder.ts';
import type { UpstreamCall, UpstreamController, UpstreamHandler } from '#gateway/upstream/handler.ts';
import type { BeginRecord, EndRecord } from '#inference-log/record.ts';
import { findRoute } from '#translation/dialects/routes.ts';
import { NO_TOKENS } from './no-tokens.ts';
import { waitFor } from './wait.ts';

/** What an upstream of a rig does with a call. */
export type UpstreamScript = (handler: UpstreamHandler, controller: UpstreamController, call: UpstreamCall) => void;

const REPLY = { id: 'x', object: 'chat.completion', created: 1, model: 'm', choices: [] };
const USAGE = { prompt_tokens: 30, completion_tokens: 12, total_tokens: 42 };

/** Answers a chat whole. */
export const replies: UpstreamScript = (handler, controller) => {
  handler.onRequestStart(controller);
  handler.onResponseStart(controller, 200, { 'content-type': 'application/json' });
  handler.onResponseData(controller, Buffer.from(JSON.stringify({ ...REPLY, usage: USAGE })));
  handler.onResponseEnd(controller);
};

export const failsWith =
  (status: number): UpstreamScript =>
  (handler, controller) => {
    handler.onRequestStart(controller);
    handler.onResponseStart(controller, status, { 'content-type': 'application/json' });
    handler.onResponseEnd(controller);
  };

/** Takes the call, and never answers. */
export const isSilent: UpstreamScript = (handler, controller) => handler.onRequestStart(controller);

interface MirrorFlowOptions {
  readonly policy?: Partial<ShadowPolicy>;
  readonly caller?: UpstreamScript;
  readonly shadow?: UpstreamScript;
  readonly budget?: BodyBudget;
  /** Changes the document before it is bound. */
  readonly change?: (document: ReturnType<typeof documentOf>) => void;
  readonly utilisation?: () => number;
}

/** A record of the log, begun and perhaps ended. */
interface Recorded {
  readonly id: string;
  readonly begin: BeginRecord;
  request: Buffer | null;
  end: EndRecord | null;
  response: Buffer | null;
}

export const CALLER_SERIES = 3;
export const SHADOW_SERIES = 4;

/** One group with the champion `main` and the shadow `second`, at a provider each. */
function documentOf(policy: Partial<ShadowPolicy>) {
  const [id, main, other, mainModel, otherModel, groupId] = Array.from({ length: 6 }, () => randomUUID()) as string[];
  const createdAt = '2026-01-01T00:00:00.000Z';
  const provider = (providerId: string, name: string) => ({
    ...{ id: providerId, name, kind: 'openai', baseUrl: `http://${name}.example`, credentials: null, timeouts: {} },
  });
  const model = (modelId: string, name: string, providerId: string) => ({
    ...{ id: modelId, name, createdAt, deployments: [{ providerId, upstreamModel: name, weight: 1 }] },
  });
  return {
    ...{ schema: 1, organizationId: id!, organizationName: 'acme' },
    providers: [provider(main!, 'first'), provider(other!, 'shadowed')],
    models: [model(mainModel!, 'main', main!), model(otherModel!, 'second', other!)],
    groups: [
      {
        ...{ id: groupId!, name: 'g', createdAt, salt: randomBytes(16).toString('hex'), hashVersion: 1, phase: 3 },
        capture: { mode: 'full', maxBytes: 65_536 } as Record<string, unknown>,
        shadow: policy,
        experiment: undefined as object | undefined,
        variants: [
          { modelId: mainModel!, role: 'champion', weightBp: 10_000, ranges: [[0, 10_000]] },
          { modelId: otherModel!, role: 'shadow', weightBp: 0, ranges: [] as number[][] },
        ],
      },
    ],
  };
}

/** The flow on a real HTTP server with its mirrors, in front of upstreams that are functions. */
async function startMirrorFlow(options: MirrorFlowOptions = {}) {
  const document = documentOf(options.policy ?? {});
  options.change?.(document);
  const series = new Map([
    ['acme\0g\0main', CALLER_SERIES],
    ['acme\0g\0second', SHADOW_SERIES],
  ]);
  const keyring: Parameters<typeof bindOrganization>[1] = [{ id: 'k', key: randomBytes(32) }];
  const parsed = snapshotSchema.parse(document) as SnapshotDocument;
  const timeouts = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 };
  const organization = bindOrganization({ version: 1, document: parsed, series }, keyring, timeouts);
  const cells = allocateCells();
  const real = createClock();
  let shiftMs = 0;
  const clock = { nowNs: () => real.nowNs() + shiftMs * 1e6, unixMs: () => real.unixMs() + shiftMs };
  const log = new Map<string, Recorded>();
  const order: string[] = [];
  const defects: unknown[] = [];
  const aborted: Error[] = [];
  let accepting = true;
  const scripts = { caller: options.caller ?? replies, shadow: options.shadow ?? replies };
  const dispatch = (name: 'caller' | 'shadow') => (call: UpstreamCall, handler: UpstreamHandler) => {
    order.push(name);
    const controller: UpstreamController = {
      abort(reason) {
        aborted.push(reason);
        handler.onResponseError(controller, reason);
      },
      ...{ pause: () => undefined, resume: () => undefined },
    };
    scripts[name](handler, controller, call);
  };
  const flow: FlowDeps = {
    ...{ clock, pending: createPending(), random: createRandomPool(), recorder: createRecorder(cells) },
    authenticator: {
      authenticate: () => ({
        ...{ id: randomUUID(), organizationId: organization.id, groupIds: null, defaultUnit: null, expiresAt: null },
      }),
    },
    organizations: () => new Map([[organization.id, organization]]),
    scanPlans: planScans(),
    tokens: NO_TOKENS,
    signsOfLife: new SignsOfLife(),
    upstream: { dispatch: dispatch('caller'), close: () => undefined },
    spool: {
      ...{ spoolId: 's', accepts: () => true, handOver: () => undefined, close: async () => undefined },
      get accepting() {
        return accepting;
      },
      begin(id, begin, request) {
        order.push(begin.shadowOf === undefined ? 'begun' : 'mirror begun');
        const kept = request === null ? null : Buffer.concat(request);
        log.set(id, { id, begin, request: kept, end: null, response: null });
      },
      part(id, piece) {
        const entry = log.get(id)!;
        entry.response = Buffer.concat([entry.response ?? Buffer.alloc(0), piece]);
      },
      end(id, end, response, release) {
        const entry = log.get(id)!;
        if (entry.end !== null) throw new Error(`${id} has ended twice`);
        entry.end = end;
        if (response !== null) entry.response = Buffer.concat([entry.response ?? Buffer.alloc(0), ...response]);
        release(true);
        order.push('delivered');
      },
    },
    bodyBudget: options.budget ?? { take: () => true, give: () => undefined },
    ...{ bodyPool: createBodyPool(16 * 1024 * 1024), maxBodyBytes: 10_000_000, stalledReaderMs: 60_000 },
    onDefect: (defect) => void defects.push(defect),
  };
  const mirrors: RunningMirrors = createMirrors({
    ...flow,
    shadowUpstream: { dispatch: dispatch('shadow'), close: () => undefined },
    utilisation: options.utilisation ?? (() => 0),
  });
  const handle = createRequestHandler({ ...flow, mirrors });
  const server = createServer((incoming, outgoing) => handle(findRoute(incoming.url!)!, incoming, outgoing));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = (
    body: string | Uint8Array<ArrayBuffer> | FormData,
    path = '/v1/chat/completions',
    init: RequestInit = {},
  ) => fetch(`${url}${path}`, { method: 'POST', body, ...init, headers: { connection: 'close', ...init.headers } });
  const cellAt = (at: number) => cells[at]!;
  return {
    ...{ post, mirrors, scripts, order, defects, aborted, organization, document, pending: flow.pending },
    chat: (fields: object = {}, init: RequestInit = {}) =>
      post(JSON.stringify({ model: 'g', messages: [], ...fields }), undefined, init),
    /** Records of callers' inferences, or of those that mirror them. */
    records: (kind: 'caller' | 'shadow') =>
      [...log.values()].filter(({ begin }) => (begin.shadowOf === undefined) === (kind === 'caller')),
    /** What became of the mirrored calls so far, without zeros. */
    outcomes: () =>
      Object.fromEntries(
        MIRROR_OUTCOMES.map(
          (name, at) => [name, cellAt(seriesOffset(SHADOW_SERIES) + CELL.MIRRORED + at)] as const,
        ).filter(([, count]) => count > 0),
      ),
    requests: (ofSeries: number) =>
      STATUS_CLASSES.reduce((sum, _, at) => sum + cellAt(seriesOffset(ofSeries) + CELL.REQUESTS + at), 0),
    tokens: (ofSeries: number) => cellAt(seriesOffset(ofSeries) + CELL.TOKENS),
    inFlight: () => cellAt(GAUGE.IN_FLIGHT),
    passMs(ms: number) {
      shiftMs += ms;
    },
    refuseRecords() {
      accepting = false;
    },
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

type MirrorFlow = Awaited<ReturnType<typeof startMirrorFlow>>;

/** How many mirrored calls are accounted for. */
export const countOf = (flow: MirrorFlow) => Object.values(flow.outcomes()).reduce((sum, count) => sum + count, 0);

/** Flows that are stopped together. */
export function createMirrorRig() {
  const flows: MirrorFlow[] = [];
  return {
    async start(options: MirrorFlowOptions = {}): Promise<MirrorFlow> {
      const flow = await startMirrorFlow(options);
      flows.push(flow);
      return flow;
    },
    /** Asks, reads the answer, and waits until the call's mirror is accounted for. */
    async ask(flow: MirrorFlow, fields: object = {}): Promise<Response> {
      const before = countOf(flow);
      const answer = await flow.chat(fields);
      await answer.text();
      await waitFor('the mirrored call to be counted', () => countOf(flow) > before);
      return answer;
    },
    async stop(): Promise<void> {
      await Promise.all(flows.splice(0).map((flow) => flow.stop()));
    },
  };
}
