import type { Db } from '#store/pool.ts';
import { type EvaluatedGroup, groupsToEvaluate } from '#store/shadow-evaluations.ts';
import { type EvaluateDeps, evaluatePairs } from '../shadow/evaluate.ts';
import { runOverlapping } from './overlapping.ts';
import type { Job } from './scheduler.ts';

export interface ShadowEvaluationsJobDeps extends EvaluateDeps {
  /** Of the role `leader`, which sees whose pairs wait. */
  readonly leaderDb: Db;
  readonly everyMs: number;
}

/** Groups whose evaluators are asked at once, with a few calls each: one that hangs takes a place until its calls time out. */
const MAX_GROUPS = 128;
/** Of one organization, so that its evaluators that hang leave places to others. */
const MAX_GROUPS_OF_ORGANIZATION = 16;

/**
 * Asks evaluators for their verdicts, as many calls in a minute as each allows. Each group has its own time: a judge that does not answer
 * holds up its own pairs, and nobody else's.
 */
export function createShadowEvaluationsJob({ leaderDb, everyMs, ...deps }: ShadowEvaluationsJobDeps): Job {
  return {
    name: 'shadow-evaluations',
    everyMs,
    async run(signal) {
      const take = async (busy: readonly string[]) => startable(await groupsToEvaluate(leaderDb), busy);
      const work = (group: EvaluatedGroup) => evaluatePairs(deps, group, signal);
      const failures = await runOverlapping({ everyMs, take, keyOf, work }, signal);
      if (failures.length > 0) throw new Error(`evaluations that could not be made: ${failures.join('; ')}`);
    },
  };
}

/** Those of the groups that wait which may be asked now. @param busy the keys of groups that are */
export function startable(waiting: readonly EvaluatedGroup[], busy: readonly string[]): EvaluatedGroup[] {
  const taken = new Set(busy);
  const ofOrganization = new Map<string, number>();
  for (const key of busy) {
    const organizationId = key.slice(0, key.indexOf('/'));
    ofOrganization.set(organizationId, (ofOrganization.get(organizationId) ?? 0) + 1);
  }
  return waiting.filter((group) => {
    const count = ofOrganization.get(group.organizationId) ?? 0;
    if (taken.has(keyOf(group)) || taken.size >= MAX_GROUPS || count >= MAX_GROUPS_OF_ORGANIZATION) return false;
    taken.add(keyOf(group));
    ofOrganization.set(group.organizationId, count + 1);
    return true;
  });
}

function keyOf({ organizationId, groupId }: EvaluatedGroup): string {
  return `${organizationId}/${groupId}`;
}
