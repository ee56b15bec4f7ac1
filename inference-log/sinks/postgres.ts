import type { ClientBase } from 'pg';
import { reasonOf } from '#core/reason.ts';
import { createClientPool } from '#store/pool.ts';
import type { InferenceRow } from '../record.ts';
import { RefusedBatchError, type Sink, type SinkBatch } from '../spool.ts';
import { createRowCopier, type RowCopier } from './copy-rows.ts';
import { moveCursor, readCursor } from './cursors.ts';
import { insertRows } from './insert-rows.ts';
import { addToLedger, createTally, readLedger, type Tally } from './ledger.ts';
import { createPartitions, type PartitionRows } from './partitions.ts';
import { isDataError, isMissingPartition, sqlStateOf, UNIQUE_VIOLATION } from './sql-errors.ts';
import { inTransaction } from './transaction.ts';

export interface PostgresSinkOptions {
  readonly databaseUrl: string;
  /** Batches of different spools are written side by side (4). */
  readonly maxConnections?: number;
  readonly onConnectionError?: (error: Error) => void;
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
  const partitions = createPartitions(pool);
  const copier = createRowCopier();

  const store = async (batch: SinkBatch) => {
    const parts = await partitions.split(batch.rows);
    const client = await pool.connect();
    await inTransaction(client, async () => {
      await moveCursor(client, batch);
      await addToLedger(client, batch.gatewayId, await addRows(client, copier, batch, parts));
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
 * Adds the rows and says what came in, by group. The cursor keeps rows from coming twice; should one be there all the
 * same, neither a failed COPY nor a whole batch's count tells whose it was, so it is then inserted part by part.
 */
async function addRows(
  client: ClientBase,
  copier: RowCopier,
  batch: SinkBatch,
  parts: readonly PartitionRows[],
): Promise<Tally> {
  const tally = createTally();
  for (const { groupId } of batch.dropped) tally.add(groupId, 'dropped', 1);
  if (batch.rows.length === 0) return tally;
  await client.query('SAVEPOINT rows');
  if (await addNewRows(client, copier, parts)) {
    for (const row of batch.rows) tally.add(row.begin.groupId, kindOf(row), 1);
    return tally;
  }
  await client.query('ROLLBACK TO SAVEPOINT rows');
  for (const rows of Map.groupBy(batch.rows, (row) => `${row.begin.groupId} ${kindOf(row)}`).values()) {
    tally.add(rows[0]!.begin.groupId, kindOf(rows[0]!), await insertRows(client, rows));
  }
  return tally;
}

/** False when one of them is there already. */
async function addNewRows(client: ClientBase, copier: RowCopier, parts: readonly PartitionRows[]): Promise<boolean> {
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
  return row.end.outcome === 'interrupted' ? 'interrupted' : 'stored';
}
