import { CompiledQuery, sql } from 'kysely';
import { createPool, type Tx } from '#store/pool.ts';
import { reasonOf } from '../alarms.ts';
import type { InferenceRow } from '../record.ts';
import { RefusedBatchError, type Sink, type SinkBatch, type SpoolCursor, StaleCursorError } from '../spool.ts';
import { INFERENCE_COLUMNS, unnest } from './columns.ts';
import { createPartitions } from './partitions.ts';
import { insertPayloads } from './payloads.ts';

export interface PostgresSinkOptions {
  readonly databaseUrl: string;
  /** Batches of different spools are written side by side (4). */
  readonly maxConnections?: number;
  readonly onConnectionError?: (error: Error) => void;
}

interface Counts {
  stored: number;
  interrupted: number;
  dropped: number;
}

const NO_PARTITION = '23514';

/** The log in PostgreSQL, acting as the role `shipper`, which can add to it and do nothing else. */
export function createPostgresSink(options: PostgresSinkOptions): Sink {
  const { onConnectionError } = options;
  const db = createPool({
    databaseUrl: options.databaseUrl,
    role: 'shipper',
    maxConnections: options.maxConnections ?? 4,
    applicationName: 'ringside shipper',
    // A commit that lands after it is found by its cursor.
    queryTimeoutMs: 30_000,
    ...(onConnectionError === undefined ? {} : { onConnectionError }),
  });
  const partitions = createPartitions(db);

  const store = async (batch: SinkBatch) => {
    await partitions.ensure(batch.rows);
    await db.transaction().execute(async (tx) => {
      await moveCursor(tx, batch);
      await addToLedger(tx, batch.gatewayId, await insertCounted(tx, batch));
    });
  };

  return {
    async readCursor(spoolId) {
      const row = await db.selectFrom('spools').selectAll().where('id', '=', spoolId).executeTakeFirst();
      if (row === undefined) return undefined;
      return {
        scan: { segment: row.scan_segment, offset: row.scan_offset },
        shipped: { segment: row.shipped_segment, offset: row.shipped_offset },
      };
    },
    async write(batch) {
      try {
        try {
          await store(batch);
        } catch (error) {
          if (sqlStateOf(error) !== NO_PARTITION) throw error;
          partitions.forget(); // retention dropped one that we remember
          await store(batch);
        }
      } catch (error) {
        if (isDataError(error)) throw new RefusedBatchError(reasonOf(error), { cause: error });
        throw error;
      }
    },
    async readLedger(gatewayId) {
      const rows = await db.selectFrom('ledger').selectAll().where('gateway_id', '=', gatewayId).execute();
      return rows.map(({ group_id, stored, interrupted, dropped }) => ({
        groupId: group_id,
        stored,
        interrupted,
        dropped,
      }));
    },
    close: () => db.destroy(),
  };
}

/** First in the transaction: its row lock makes shippers of one spool wait for each other. */
async function moveCursor(tx: Tx, { spoolId, gatewayId, expected, cursor, finished }: SinkBatch): Promise<void> {
  const { scan, shipped } = cursor;
  const { numAffectedRows } =
    expected === undefined
      ? await sql`
          INSERT INTO spools (id, gateway_id, scan_segment, scan_offset, shipped_segment, shipped_offset, finished)
          VALUES (${spoolId}, ${gatewayId}, ${scan.segment}, ${scan.offset}, ${shipped.segment}, ${shipped.offset}, ${finished})
          ON CONFLICT DO NOTHING`.execute(tx)
      : await sql`
          UPDATE spools SET scan_segment = ${scan.segment}, scan_offset = ${scan.offset},
            shipped_segment = ${shipped.segment}, shipped_offset = ${shipped.offset},
            finished = ${finished}, updated_at = now()
          WHERE id = ${spoolId} AND scan_segment = ${expected.scan.segment} AND scan_offset = ${expected.scan.offset}
            AND shipped_segment = ${expected.shipped.segment} AND shipped_offset = ${expected.shipped.offset}`.execute(
          tx,
        );
  if (numAffectedRows === 0n) throw new StaleCursorError(`spool ${spoolId} is no longer at ${describe(expected)}`);
}

