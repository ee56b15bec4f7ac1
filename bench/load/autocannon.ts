import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { runLoadTool } from './load-tool.ts';
import type { WrkRun } from './wrk.ts';

const require = createRequire(import.meta.url);

/** What autocannon's JSON has that we read. Its latencies are whole milliseconds, too coarse for us. */
interface AutocannonOutput {
  readonly requests: { readonly average: number; readonly total: number };
  readonly errors: number;
  readonly timeouts: number;
  readonly non2xx: number;
}

export interface AutocannonResult {
  readonly requestsPerS: number;
  /** Answers other than 2xx, and socket errors. */
  readonly failures: number;
}

/** One closed-loop run of autocannon, on the same Node as ours, in a process of its own. */
export async function runAutocannon(run: Omit<WrkRun, 'lua'>): Promise<AutocannonResult> {
  const bodyFile = join(run.scratch, `autocannon-${randomUUID()}.json`);
  await writeFile(bodyFile, run.body);
  const headers = Object.entries({ 'content-type': 'application/json', ...run.headers });
  const args = [
    ...[require.resolve('autocannon/autocannon.js'), '--json', '--no-progress', '--method', 'POST'],
    ...['--connections', String(run.connections), '--duration', String(run.seconds), '--input', bodyFile],
    ...headers.flatMap(([name, value]) => ['--headers', `${name}=${value}`]),
    run.url,
  ];
  try {
    const output = JSON.parse(await runLoadTool(process.execPath, args, run.core)) as AutocannonOutput;
    // `errors` counts the timeouts too.
    return { requestsPerS: output.requests.average, failures: output.errors + output.non2xx };
  } finally {
    await rm(bodyFile);
  }
}

export function autocannonVersion(): string {
  return (require('autocannon/package.json') as { version: string }).version;
}
