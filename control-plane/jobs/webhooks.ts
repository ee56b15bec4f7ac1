import { dueWebhooks } from '#store/rollout-webhooks.ts';
import { deliverWebhook, type WebhookDeps } from '../rollout/webhooks.ts';
import { runOverlapping } from './overlapping.ts';
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
  const { db, everyMs } = deps;
  return {
    name: 'webhooks',
    everyMs,
    async run(signal) {
      const take = (busy: readonly string[]) => dueWebhooks(db, busy, MAX_UNDER_WAY - busy.length);
      const work = (row: Awaited<ReturnType<typeof take>>[number]) => deliverWebhook(deps, row, signal);
      const failures = await runOverlapping({ everyMs, take, keyOf: ({ id }) => id, work }, signal);
      if (failures.length > 0) throw new Error(`calls that could not be written down: ${failures.join('; ')}`);
    },
  };
}
