// Preloaded into the gateway by the fault tests: ends serving thread N when the file `end-worker-N` appears in the data folder,
// by its exit or, for `exhaust-worker-N`, by running out of memory.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, threadName } from 'node:worker_threads';

const slot = /^gateway-(\d+)$/.exec(threadName)?.[1];
if (!isMainThread && slot !== undefined) {
  const fileOf = (how) => join(process.env['RINGSIDE_DATA_DIR'], `${how}-worker-${slot}`);
  const isAsked = (how) => {
    if (!existsSync(fileOf(how))) return false;
    rmSync(fileOf(how));
    return true;
  };
  setInterval(() => {
    if (isAsked('end')) process.exit(7);
    if (!isAsked('exhaust')) return;
    for (const hoard = []; ; ) hoard.push(new Array(10_000).fill(hoard.length));
  }, 20).unref();
}
