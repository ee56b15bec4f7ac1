import { reasonOf } from '#core/reason.ts';
import { createClientPool } from '#store/pool.ts';
import type { OnAlarm } from '../../alarms.ts';
import type { InferenceRow } from '../../record.ts';
import { RefusedBatchError, type Sink, type SinkBatch } from '../../spool.ts';
import { moveCursor, readCursor } from '../cursors.ts';
import { createExperimentCounter } from '../experiments.ts';
import { addToLedger, createTally, readLedger, type Tally } from '../ledger.ts';
import { addToRollups } from '../rollups.ts';
import { isDataError } from '../sql-errors.ts';
import { inTransaction } from '../transaction.ts';
import type { ClickHouseAddress } from './address.ts';
import { createClickHouseClient } from './client.ts';
import { isRefusal } from './errors.ts';
import { createRowInserter } from './insert-rows.ts';
import { noteLateRows, splitByRetention } from './late-rows.ts';
import { createTurns } from './turns.ts';

export interface ClickHouseSinkOptions {
  /** Holds cursors, rollups, experiments and ledger. */
  readonly databaseUrl: string;
  /** Holds the rows. */
  readonly clickhouse: ClickHouseAddress;
  /** To PostgreSQL (4); all but one may have a batch under way. */
  readonly maxConnections?: number;
  /** For one insert (30 000). */
  readonly insertTimeoutMs?: number;
  readonly onConnectionError?: (error: Error) => void;
  readonly onAlarm?: OnAlarm;
}

/**
 * Rows in ClickHouse; cursor, rollups, experiments and ledger in PostgreSQL (docs/decisions/0016-clickhouse-sink.md). The cursor is the truth:
 *
 *   BEGIN ──▶ move the cursor, if it is where we think ──▶ rows into ClickHouse ──▶ count them ──▶ COMMIT
 *
 * The cursor's row lock keeps every other shipper of the spool out while the rows travel, so a stale one writes none. What is cut
 * off before the COMMIT is done again: the rows are in ClickHouse already, and the same keys replace them. So nothing is
 * lost, nothing is doubled for who reads with FINAL, and each record counts once, when the cursor passes it.
 */
export function createClickHouseSink(options: ClickHouseSinkOptions): Sink {
  const { onConnectionError, insertTimeoutMs, maxConnections = 4 } = options;
  const pool = createClientPool({
    databaseUrl: options.databaseUrl,
    role: 'shipper',
    maxConnections,
    applicationName: 'ringside shipper',
    // A commit that lands after it is found by its cursor.
    queryTimeoutMs: 30_000,
    ...(onConnectionError === undefined ? {} : { onConnectionError }),
  });
  const client = createClickHouseClient({
    address: options.clickhouse,
    ...(insertTimeoutMs === undefined ? {} : { timeoutMs: insertTimeoutMs }),
  });
  const inserter = createRowInserter(client);
  const experiments = createExperimentCounter(options.onAlarm ?? (() => undefined));
  // A connection is held while rows travel, which may take longer than others wait for one: they would blame PostgreSQL.
  const turns = createTurns(Math.max(1, maxConnections - 1));

  const store = async (batch: SinkBatch) => {
    const connection = await pool.connect();
    await inTransaction(connection, async () => {
      await moveCursor(connection, batch);
      const { rows, late, epoch } = await splitByRetention(connection, batch.rows);
      await inserter.insert(late.length === 0 ? batch : { ...batch, rows }, epoch);
      await addToRollups(connection, batch.gatewayId, batch.rows);
      await experiments.add(connection, batch.gatewayId, batch.rows);
      await noteLateRows(connection, batch.gatewayId, late);
      await addToLedger(connection, batch.gatewayId, tallyOf(batch, rows, late));
    });
  };

  return {
    readCursor: (spoolId) => readCursor(pool, spoolId),
    async write(batch) {
      try {
        await turns.run(() => store(batch));
      } catch (error) {
        if (isRefusal(error) || isDataError(error)) throw new RefusedBatchError(reasonOf(error), { cause: error });
        throw error;
      }
    },
    readLedger: (gatewayId) => readLedger(pool, gatewayId),
    async close() {
      client.close();
      await pool.end();
    },
  };
}

/**
 * All of the batch, without asking which rows are there already: after a crash between rows and cursor they all are, and
 * none has been counted.
 */
function tallyOf({ dropped }: SinkBatch, rows: readonly InferenceRow[], late: readonly InferenceRow[]): Tally {
  const tally = createTally();
  for (const { begin, end } of rows) {
    tally.add(begin.groupId, end.outcome === 'interrupted' ? 'interrupted' : 'stored', 1);
  }
  for (const { begin, end } of late) {
    tally.add(begin.groupId, end.outcome === 'interrupted' ? 'removed' : 'expired', 1);
  }
  for (const { groupId } of dropped) tally.add(groupId, 'dropped', 1);
  return tally;
}
