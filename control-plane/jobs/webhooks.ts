import { reasonOf } from '#core/reason.ts';
import { dueWebhooks } from '#store/rollout-webhooks.ts';
import { deliverWebhook, type WebhookDeps } from '../rollout/webhooks.ts';
import type { Job } from './scheduler.ts';

export interface WebhookJobDeps extends WebhookDeps {
  readonly everyMs: number;
}

/** Calls that may wait for their answers at once: one that nobody answers takes a place for ten seconds. */
const MAX_UNDER_WAY = 64;

/**
 * Makes the calls of rollouts to their owners' webhooks. Each has its own time: while a slow one is waited for, others that
 * become due are made.
 */
export function createWebhookJob(deps: WebhookJobDeps): Job {
  return {
    name: 'webhooks',
    everyMs: deps.everyMs,
    async run(signal) {
      const underWay = new Map<string, Promise<void>>();
      const failures: string[] = [];
      try {
        do {
          const due = await dueWebhooks(deps.db, [...underWay.keys()], MAX_UNDER_WAY - underWay.size);
          for (const row of due) {
            const ended = deliverWebhook(deps, row, signal)
              .catch((error: unknown) => void failures.push(`${row.id}: ${reasonOf(error)}`))
              .finally(() => underWay.delete(row.id));
            underWay.set(row.id, ended);
          }
          await someTime(deps.everyMs, Promise.all(underWay.values()), signal);
        } while (underWay.size > 0 && failures.length === 0 && !signal.aborted);
      } finally {
        await Promise.all(underWay.values());
      }
      if (failures.length > 0) throw new Error(`calls that could not be written down: ${failures.join('; ')}`);
    },
  };
}

/** Resolves after `ms`, or at once when the work is done or the signal is aborted. */
async function someTime(ms: number, work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let cleanup = () => {};
  const elapsed = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    const wake = () => resolve();
    signal.addEventListener('abort', wake, { once: true });
    cleanup = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
    };
  });
  await Promise.race([work, elapsed]);
  cleanup();
}
