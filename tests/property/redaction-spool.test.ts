import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRandomPool } from '#core/ids.ts';
import { captureSchema } from '#core/snapshot/log-policy.ts';
import { snapshotSchema } from '#core/snapshot/schema.ts';
import { createBodyPool } from '#gateway/flow/body-pool.ts';
import { createRequestHandler } from '#gateway/flow/handle-request.ts';
import { SignsOfLife } from '#gateway/flow/signs-of-life.ts';
import { createPending } from '#gateway/pending.ts';
import { planScans } from '#gateway/scan-plans.ts';
import { bindOrganization } from '#gateway/snapshot/bind.ts';
import { createClock } from '#gateway/telemetry/clock.ts';
import { allocateCells } from '#gateway/telemetry/layout.ts';
import { createRecorder } from '#gateway/telemetry/recorder.ts';
import type { UpstreamHandler } from '#gateway/upstream/handler.ts';
import { decodeFrame } from '#inference-log/frame.ts';
import type { SpoolWriter } from '#inference-log/spool.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { findRoute } from '#translation/dialects/routes.ts';
import { canariesIn, cutAt, textWithCanaries } from '../support/canaries.ts';
import { NO_MIRRORS } from '../support/no-mirrors.ts';
import { NO_TOKENS } from '../support/no-tokens.ts';

/** The whole flow with the real spool writer behind a real HTTP server; the upstream is a function that sends chunks. */
let folder: string;
let server: Server;
let spool: SpoolWriter;
let url: string;
let upstream: (handler: UpstreamHandler) => void;
let ends = 0;

function boundOrganization() {
  const [id, providerId, modelId, groupId] = Array.from({ length: 4 }, () => randomUUID());
  const createdAt = '2026-01-01T00:00:00.000Z';
  const redaction = { detectors: ['email', 'phone', 'card', 'iban'] };
  const provider = { id: providerId, name: 'p', kind: 'openai', baseUrl: 'http://127.0.0.1:1', credentials: null };
  const document = snapshotSchema.parse({
    ...{ schema: 1, organizationId: id, organizationName: 'acme' },
    providers: [{ ...provider, timeouts: {} }],
    models: [{ id: modelId, name: 'm', createdAt, deployments: [{ providerId, upstreamModel: 'm', weight: 1 }] }],
    groups: [
      {
        ...{ id: groupId, name: 'g', createdAt, salt: randomBytes(16).toString('hex'), hashVersion: 1, phase: 1 },
        capture: captureSchema.parse({ mode: 'full', maxBytes: 2_000, redaction }),
        variants: [{ modelId, role: 'champion', weightBp: 10_000, ranges: [[0, 10_000]] }],
      },
    ],
  });
  const timeouts = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 };
  return bindOrganization({ version: 1, document, series: new Map() }, [{ id: 'k', key: randomBytes(32) }], timeouts);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ringside-redaction-'));
  const clock = createClock();
  const organization = boundOrganization();
  spool = await createSpoolWriter({
    ...{ root: folder, gatewayId: randomUUID(), maxSpoolBytes: 256 * 1024 * 1024 },
    ...{ nowMs: () => clock.unixMs(), randomId: randomUUID, onAlarm: (_, text) => expect.fail(text) },
  });
  const key = { id: randomUUID(), organizationId: organization.id, groupIds: null, defaultUnit: null, expiresAt: null };
  const handle = createRequestHandler({
    ...{ clock, random: createRandomPool(), recorder: createRecorder(allocateCells()), pending: createPending() },
    authenticator: { authenticate: () => key },
    organizations: () => new Map([[organization.id, organization]]),
    scanPlans: planScans(),
    tokens: NO_TOKENS,
    mirrors: NO_MIRRORS,
    signsOfLife: new SignsOfLife(),
    upstream: { dispatch: (_, handler) => upstream(handler), close: () => undefined },
    spool: {
      ...spool,
      get accepting() {
        return spool.accepting;
      },
      end(id, record, response, release) {
        spool.end(id, record, response, (kept) => {
          ends++;
          release(kept);
        });
      },
    },
    bodyBudget: { take: () => true, give: () => undefined },
    ...{ bodyPool: createBodyPool(1_000), maxBodyBytes: 1_000_000, stalledReaderMs: 60_000 },
    onDefect: (defect) => expect.fail(String(defect)),
  });
  server = createServer((incoming, outgoing) => handle(findRoute('/v1/chat/completions')!, incoming, outgoing));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`;
});
afterAll(async () => {
  server.close();
  await spool.close();
  rmSync(folder, { recursive: true, force: true });
});

const event = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const ENDINGS = ['well', 'error event', 'reset', 'refused'] as const;

/** Sends `body` in chunks and ends as told. */
function sends(contentType: string, chunks: readonly Buffer[], ending: (typeof ENDINGS)[number]) {
  return (handler: UpstreamHandler) => {
    const controller = { abort: () => undefined, pause: () => undefined, resume: () => undefined };
    handler.onRequestStart(controller);
    const status = ending === 'refused' ? 422 : 200;
    handler.onResponseStart(controller, status, {
      'content-type': contentType,
      'x-request-id': 'CANARY_7@EXAMPLE.ORG',
    });
    for (const chunk of chunks) handler.onResponseData(controller, chunk);
    if (ending === 'reset') handler.onResponseError(controller, new Error('reset'));
    else handler.onResponseEnd(controller);
  };
}

/** Every segment of every spool, and how many frames of each type lie in them. */
function readSpools() {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.seg'));
  const segments = files.map((name) => readFileSync(join(folder, name)));
  const types: string[] = [];
  for (const bytes of segments) {
    for (let read = decodeFrame(bytes, 0); read.kind === 'frame'; read = decodeFrame(bytes, read.next)) {
      types.push(read.frame.type);
    }
  }
  return { bytes: Buffer.concat(segments), types };
}

test('whatever is sent, however it is cut and however it ends: no canary in any byte of the spool, and no part of an answer before its end', async () => {
  const points = fc.array(fc.nat(), { maxLength: 10 });
  let asked = 0;
  await fc.assert(
    fc.asyncProperty(
      textWithCanaries,
      points,
      points,
      fc.constantFrom(...ENDINGS),
      fc.boolean(),
      async (text, deltas, cuts, ending, stream) => {
        const events = cutAt(text, deltas).map((content) => event({ choices: [{ index: 0, delta: { content } }] }));
        const last =
          ending === 'error event' ? event({ error: { message: text } }) : ending === 'well' ? event('[DONE]') : '';
        const plain = JSON.stringify(
          ending === 'refused' ? { error: { message: text } } : { choices: [{ message: { content: text } }] },
        );
        const isStream = stream && ending !== 'refused';
        const body = Buffer.from(isStream ? events.join('') + last : plain);
        upstream = sends(isStream ? 'text/event-stream' : 'application/json', cutAt(body, cuts), ending);
        const answer = await fetch(url, {
          method: 'POST',
          headers: { 'x-ringside-metadata': Buffer.from(JSON.stringify({ note: text })).toString('latin1') },
          body: JSON.stringify({ model: 'g', stream, messages: [{ role: 'user', content: text }], metadata: { text } }),
        });
        await answer.text().catch(() => undefined);
        asked++;
      },
    ),
    { numRuns: 150 },
  );
  spool.handOver();
  const { bytes, types } = readSpools();
  expect(ends).toBe(asked);
  expect(types.filter((type) => type === 'end')).toHaveLength(asked);
  expect(types).not.toContain('part');
  expect(bytes.includes('[redacted:card]')).toBe(true);
  expect(canariesIn(bytes)).toEqual([]);
}, 60_000);
