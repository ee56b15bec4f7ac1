import type { Db } from '#store/pool.ts';
import { groupsToEvaluate } from '#store/shadow-evaluations.ts';
import { type EvaluateDeps, evaluatePairs } from '../shadow/evaluate.ts';
import type { Job } from './scheduler.ts';

export interface ShadowEvaluationsJobDeps extends EvaluateDeps {
  /** Of the role `leader`, which sees whose pairs wait. */
  readonly leaderDb: Db;
  readonly everyMs: number;
}

/** Asks evaluators for their verdicts, all groups beside each other: as many calls in a minute as each allows. */
export function createShadowEvaluationsJob({ leaderDb, everyMs, ...deps }: ShadowEvaluationsJobDeps): Job {
  return {
    name: 'shadow-evaluations',
    everyMs,
    async run(signal) {
      // Beside each other: a judge that does not answer holds up no other.
      const groups = await groupsToEvaluate(leaderDb);
      await Promise.all(groups.map((group) => evaluatePairs(deps, group, signal)));
    },
  };
}
