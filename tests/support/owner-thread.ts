// Owns the folder in workerData and then blocks its thread.
import { parentPort, workerData } from 'node:worker_threads';
import { claimOwnership } from '#inference-log/ownership.ts';

const ownership = await claimOwnership(workerData as string);
parentPort?.postMessage(ownership.kind);
for (;;);
