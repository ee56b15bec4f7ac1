import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Installation, RINGSIDE_COMMAND, startInstallation } from '../../peers/ringside/installation.ts';
import { absoluteLine } from '../lines.ts';
import { freePort, launch, type Running, residentBytes } from '../processes.ts';
import type { Field, Line, RowFamily } from '../row.ts';

const STARTS = 5;
const idleS = (field: Field) => (field.quick ? 2 : 5);
const READY_WITHIN_MS = 30_000;
const POLL_EVERY_MS = 2;
/** Beside one worker, to tell the memory of a worker from that of the process. */
const MANY_WORKERS = 3;

/** P8: how soon a gateway serves, and what it takes when it idles. */
export const start: RowFamily = {
  id: 'P8',
  title: 'start to ready, memory of an idle gateway',
  async measure(field) {
    const folder = join(field.scratch, 'start');
    const installation = await startInstallation({ folder, upstreamUrl: field.upstreamUrl, core: field.otherCore });
    try {
      return await measureStarts(field, installation);
    } finally {
      await installation.stop();
    }
  },
};

async function measureStarts(field: Field, installation: Installation): Promise<Line[]> {
  const readyMs: number[] = [];
  const idleMb: number[] = [];
  const starts = field.quick ? 2 : STARTS;
  // The first one leaves the data behind that the others find.
  for (let index = 0; index <= starts; index++) {
    const gateway = await startGateway(field, installation, 1);
    try {
      field.say(`P8 start ${index}/${starts}: ready after ${gateway.readyMs.toFixed(0)} ms`);
      if (index > 0) readyMs.push(gateway.readyMs);
      if (index === starts) idleMb.push(await idleMegabytes(field, gateway.pid));
    } finally {
      await gateway.stop();
    }
  }
  const many = await startGateway(field, installation, MANY_WORKERS);
  let perWorkerMb: number;
  try {
    perWorkerMb = ((await idleMegabytes(field, many.pid)) - idleMb[0]!) / (MANY_WORKERS - 1);
  } finally {
    await many.stop();
  }
  field.note(
    `P8: resident memory of the measured gateway at that point of the run, after its load: ${(residentBytes(field.ringside.pid) / 1e6).toFixed(0)} MB`,
  );
  const line = { row: 'P8', target: null } as const;
  return [
    absoluteLine({
      ...line,
      what: `from spawn to /readyz 200, with data of an earlier run, median of ${starts}`,
      unit: 'ms',
      ours: readyMs,
      target: { atMost: 400 },
    }),
    absoluteLine({
      ...line,
      what: `resident memory, one worker, idle for ${idleS(field)} s`,
      unit: 'MB',
      ours: idleMb,
      target: { atMost: 90 },
      remark: 'main thread and shipper included',
    }),
    absoluteLine({
      ...line,
      what: `resident memory of each further worker, idle for ${idleS(field)} s`,
      unit: 'MB',
      ours: [perWorkerMb],
      remark: `with ${MANY_WORKERS} workers minus with 1, halved`,
    }),
  ];
}

async function idleMegabytes(field: Field, pid: number): Promise<number> {
  await sleep(idleS(field) * 1000);
  return residentBytes(pid) / 1e6;
}

/** As it comes: its threads on either core of the layout, so that the start is not measured on half the machine. */
async function startGateway(
  field: Field,
  installation: Installation,
  workers: number,
): Promise<Running & { readonly readyMs: number }> {
  const port = await freePort();
  const metricsPort = await freePort();
  const startedAt = performance.now();
  let readyMs = 0;
  const gateway = await launch({
    command: process.execPath,
    args: [RINGSIDE_COMMAND, 'gateway'],
    core: `${field.core},${field.otherCore}`,
    env: {
      ...installation.environment,
      RINGSIDE_DATA_DIR: join(installation.folder, 'gateway'),
      RINGSIDE_GATEWAY_LISTEN: String(port),
      RINGSIDE_METRICS_LISTEN: String(metricsPort),
      RINGSIDE_WORKERS: String(workers),
    },
    ready: async () => {
      await untilReady(`http://127.0.0.1:${port}/readyz`);
      readyMs = performance.now() - startedAt;
    },
  });
  return { ...gateway, readyMs };
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const status = await fetch(url).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
      () => null, // nobody listens yet
    );
    if (status === 200) return;
    if (performance.now() > deadline) throw new Error(`${url} does not answer 200`);
    await sleep(POLL_EVERY_MS);
  }
}
