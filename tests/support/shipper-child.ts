// The shipper's thread in a process of its own, to be killed. argv: a ShipperStart as JSON, then the spools to ship.
import { Worker } from 'node:worker_threads';
import type { ShipperStart, ToShipper } from '#inference-log/thread-messages.ts';

const [json, ...spools] = process.argv.slice(2);
if (json === undefined) throw new Error('usage: shipper-child <start> <spool id>…');
const workerData = JSON.parse(json) as ShipperStart;
const worker = new Worker(new URL('../../inference-log/thread.ts', import.meta.url), { workerData, name: 'shipper' });
for (const spoolId of spools) worker.postMessage({ type: 'add-spool', spoolId } satisfies ToShipper);
