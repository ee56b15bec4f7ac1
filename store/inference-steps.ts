import type { InferenceFilter } from './inference-filter.ts';
import { isFoundByKey, isTrouble } from './inference-finding.ts';
import type { InferencePage } from './inferences.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** How far ahead of the database's clock a row may be: ids of more than a day are quarantined. */
const MAX_AHEAD_MS = DAY_MS + HOUR_MS;

/**
 * How far back each step looks, when many groups are read newest first; the last one looks at all the rest. A step plans every
 * partition that it may touch anew, which is most of its time, so there are as few as what finds the rows allows.
 */
const STEPS_MS = {
  /** A few rows, anywhere; or `find_inferences` itself looks no further back than what it has found. */
  whole: [Number.POSITIVE_INFINITY],
  /** An index has them in order of time. */
  indexed: [DAY_MS, 8 * DAY_MS, Number.POSITIVE_INFINITY],
  /** Others are read on the way. */
  scanned: [6 * HOUR_MS, 2 * DAY_MS, 8 * DAY_MS, Number.POSITIVE_INFINITY],
} as const;

/** What finds the rows of a filter. Text is in no index of the newest partitions. */
function findingOf(filter: InferenceFilter): keyof typeof STEPS_MS {
  if (filter.text !== undefined) return 'scanned';
  if (isFoundByKey(filter) || filter.unit !== undefined) return 'whole';
  return isTrouble(filter) || filter.keyIds !== undefined ? 'indexed' : 'scanned';
}

export interface Step {
  readonly since: Date | undefined;
  readonly until: Date;
}

/** The stretches of time in which a page is looked for, the newest first. */
export function stepsOf(filter: InferenceFilter, { after }: InferencePage, now: Date): Step[] {
  const sinceMs = filter.since?.getTime() ?? Number.NEGATIVE_INFINITY;
  const newestMs = Math.min(now.getTime(), filter.until?.getTime() ?? Infinity, after?.createdAt.getTime() ?? Infinity);
  const steps: Step[] = [];
  let until = lastOf(filter, now);
  for (const stepMs of STEPS_MS[findingOf(filter)]) {
    const fromMs = newestMs - stepMs;
    if (fromMs <= sinceMs) return [...steps, { since: filter.since, until }];
    const since = new Date(fromMs);
    steps.push({ since, until });
    until = since;
  }
  return steps;
}

/** Where the newest row may be: partitions behind it are not planned. */
export function lastOf({ until }: InferenceFilter, now: Date): Date {
  return new Date(Math.min(until?.getTime() ?? Infinity, now.getTime() + MAX_AHEAD_MS));
}
