import type { CapturedInferences } from '#store/captured-inferences.ts';
import { retryContention } from '#store/contention.ts';
import { LogUnavailableError } from '#store/log-unavailable.ts';
import type { Db } from '#store/pool.ts';
import { expirePairs, organizationsWithDuePairs } from '#store/shadow-pairs.ts';
import { type ComparedBatch, comparePairs } from '../shadow/compare-pairs.ts';
import type { SchemaChecker } from '../shadow/schema-checker.ts';
import type { Job } from './scheduler.ts';

export interface ShadowPairsJobDeps {
  /** Of the role `application`: pairs are compared within their organization. */
  readonly db: Db;
  /** Of the role `leader`, which sees whose pairs are due. */
  readonly leaderDb: Db;
  readonly captured: CapturedInferences;
  readonly checker: SchemaChecker;
  readonly everyMs: number;
  readonly random: () => number;
  readonly log: (line: string) => void;
}

/** Pairs in one transaction: each has up to four bodies, of which all are held at once. */
const COMPARED_AT_ONCE = 20;
const EXPIRED_AT_ONCE = 5_000;
/** Pairs are kept for so long. */
const PAIR_DAYS = 400;

/**
 * Compares mirrored calls with what they mirror, as long as any are due: organizations take turns, so that none waits for another's
 * backlog. When the log is away, its reader has said so, and they wait for the next time.
 */
export function createShadowPairsJob({ leaderDb, everyMs, random, log, ...deps }: ShadowPairsJobDeps): Job {
  return {
    name: 'shadow-pairs',
    everyMs,
    async run(signal) {
      let [givenUp, withoutBodies] = [0, 0];
      const note = (batch: ComparedBatch) => {
        for (const defect of batch.defects) log(`a pair could not be compared: ${defect}`);
        givenUp += batch.givenUp;
        withoutBodies += batch.withoutBodies;
      };
      try {
        let busy = await organizationsWithDuePairs(leaderDb);
        while (busy.length > 0 && !signal.aborted) {
          const more: string[] = [];
          for (const organizationId of busy) {
            if (signal.aborted) break;
            const batch = await retryContention(() => comparePairs(deps, organizationId, COMPARED_AT_ONCE), random);
            note(batch);
            if (batch.taken === COMPARED_AT_ONCE && batch.refused === 0) more.push(organizationId);
          }
          busy = more;
        }
      } catch (error) {
        if (!(error instanceof LogUnavailableError)) throw error;
      }
      if (givenUp > 0) log(`gave up ${givenUp} pairs of mirrored calls`);
      if (withoutBodies > 0) log(`compared ${withoutBodies} pairs of mirrored calls without bodies, which never came`);
    },
  };
}

/** Removes pairs that are past their time, in small steps, so that nobody waits for them. */
export function createShadowPairsExpiryJob({
  leaderDb,
  everyMs,
  random,
  log,
}: Omit<ShadowPairsJobDeps, 'db' | 'captured' | 'checker'>): Job {
  return {
    name: 'shadow-pairs-expiry',
    everyMs,
    async run(signal) {
      let total = 0;
      while (!signal.aborted) {
        const removed = await retryContention(() => expirePairs(leaderDb, PAIR_DAYS, EXPIRED_AT_ONCE), random);
        total += removed;
        if (removed < EXPIRED_AT_ONCE) break;
      }
      if (total > 0) log(`removed ${total} pairs of mirrored calls that are past their time`);
    },
  };
}
