import { reasonOf } from '#core/reason.ts';
import { retryContention } from '#store/contention.ts';
import {
  expireExperimentInferences,
  expireFeedback,
  longestWindow,
  organizationsWithOldFeedback,
} from '#store/feedback-expiry.ts';
import type { Db } from '#store/pool.ts';
import { type FindElsewhere, joinFeedback } from '../feedback/join.ts';
import type { Job } from './scheduler.ts';

export interface FeedbackJobDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly everyMs: number;
  readonly random: () => number;
  readonly log: (line: string) => void;
  /** Reports, or rows, in one transaction. */
  readonly stepRows?: number;
}

/** A transaction of so many takes tens of milliseconds. */
const JOINED_AT_ONCE = 500;
const EXPIRED_AT_ONCE = 5_000;
/** Reports are kept for so long, joined or not. */
export const FEEDBACK_DAYS = 400;
/** Where inferences count is kept for so long where no experiment says how long its feedback may take. */
const DEFAULT_WINDOW_HOURS = 24 * 7;
/** On top of the window, for reports that wait to be joined. */
const GRACE_HOURS = 24;

/** Joins reports of feedback with their inferences, as long as any are due. */
export function createFeedbackJob(deps: FeedbackJobDeps & { readonly findElsewhere?: FindElsewhere | undefined }): Job {
  const { db, everyMs, random, log, findElsewhere, stepRows = JOINED_AT_ONCE } = deps;
  let isTroubled = false;
  return {
    name: 'feedback',
    everyMs,
    async run(signal) {
      let unmatched = 0;
      let trouble: string | undefined;
      const onTrouble = (error: unknown) => {
        trouble = reasonOf(error);
      };
      while (!signal.aborted) {
        const batch = await retryContention(
          () => joinFeedback(db, { limit: stepRows, findElsewhere, onTrouble }),
          random,
        );
        unmatched += batch.unmatched;
        if (batch.taken < stepRows) break;
      }
      if (unmatched > 0) log(`gave up ${unmatched} reports of feedback whose inference never came`);
      // Once per outage: the job comes again every second, and what could be joined is.
      if (trouble !== undefined && !isTroubled) log(`feedback waits, the log's store does not answer: ${trouble}`);
      isTroubled = trouble !== undefined;
    },
  };
}

/** Removes what feedback leaves behind: where old inferences count, and old reports. Small steps, so that nobody waits for them. */
export function createFeedbackExpiryJob(deps: FeedbackJobDeps): Job {
  const { db, everyMs, random, log, stepRows = EXPIRED_AT_ONCE } = deps;
  const removeAll = async (signal: AbortSignal, removeSome: () => Promise<number>): Promise<number> => {
    let total = 0;
    while (!signal.aborted) {
      const removed = await retryContention(removeSome, random);
      total += removed;
      if (removed < stepRows) break;
    }
    return total;
  };
  return {
    name: 'feedback-expiry',
    everyMs,
    async run(signal) {
      const keepHours = ((await longestWindow(db, GRACE_HOURS)) ?? DEFAULT_WINDOW_HOURS) + GRACE_HOURS;
      const places = await removeAll(signal, () => expireExperimentInferences(db, keepHours, stepRows));
      let reports = 0;
      for (const organizationId of await organizationsWithOldFeedback(db, FEEDBACK_DAYS)) {
        reports += await removeAll(signal, () => expireFeedback(db, organizationId, FEEDBACK_DAYS, stepRows));
      }
      if (places > 0) log(`forgot where ${places} inferences count, whose feedback would come too late`);
      if (reports > 0) log(`removed ${reports} reports of feedback that are past their time`);
    },
  };
}
