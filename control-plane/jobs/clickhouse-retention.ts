import { reasonOf } from '#core/reason.ts';
import type { ClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import {
  beginExpiry,
  countExpiry,
  type ExpiringGroup,
  type ExpiryRun,
  expiringGroups,
  expiryStands,
  finishExpiry,
  type OutcomeCount,
} from '#store/clickhouse-expiry.ts';
import { retryContention } from '#store/contention.ts';
import type { Db } from '#store/pool.ts';
import type { Entropy } from '../entropy.ts';
import type { Job } from './scheduler.ts';

export interface ClickHouseRetentionJobDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly expiry: ClickHouseExpiry;
  readonly everyMs: number;
  readonly entropy: Entropy;
  readonly random: () => number;
  readonly log: (line: string) => void;
}

/**
 * Removes rows from ClickHouse that have outlived their group's retention, by whole spans as partitions go. Two stores have no
 * transaction: what is to go is counted and written down, then deleted, then moved in the ledger. A run that was cut off anywhere is
 * taken up where it was.
 */
export function createClickHouseRetentionJob(deps: ClickHouseRetentionJobDeps): Job {
  const { db, expiry, everyMs, entropy, random, log } = deps;

  /** What of a group is to be deleted now; undefined: nothing. */
  const prepare = async ({ groupId, group, archive, cutoff }: ExpiringGroup): Promise<ExpiryRun | undefined> => {
    const run = await retryContention(() => beginExpiry(db, groupId), random);
    if (
      run === undefined &&
      archive !== 'none' &&
      cutoff !== null &&
      (await expiry.count({ groupId, until: cutoff })).length > 0
    ) {
      throw new Error('it wants an archive, and rows in ClickHouse are not archived');
    }
    if (run === undefined || run.counts !== undefined) return run;
    const found = await expiry.count(run);
    const counts = await retryContention(() => countExpiry(db, run, found), random);
    if (counts === undefined) return undefined;
    if (found.length > 0) return { ...run, counts };
    await finish(run, group, []);
    return undefined;
  };

  /**
   * The policy keeps by now what was to go: what a run before has deleted is gone, and the rest stays. That is known once nobody
   * deletes any more.
   */
  const withdraw = async (run: ExpiryRun, group: string): Promise<void> => {
    await expiry.fence([run]);
    if (await expiry.isRemoving(run.groupId)) throw new Error('a deletion of before is still under way');
    await finish(run, group, without(run.counts!, await expiry.count(run)));
  };

  const finish = async (run: ExpiryRun, group: string, gone: readonly OutcomeCount[]): Promise<void> => {
    if (!(await retryContention(() => finishExpiry(db, run, gone, entropy.id()), random))) return;
    const rows = gone.reduce((sum, count) => sum + count.rows, 0);
    if (rows > 0)
      log(`removed rows of group ${group} before ${run.until.toISOString()} from ClickHouse: ${rows}, expired`);
  };

  return {
    name: 'clickhouse-retention',
    everyMs,
    async run(signal) {
      const failures: string[] = [];
      const due: { readonly run: ExpiryRun; readonly group: string }[] = [];
      for (const found of await expiringGroups(db)) {
        if (signal.aborted) return;
        try {
          const run = await prepare(found);
          if (run !== undefined) due.push({ run, group: found.group });
        } catch (error) {
          failures.push(`group ${found.group}: ${reasonOf(error)}`); // the others must not wait for it
        }
      }
      if (signal.aborted) return;
      const wanted: typeof due = [];
      for (const { run, group } of due) {
        // Counting the others took time, and a run before may have been long ago.
        try {
          if (await expiryStands(db, run)) wanted.push({ run, group });
          else await withdraw(run, group);
        } catch (error) {
          failures.push(`group ${group}: ${reasonOf(error)}`);
        }
      }
      if (wanted.length > 0) {
        const runs = wanted.map(({ run }) => run);
        await expiry.remove(runs);
        // What the policy keeps one day must be safe from a leader before that was held up.
        await expiry.fence(runs);
        for (const { run, group } of wanted) await finish(run, group, run.counts!);
        await expiry.purge(new Date(Math.max(...wanted.map(({ run }) => run.until.getTime()))));
      }
      if (failures.length > 0) throw new Error(`rows stay that should go: ${failures.join('; ')}`);
    },
  };
}

/** What of `counts` is not in `left` any more. */
function without(counts: readonly OutcomeCount[], left: readonly OutcomeCount[]): OutcomeCount[] {
  return counts.flatMap((count) => {
    const same = left.filter(
      ({ gatewayId, day, outcome }) =>
        gatewayId === count.gatewayId && outcome === count.outcome && day === (count.day ?? day),
    );
    const rows = count.rows - same.reduce((sum, one) => sum + one.rows, 0);
    return rows > 0 ? [{ ...count, rows }] : [];
  });
}
