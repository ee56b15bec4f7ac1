import { type PlanningDeps, planExperiment } from '../groups/planner.ts';
import { plannerQuerySchema, plannerSchema } from '../groups/planner-schemas.ts';
import { replayWeights } from '../groups/replay.ts';
import { replayQuerySchema, replaySchema } from '../groups/replay-schemas.ts';
import type { Operations } from '../http/operation.ts';
import { PLANNER_EXAMPLE, REPLAY_EXAMPLE } from './planning-examples.ts';

/** `/groups/{name}/planner` and `/groups/{name}/replay`: what has not happened yet. Both only read. */
export function routePlanning(operations: Operations, deps: PlanningDeps): void {
  operations.read({
    tag: 'groups',
    path: '/groups/{name}/planner',
    operationId: 'planExperiment',
    summary: 'Plan an experiment: effect, duration and weight, from the traffic of the days before',
    description:
      'Leave out what is to be computed: `effect`, else `days`, else `weightBp`. `fixed` is a test with one look at its end; ' +
      '`sequence` is what rollouts do, who look all the time, and so takes longer.',
    role: 'viewer',
    query: plannerQuerySchema,
    answer: plannerSchema,
    example: PLANNER_EXAMPLE,
    handle: async (tx, call) => ({ body: await planExperiment(tx, call, deps) }),
  });
  operations.read({
    tag: 'groups',
    path: '/groups/{name}/replay',
    operationId: 'replayWeights',
    summary: 'Replay: what other weights would have done to cost, errors, latency and busiest minutes',
    description:
      'Inferences that would have stayed count as they were. Of those that would have moved, the figures are those that their new variant ' +
      'had for requests of the same kind (endpoint, streamed or not, size). `ringside replay` does the same.',
    role: 'viewer',
    query: replayQuerySchema,
    answer: replaySchema,
    example: REPLAY_EXAMPLE,
    handle: async (tx, call) => ({ body: await replayWeights(tx, call, deps) }),
  });
}
