import { reasonOf } from '#core/reason.ts';
import { retryContention } from '#store/contention.ts';
import { liveGroupIds, provisionAhead } from '#store/partitions.ts';
import type { Db } from '#store/pool.ts';
import type { Job } from './scheduler.ts';

export interface PartitionsJobDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly everyMs: number;
  readonly random: () => number;
  readonly log: (line: string) => void;
}

/** Makes the partitions of the present span and the next for every live group, so that no shipper has to. */
export function createPartitionsJob({ db, everyMs, random, log }: PartitionsJobDeps): Job {
  return {
    name: 'partitions',
    everyMs,
    async run(signal) {
      let made = 0;
      const failures: string[] = [];
      for (const groupId of await liveGroupIds(db)) {
        if (signal.aborted) return;
        try {
          made += await retryContention(() => provisionAhead(db, groupId), random);
        } catch (error) {
          failures.push(`group ${groupId}: ${reasonOf(error)}`); // the others get theirs
        }
      }
      if (made > 0) log(`made ${made} partitions ahead`);
      if (failures.length > 0) throw new Error(`no partitions ahead for ${failures.join('; ')}`);
    },
  };
}
