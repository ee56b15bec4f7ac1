import { reasonOf } from '#core/reason.ts';
import { retryContention } from '#store/contention.ts';
import {
  closeExperiments,
  experimentsToEmpty,
  experimentsToFold,
  foldExperiment,
  removeUnits,
} from '#store/experiment-folding.ts';
import { experimentsToThin, thinLooks } from '#store/look-thinning.ts';
import type { Db } from '#store/pool.ts';
import type { Job } from './scheduler.ts';

export interface ExperimentExpiryJobDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  readonly everyMs: number;
  /** How long after its end an experiment keeps what it knows by unit, at least. */
  readonly unitDays: number;
  readonly random: () => number;
  readonly log: (line: string) => void;
  /** How long after it was closed an experiment is folded. */
  readonly settledMs?: number;
  /** Rows in one transaction. */
  readonly stepRows?: number;
}

/** All looks are kept for so long. */
const LOOK_HOURS = 24;
/** No transaction that counts, ships or joins lasts as long. */
const SETTLED_MS = 3_600_000;
const STEP_ROWS = 5_000;

/**
 * Bounds what experiments keep, in small steps, so that nobody waits for them.
 *
 *     looks:  all ──a day later──▶ one an hour, and each that concluded something new
 *     units:  open ──the end, and all feedback is in──▶ closed ──nobody adds any more──▶ folded: sums by arm ──▶ removed
 *
 * The analysis of an experiment is the same before and after, to the digit.
 */
export function createExperimentExpiryJob(deps: ExperimentExpiryJobDeps): Job {
  const { db, everyMs, unitDays, random, log, settledMs = SETTLED_MS, stepRows = STEP_ROWS } = deps;
  const failures: string[] = [];
  /** One after the other; of those that fail the others do not know. */
  const each = async <Item>(items: readonly Item[], signal: AbortSignal, work: (item: Item) => Promise<number>) => {
    let total = 0;
    for (const item of items) {
      if (signal.aborted) break;
      try {
        total += await work(item);
      } catch (error) {
        failures.push(reasonOf(error));
      }
    }
    return total;
  };

  const thin = async (signal: AbortSignal): Promise<number> =>
    each(await experimentsToThin(db, LOOK_HOURS), signal, async (ref) => {
      let total = 0;
      while (!signal.aborted) {
        const work = () => db.transaction().execute((tx) => thinLooks(tx, ref, { keepHours: LOOK_HOURS, stepRows }));
        const { removed, isDone } = await retryContention(work, random);
        total += removed;
        if (isDone) break;
      }
      return total;
    });

  const fold = async (signal: AbortSignal): Promise<number> =>
    each(await experimentsToFold(db, settledMs), signal, async (experiment) => {
      const work = () => db.transaction().execute((tx) => foldExperiment(tx, experiment));
      return Number(await retryContention(work, random));
    });

  const remove = async (signal: AbortSignal): Promise<number> =>
    each(await experimentsToEmpty(db), signal, async (id) => {
      let total = 0;
      while (!signal.aborted) {
        const removed = await retryContention(() => removeUnits(db, id, stepRows), random);
        if (removed === 0) break;
        total += removed;
      }
      return total;
    });

  return {
    name: 'experiment-expiry',
    everyMs,
    async run(signal) {
      failures.length = 0;
      const looks = await thin(signal);
      await closeExperiments(db, unitDays);
      const folded = await fold(signal);
      const rows = await remove(signal);
      if (looks > 0) log(`removed ${looks} looks at experiments between those that concluded something`);
      if (folded > 0) log(`folded the units of ${folded} experiments that are over into the sums of their arms`);
      if (rows > 0) log(`removed ${rows} rows of their units`);
      if (failures.length > 0) throw new Error(`experiments keep more than they should: ${failures.join('; ')}`);
    },
  };
}
