import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { parentPort } from 'node:worker_threads';
import { createRandomPool } from '#core/ids.ts';
import { traceOf } from '#core/reason.ts';
import { parseAddressPolicy } from '#core/upstream-address.ts';
import { createSpoolHold } from '#inference-log/spool-hold.ts';
import { createSpoolWriter } from '#inference-log/spool-writer.ts';
import { drain } from './drain.ts';
import { createFeedbackHandler } from './feedback/handle-feedback.ts';
import { createFeedbackMeter } from './feedback/meter.ts';
import { createAuthenticator } from './flow/authenticate.ts';
import { createBodyPool } from './flow/body-pool.ts';
import { createRequestHandler } from './flow/handle-request.ts';
import { createUpgradeHandler } from './flow/handle-upgrade.ts';
import { createMirrors } from './flow/mirror.ts';
import type { BodyBudget, FlowDeps } from './flow/ports.ts';
import { SignsOfLife } from './flow/signs-of-life.ts';
import { createPending } from './pending.ts';
import { planScans } from './scan-plans.ts';
import { createGatewayServer } from './server.ts';
import { type BoundOrganization, bindOrganization, type SnapshotDelivery } from './snapshot/bind.ts';
import { readKeyTable } from './snapshot/key-table.ts';
import { createClock, processMicroseconds } from './telemetry/clock.ts';
import { GAUGE } from './telemetry/layout.ts';
import { createRecorder } from './telemetry/recorder.ts';
import { createUpstreamPools } from './upstream/pools.ts';
import { createSessionOpener } from './upstream/session-socket.ts';
import { createTokenSources } from './upstream/token-source.ts';
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts';

/** Composition root of one serving thread. loading ──start──▶ starting → serving → draining → stopped. */
const RELEASE = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string })
  .version;
const STALLED_READER_MS = 60_000;
/** A session may be silent while someone thinks. OpenAI ends its own after an hour. */
const SESSION_TIMING = { pingMs: 30_000, idleMs: 900_000, maxMs: 7_200_000 };
const MAX_SESSIONS = 1_000;
/** Memory kept for the next large prompts. */
const MAX_IDLE_BODY_BYTES = 16 * 1024 * 1024;
/** Connections of mirrored calls to one upstream: as many as one group may have under way. */
const MAX_SHADOW_CONNECTIONS = 1_000;
/** How long mirrored calls may take to end when we stop. */
const SHADOW_GRACE_MS = 1_000;
/** Shipping gives way to a burst that lasts as long. */
const LOAD_MS = 250;

const port = parentPort!;
const send = (message: FromWorker) => port.postMessage(message);

// What arrives before its receiver is there waits here.
const early: ToWorker[] = [];
let receive = (message: ToWorker): void => void early.push(message);
port.on('message', (message: ToWorker) => {
  if (message.type === 'start') void startWorker(message.start).catch(failStart);
  else receive(message);
});

/** A thread that cannot start ends; the pool says so and tries again. */
function failStart(error: unknown): void {
  send({ type: 'log', line: `did not start: ${traceOf(error)}` });
  setImmediate(() => process.exit(1));
}