/**
 * Inserts the rows and says what came in, by group. The cursor keeps rows from coming twice; should one be there all the
 * same, the whole batch's count does not tell whose it was, so it is then inserted part by part.
 */
async function insertCounted(tx: Tx, batch: SinkBatch): Promise<Map<string, Counts>> {
  const counts = new Map<string, Counts>();
  const countsOf = (groupId: string) => {
    const found = counts.get(groupId) ?? { stored: 0, interrupted: 0, dropped: 0 };
    counts.set(groupId, found);
    return found;
  };
  for (const { groupId } of batch.dropped) countsOf(groupId).dropped++;
  if (batch.rows.length === 0) return counts;
  await sql`SAVEPOINT rows`.execute(tx);
  let parts: readonly (readonly InferenceRow[])[] = batch.rows.map((row) => [row]);
  if ((await insertRows(tx, batch.rows)) === batch.rows.length) {
    for (const [row] of parts) countsOf(row!.begin.groupId)[columnOf(row!)]++;
    parts = [];
  } else {
    await sql`ROLLBACK TO SAVEPOINT rows`.execute(tx);
    parts = [...Map.groupBy(batch.rows, (row) => `${row.begin.groupId} ${columnOf(row)}`).values()];
  }
  for (const part of parts) countsOf(part[0]!.begin.groupId)[columnOf(part[0]!)] += await insertRows(tx, part);
  return counts;
}

function columnOf(row: InferenceRow): 'stored' | 'interrupted' {
  return row.end.outcome === 'interrupted' ? 'interrupted' : 'stored';
}

/** Returns how many were new. */
async function insertRows(tx: Tx, rows: readonly InferenceRow[]): Promise<number> {
  const names = INFERENCE_COLUMNS.map(({ name }) => name).join(', ');
  const { numAffectedRows } = await tx.executeQuery(
    CompiledQuery.raw(
      `INSERT INTO inferences (${names}) SELECT * FROM ${unnest(INFERENCE_COLUMNS, 1)} ON CONFLICT DO NOTHING`,
      INFERENCE_COLUMNS.map(({ of }) => rows.map(of)),
    ),
  );
  await insertPayloads(tx, rows);
  return Number(numAffectedRows ?? 0n);
}

/** Groups in one order for everyone, so that shippers never deadlock on the ledger's rows. */
async function addToLedger(tx: Tx, gatewayId: string, counts: ReadonlyMap<string, Counts>): Promise<void> {
  if (counts.size === 0) return;
  const groups = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  await sql`
    INSERT INTO ledger AS l (gateway_id, group_id, stored, interrupted, dropped)
    SELECT ${gatewayId}::uuid, * FROM UNNEST(${groups.map(([groupId]) => groupId)}::uuid[],
      ${groups.map(([, { stored }]) => stored)}::bigint[], ${groups.map(([, { interrupted }]) => interrupted)}::bigint[],
      ${groups.map(([, { dropped }]) => dropped)}::bigint[])
    ON CONFLICT (gateway_id, group_id) DO UPDATE SET stored = l.stored + excluded.stored,
      interrupted = l.interrupted + excluded.interrupted, dropped = l.dropped + excluded.dropped`.execute(tx);
}

function describe(cursor: SpoolCursor | undefined): string {
  return cursor === undefined ? 'its start' : `${cursor.shipped.segment}:${cursor.shipped.offset}`;
}

/** Classes 22 (data), 23 (constraint) and 54 (limit exceeded): the same rows would fail again, unless a partition lacks. */
function isDataError(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== undefined && state !== NO_PARTITION && /^(22|23|54)/.test(state);
}

function sqlStateOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
