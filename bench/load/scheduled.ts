import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runLoadTool } from './load-tool.ts';
import type { ScheduledJob } from './scheduled/generator.ts';
import type { ScheduledResult } from './scheduled/tally.ts';

export type { ScheduledResult } from './scheduled/tally.ts';

export interface ScheduledRun extends ScheduledJob {
  readonly core: number;
  readonly scratch: string;
}

/**
 * Open-loop load by our own generator: it sends when a request is due and not when an answer has come, over connections
 * that were open before, and counts latency from the moment a request should have been sent.
 */
export async function runScheduled({ core, scratch, ...job }: ScheduledRun): Promise<ScheduledResult> {
  const file = join(scratch, `scheduled-${randomUUID()}.json`);
  await writeFile(file, JSON.stringify(job));
  try {
    const main = new URL('./scheduled/main.ts', import.meta.url).pathname;
    return JSON.parse(await runLoadTool(process.execPath, [main, file], core)) as ScheduledResult;
  } finally {
    await rm(file);
  }
}

/** Requests that got no good answer. */
export function missed({ failed, refused, unanswered }: ScheduledResult): number {
  return failed + refused + unanswered;
}
