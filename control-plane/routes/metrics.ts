import { z } from '@hono/zod-openapi';
import type { Clock } from '../clock.ts';
import { noQuerySchema, type Operations } from '../http/operation.ts';
import { rolloutMetrics } from '../rollout/rollout-metrics.ts';

/** `/metrics`: an organization's rollouts for Prometheus. The gateways' own metrics are on their metrics port. */
export function routeMetrics(operations: Operations, clock: Clock): void {
  operations.stream({
    ...{ tag: 'rollouts', path: '/metrics', operationId: 'scrapeRollouts', role: 'viewer' },
    summary: 'Rollouts for Prometheus',
    description:
      'Its text format: rollouts that are under way, whether they are paused, when they were last looked at, their weights, and how others have ended. The admin token goes into `authorization` of the scrape configuration.',
    query: noQuerySchema,
    media: 'text/plain',
    answer: z.string(),
    example: 'ringside_rollouts_ended_total{group="support-chat",state="rolled_back"} 1\n',
    async handle({ organizationId, read }) {
      const text = await read((tx) => rolloutMetrics(tx, organizationId, clock.nowMs()));
      return { headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }, body: once(text) };
    },
  });
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}
