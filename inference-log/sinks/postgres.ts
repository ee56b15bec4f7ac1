import type { ClientBase } from 'pg';
import { reasonOf } from '#core/reason.ts';
import { createClientPool } from '#store/pool.ts';
import type { OnAlarm } from '../alarms.ts';
import type { InferenceRow } from '../record.ts';
import { RefusedBatchError, type Sink, type SinkBatch } from '../spool.ts';
import { createRowCopier, type RowCopier } from './copy-rows.ts';
import { moveCursor, readCursor } from './cursors.ts';
import { createExperimentCounter } from './experiments.ts';
import { insertNewRows, insertRows } from './insert-rows.ts';
import { addToLedger, createTally, readLedger, type Tally } from './ledger.ts';
import { createPartitions, type SplitRows } from './partitions.ts';
import { addToRollups } from './rollups.ts';
import { isDataError, isMissingPartition, sqlStateOf, UNIQUE_VIOLATION } from './sql-errors.ts';
import { inTransaction } from './transaction.ts';

export interface PostgresSinkOptions {
  readonly databaseUrl: string;
  /** Batches of different spools are written side by side (4). */
  readonly maxConnections?: number;
  readonly onConnectionError?: (error: Error) => void;
  /** In [0, 1); spreads the repeated tries of several shippers. */
  readonly random?: () => number;
  readonly onAlarm?: OnAlarm;
}

/** With fewer rows, two COPY statements of their own cost more than they save. */
const MIN_COPIED_ROWS = 16;

/** The log in PostgreSQL, acting as the role `shipper`, which can add to it and do nothing else. */
export function createPostgresSink(options: PostgresSinkOptions): Sink {
  const { onConnectionError } = options;
  const pool = createClientPool({
    databaseUrl: options.databaseUrl,
    role: 'shipper',
    maxConnections: options.maxConnections ?? 4,
    applicationName: 'ringside shipper',
    // A commit that lands after it is found by its cursor.
    queryTimeoutMs: 30_000,
    ...(onConnectionError === undefined ? {} : { onConnectionError }),
  });
  const partitions = createPartitions(pool, options.random ?? (() => 0.5));
  const copier = createRowCopier();
  const experiments = createExperimentCounter(options.onAlarm ?? (() => undefined));

  const store = async (batch: SinkBatch) => {
    const split = await partitions.split(batch.rows);
    const client = await pool.connect();
    await inTransaction(client, async () => {
      await moveCursor(client, batch);
      const added = await addRows(client, copier, split.parts);
      // The figures of a minute, and those of an experiment, count what happened, whether or not its rows are kept.
      const happened = [...added, ...split.expired];
      await addToRollups(client, batch.gatewayId, happened);
      await experiments.add(client, batch.gatewayId, happened);
      await addToLedger(client, batch.gatewayId, tallyOf(batch, added, split.expired));
    });
  };

  return {
    readCursor: (spoolId) => readCursor(pool, spoolId),
    async write(batch) {
      try {
        try {
          await store(batch);
        } catch (error) {
          if (!isMissingPartition(error)) throw error;
          partitions.forget(); // retention dropped one that we remember
          await store(batch);
        }
      } catch (error) {
        if (isDataError(error)) throw new RefusedBatchError(reasonOf(error), { cause: error });
        throw error;
      }
    },
    readLedger: (gatewayId) => readLedger(pool, gatewayId),
    close: () => pool.end(),
  };
}

/**
 * Adds the rows and gives back those that came in. The cursor keeps rows from coming twice; should one be there all the
 * same, a failed COPY does not tell which, so they then go in by the way that does.
 */
async function addRows(
  client: ClientBase,
  copier: RowCopier,
  parts: SplitRows['parts'],
): Promise<readonly InferenceRow[]> {
  const rows = parts.flatMap((part) => part.rows);
  if (rows.length === 0) return [];
  await client.query('SAVEPOINT rows');
  if (await addNewRows(client, copier, parts)) return rows;
  await client.query('ROLLBACK TO SAVEPOINT rows');
  return insertNewRows(client, rows);
}

function tallyOf(batch: SinkBatch, added: readonly InferenceRow[], expired: readonly InferenceRow[]): Tally {
  const tally = createTally();
  for (const { groupId } of batch.dropped) tally.add(groupId, 'dropped', 1);
  for (const row of added) tally.add(row.begin.groupId, kindOf(row), 1);
  for (const row of expired) tally.add(row.begin.groupId, isInterrupted(row) ? 'removed' : 'expired', 1);
  return tally;
}

/** False when one of them is there already. */
async function addNewRows(client: ClientBase, copier: RowCopier, parts: SplitRows['parts']): Promise<boolean> {
  const large = parts.filter(({ rows }) => rows.length >= MIN_COPIED_ROWS);
  const others = parts.filter(({ rows }) => rows.length < MIN_COPIED_ROWS).flatMap(({ rows }) => rows);
  try {
    await copier.copy(client, large);
  } catch (error) {
    if (sqlStateOf(error) !== UNIQUE_VIOLATION) throw error;
    return false;
  }
  return others.length === 0 || (await insertRows(client, others)) === others.length;
}

function kindOf(row: InferenceRow): 'stored' | 'interrupted' {
  return isInterrupted(row) ? 'interrupted' : 'stored';
}

function isInterrupted(row: InferenceRow): boolean {
  return row.end.outcome === 'interrupted';
}
