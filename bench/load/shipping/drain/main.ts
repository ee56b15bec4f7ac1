import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { FromShipper, ShipperStart, ToShipper } from '#inference-log/thread-messages.ts';

// A process of its own, so that its CPU time is the shipper's: starts the shipper's thread as the gateway does, waits until
// it has removed every spool of the root, and prints what that took.
const [thread, databaseUrl, root, gatewayId, clickhouse] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string?,
];
const workerData: ShipperStart = {
  databaseUrl,
  root,
  gatewayId,
  servingLoad: [],
  maxSpoolBytes: Number.POSITIVE_INFINITY,
  ...(clickhouse === undefined ? {} : { clickhouse: JSON.parse(clickhouse) }),
};
const worker = new Worker(new URL(thread), { workerData, name: 'shipper' });
worker.on('error', (error) => {
  throw error;
});
await new Promise<void>((ready) => {
  worker.on('message', (message: FromShipper) => {
    if (message.type === 'ready') ready();
    if (message.type === 'alarm') process.stderr.write(`${message.code}: ${message.message}\n`);
  });
});
const startedAt = performance.now();
const before = process.cpuUsage();
await new Promise<void>((done) => {
  const timer = setInterval(() => {
    if (readdirSync(root).length > 0) return;
    clearInterval(timer);
    done();
  }, 10);
});
const seconds = (performance.now() - startedAt) / 1_000;
const { user, system } = process.cpuUsage(before);
process.stdout.write(`${JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 })}\n`);
worker.postMessage({ type: 'stop', drain: false, deadlineMs: 1_000 } satisfies ToShipper);