async function startWorker(start: WorkerStart): Promise<void> {
  const { settings } = start;
  const clock = createClock();
  const random = createRandomPool();
  const recorder = createRecorder(start.cells);
  const onDefect = (error: unknown) => send({ type: 'log', line: `defect: ${traceOf(error)}` });

  let keys = readKeyTable(start.keys);
  let organizations: ReadonlyMap<string, BoundOrganization> = new Map();
  let draining = false;
  const swap = (version: number, snapshots: readonly SnapshotDelivery[]) => {
    const next = new Map(organizations);
    for (const snapshot of snapshots) {
      const bound = bindOrganization(snapshot, settings.keyring, settings.timeouts);
      next.set(bound.id, bound);
    }
    organizations = next;
    recorder.gauge(GAUGE.SNAPSHOT_VERSION, version);
    send({ type: 'serving', version });
  };
  swap(start.version, start.snapshots);

  const hold = createSpoolHold();
  const spool = await createSpoolWriter({
    root: join(settings.dataFolder, 'spool'),
    gatewayId: start.gatewayId,
    maxSpoolBytes: settings.maxSpoolBytes / settings.workers,
    nowMs: clock.unixMs,
    randomId: randomUUID,
    onAlarm: (code, message) => send({ type: 'log', line: `inference log: ${code}: ${message}` }),
    ...{ accounts: recorder, hold },
  });
  send({ type: 'spool', spoolId: spool.spoolId, hold });

  const nowMs = () => clock.nowNs() / 1e6;
  const policy = parseAddressPolicy(settings.privateUpstreams);
  const upstream = createUpstreamPools({ policy, nowMs });
  const tokens = createTokenSources({
    ...{ upstream, unixMs: clock.unixMs, nowMs, onDefect },
    uniform: () => Number.parseInt(random.hex().slice(0, 8), 16) / 0x1_0000_0000,
    log: (line) => send({ type: 'log', line }),
  });
  const authenticator = createAuthenticator(() => keys, settings.pepper, clock.unixMs);
  const pending = createPending();
  const flow: FlowDeps = {
    clock,
    random,
    authenticator,
    organizations: () => organizations,
    scanPlans: planScans(),
    upstream,
    tokens,
    spool,
    recorder,
    pending,
    bodyBudget: createBodyBudget(start.bodyBudget, start.slot, settings.maxHeldBodyBytes),
    bodyPool: createBodyPool(MAX_IDLE_BODY_BYTES),
    maxBodyBytes: settings.maxBodyBytes,
    signsOfLife: new SignsOfLife(),
    stalledReaderMs: STALLED_READER_MS,
    onDefect,
  };
  const shadowUpstream = createUpstreamPools({ policy, nowMs, maxConnections: MAX_SHADOW_CONNECTIONS });
  const utilisation = () => start.cells[GAUGE.LOOP_UTILISATION]!;
  const meter = createFeedbackMeter(start.feedbackMeter, settings.feedbackPerMinute, processMicroseconds);
  const mirrors = createMirrors({ ...flow, shadowUpstream, utilisation });
  const upgrades = createUpgradeHandler({
    ...flow,
    mirrors,
    openSession: createSessionOpener(policy),
    timing: SESSION_TIMING,
    maxSessions: MAX_SESSIONS,
  });
  const server = createGatewayServer({
    handleRequest: createRequestHandler({ ...flow, mirrors }),
    handleFeedback: createFeedbackHandler({ ...flow, spool, meter }),
    upgrades,
    authenticator,
    organizations: () => organizations,
    maxConnections: Math.ceil(settings.maxConnections / settings.workers),
    release: RELEASE,
    isReady: () => !draining && organizations.size > 0,
    onDefect,
  });
  const stopMeasuring = measure(server, recorder.gauge);
  process.on('uncaughtException', onDefect);

  receive = (message) => {
    switch (message.type) {
      case 'start':
        return; // has happened
      case 'snapshots':
        return swap(message.version, message.snapshots);
      case 'keys':
        keys = readKeyTable(message.keys);
        return;
      case 'stop':
        draining = true;
        upgrades.stop();
        mirrors.refuse();
        void drain(
          server,
          message.drainMs,
          () => start.cells[GAUGE.IN_FLIGHT]! > 0 || pending.count > 0,
          upgrades.cut,
        ).then(async () => {
          await mirrors.settle(SHADOW_GRACE_MS);
          await spool.close();
          shadowUpstream.close();
          upstream.close();
          stopMeasuring();
          port.close();
        });
        return;
      default:
        message satisfies never;
    }
  };
  const onListenError = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') send({ type: 'address-in-use' });
    else failStart(error); // deaf, it must not stay in the place of one that hears
  };
  server.once('error', onListenError);
  send({ type: 'adopting' });
  server.listen({ fd: start.listenFd }, () => {
    server.off('error', onListenError);
    server.on('error', onDefect);
    send({ type: 'listening' });
  });
  // After that: a `stop` must find a server that listens.
  for (const message of early.splice(0)) receive(message);
}

/** Each worker writes its own slot only, so that a dead worker's share can be zeroed; the sum may be late by one turn. */
function createBodyBudget(shared: SharedArrayBuffer, slot: number, maxBytes: number): BodyBudget {
  const held = new Float64Array(shared);
  return {
    take(bytes, share = 1) {
      if (held.reduce((sum, part) => sum + part, bytes) > maxBytes * share) return false;
      held[slot]! += bytes;
      return true;
    },
    give(bytes) {
      held[slot]! -= bytes;
    },
  };
}

/** Publishes the state of the event loop once a second. Returns the cleanup. */
function measure(server: Server, gauge: (index: number, value: number) => void): () => void {
  const resolutionMs = 10;
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  // What is measured is the time between two ticks of the resolution; the lag is what goes beyond it.
  const lagS = (ns: number) => Math.max(0, ns / 1e9 - resolutionMs / 1e3);
  delay.enable();
  const timer = setInterval(() => {
    gauge(GAUGE.LOOP_LAG_P50_S, lagS(delay.percentile(50)));
    gauge(GAUGE.LOOP_LAG_P99_S, lagS(delay.percentile(99)));
    gauge(GAUGE.HEAP_BYTES, process.memoryUsage().heapUsed);
    server.getConnections((error, count) => {
      if (error === null) gauge(GAUGE.CONNECTIONS, count);
    });
    delay.reset();
  }, 1_000);
  timer.unref();
  const stopMeasuringLoad = measureLoad(gauge);
  return () => {
    clearInterval(timer);
    stopMeasuringLoad();
    delay.disable();
  };
}

/** Publishes the share of time in which the event loop had work; more often than the rest, since shipping gives way to it. */
function measureLoad(gauge: (index: number, value: number) => void): () => void {
  let last = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    gauge(GAUGE.LOOP_UTILISATION, performance.eventLoopUtilization(now, last).utilization);
    last = now;
  }, LOAD_MS);
  timer.unref();
  return () => clearInterval(timer);
}
