import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { OnAlarm } from './alarms.ts';
import { busiestOf, calmBytesFor } from './pace.ts';
import { createShipper } from './shipper.ts';
import { createClickHouseSink } from './sinks/clickhouse/sink.ts';
import { createPostgresSink } from './sinks/postgres.ts';
import type { FromShipper, ShipperStart, ToShipper } from './thread-messages.ts';
import { within } from './timing.ts';

// The shipper's thread: composes it from the real clock, randomness and store, and speaks thread-messages.ts.
if (parentPort === null) throw new Error('thread.ts runs as a worker thread');
const port = parentPort;
const send = (message: FromShipper) => port.postMessage(message);
const start = workerData as ShipperStart;
const CLOSE_MS = 500;
/** Shipping gives way to serving where both want the same core. */
const NICENESS = 10;

// On Linux the priority is the calling thread's own; elsewhere it would be the whole process's.
if (process.platform === 'linux') setPriority(NICENESS);

const { databaseUrl, clickhouse } = start;
const onAlarm: OnAlarm = (code, message) => send({ type: 'alarm', code, message });
const sink =
  clickhouse === undefined
    ? createPostgresSink({ databaseUrl, onAlarm, random: Math.random })
    : createClickHouseSink({ databaseUrl, onAlarm, clickhouse });
const shipper = await createShipper({
  root: start.root,
  sink,
  gatewayId: start.gatewayId,
  batchRows: start.batchRows ?? 1_000,
  batchBytes: start.batchBytes ?? 8 * 1024 * 1024,
  maxBatchAgeMs: start.maxBatchAgeMs ?? 250,
  nowMs: Date.now,
  monotonicMs: () => performance.now(),
  random: Math.random,
  busiest: () => busiestOf(start.servingLoad),
  calmBytes: calmBytesFor(start.maxSpoolBytes),
  onLedger: (totals) => send({ type: 'ledger', totals }),
  onBacklog: ({ bytes, spools }) => send({ type: 'backlog', bytes, spools }),
  onAlarm,
});

port.on('message', (message: ToShipper) => {
  switch (message.type) {
    case 'add-spool':
      shipper.addSpool(message.spoolId, message.hold);
      return;
    case 'stop':
      void stop(message);
      return;
    default:
      message satisfies never;
  }
});
send({ type: 'ready' });

async function stop(how: { readonly drain: boolean; readonly deadlineMs: number }): Promise<void> {
  const { drained } = await shipper.stop(how);
  // A store that does not answer does not say goodbye either.
  await within(CLOSE_MS, sink.close());
  send({ type: 'stopped', drained });
  // Ends this thread only; without it a hanging connection would keep it.
  setImmediate(() => process.exit(0));
}
