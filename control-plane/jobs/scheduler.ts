import { traceOf } from '#core/reason.ts';

/** Work that is done again and again while we lead. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  /** @throws when it must be tried again soon; what it could do is done */
  run(signal: AbortSignal): Promise<void>;
}

export interface SchedulerDeps {
  readonly jobs: readonly Job[];
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: (line: string) => void;
}

/** Each interval is longer by up to this part, so that jobs do not march in step. */
const JITTER = 0.1;
const FIRST_RETRY_MS = 1_000;

/**
 * Runs jobs, each at once and then at its interval, never beside itself. A job that fails is said so and tried again, at first
 * after a second, then ever later, at most at its interval.
 *
 *   due ──▶ running ──done──▶ waiting its interval ──▶ due
 *              └──failed──▶ waiting a growing while ──▶ due
 *
 * @returns when the signal is aborted and what was under way has ended
 */
export async function runJobs({ jobs, random, log }: SchedulerDeps, signal: AbortSignal): Promise<void> {
  await Promise.all(jobs.map((job) => repeatJob(job, random, log, signal)));
}

async function repeatJob(
  job: Job,
  random: () => number,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    let waitMs = job.everyMs;
    try {
      await job.run(signal);
      if (failures > 0) log(`job ${job.name}: it works again`);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      waitMs = Math.min(FIRST_RETRY_MS * 2 ** failures++, job.everyMs);
      log(`job ${job.name} failed, again in ${Math.ceil(waitMs / 1_000)} s: ${traceOf(error)}`);
    }
    await pause(waitMs * (1 + JITTER * random()), signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, ms).unref();
    if (signal.aborted) wake();
    else signal.addEventListener('abort', wake, { once: true });
  });
}
