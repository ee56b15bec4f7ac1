// Preloaded into the gateway by the fault tests: ends serving thread N when the file `end-worker-N` appears in the data folder.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, threadName } from 'node:worker_threads';

const slot = /^gateway-(\d+)$/.exec(threadName)?.[1];
if (!isMainThread && slot !== undefined) {
  const file = join(process.env['RINGSIDE_DATA_DIR'], `end-worker-${slot}`);
  setInterval(() => {
    if (!existsSync(file)) return;
    rmSync(file);
    process.exit(7);
  }, 20).unref();
}
