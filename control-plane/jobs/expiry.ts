import { balanceLedger, ledgerStateOf } from '#core/ledger.ts';
import { reasonOf } from '#core/reason.ts';
import type { ClickHouseExpiry } from '#inference-log/sinks/clickhouse/expiry.ts';
import { retryContention } from '#store/contention.ts';
import { type LedgerPlace, type LedgerRow, placeOf } from '#store/ledger.ts';
import { emptyEntries, expireRollups, groupsWithRetention, removeEntries } from '#store/ledger-life.ts';
import type { Db } from '#store/pool.ts';
import type { Job } from './scheduler.ts';

/** Rollups are kept as long as rows, and at least for so long: a year can be compared with the one before. */
export const FIGURE_DAYS = 400;
/** Rollups, or entries, in one statement: of rollups 16 to 120 ms, on a busy core. */
const STEP_ROWS = 5_000;

export interface ExpiryJobDeps {
  /** Of the role `leader`. */
  readonly db: Db;
  /** Where rows are that PostgreSQL does not see; undefined: there are none. */
  readonly clickhouse?: Pick<ClickHouseExpiry, 'oldest'> | undefined;
  readonly everyMs: number;
  readonly random: () => number;
  readonly log: (line: string) => void;
  readonly stepRows?: number;
}

/**
 * Removes figures that have outlived what they count: rollups, and then entries of the ledger that nothing is left of
 * (docs/decisions/0013-rollups-and-ledger.md).
 */
export function createExpiryJob(deps: ExpiryJobDeps): Job {
  const { db, clickhouse, everyMs, random, log, stepRows = STEP_ROWS } = deps;
  const removeRollups = async (groupId: string, signal: AbortSignal): Promise<number> => {
    let total = 0;
    const limits = { keepDays: FIGURE_DAYS, stepRows, keptFrom: await clickhouse?.oldest(groupId) };
    while (!signal.aborted) {
      const removed = await retryContention(() => expireRollups(db, groupId, limits), random);
      if (removed === 0) break;
      total += removed;
    }
    return total;
  };

  const removeOldEntries = async (signal: AbortSignal): Promise<number> => {
    let total = 0;
    let after: LedgerPlace | undefined;
    while (!signal.aborted) {
      const page = await emptyEntries(db, FIGURE_DAYS, after, stepRows);
      const balanced = page.filter(isBalanced);
      if (balanced.length > 0) await removeEntries(db, balanced);
      total += balanced.length;
      const last = page.at(-1);
      if (last === undefined) break;
      after = placeOf(last);
    }
    return total;
  };

  return {
    name: 'expiry',
    everyMs,
    async run(signal) {
      let rollups = 0;
      const failures: string[] = [];
      for (const groupId of await groupsWithRetention(db)) {
        try {
          rollups += await removeRollups(groupId, signal);
        } catch (error) {
          failures.push(`group ${groupId}: ${reasonOf(error)}`); // the others go on
        }
      }
      const entries = await removeOldEntries(signal);
      if (rollups > 0) log(`removed ${rollups} rollups that are past their time`);
      if (entries > 0) log(`removed ${entries} entries of the ledger that nothing is left of`);
      if (failures.length > 0) throw new Error(`rollups stay that should go: ${failures.join('; ')}`);
    },
  };
}

/** Both sides are equal, so that what remains adds up without them as it did with them. A loss stays on record. */
function isBalanced({ reported, held, gateway }: LedgerRow): boolean {
  const { balance } = balanceLedger(reported, held, ledgerStateOf(gateway), false);
  return balance === 'balanced' || balance === 'unreported';
}
