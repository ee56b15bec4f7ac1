import type { ClientBase, Pool } from 'pg';
import { type SinkBatch, type SpoolCursor, StaleCursorError } from '../spool.ts';

interface CursorRow {
  readonly scan_segment: number;
  readonly scan_offset: number;
  readonly shipped_segment: number;
  readonly shipped_offset: number;
}

const INSERT = `INSERT INTO spools (id, gateway_id, finished, scan_segment, scan_offset, shipped_segment, shipped_offset)
  VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`;
const UPDATE = `UPDATE spools SET finished = $2, scan_segment = $3, scan_offset = $4, shipped_segment = $5,
    shipped_offset = $6, updated_at = now()
  WHERE id = $1 AND scan_segment = $7 AND scan_offset = $8 AND shipped_segment = $9 AND shipped_offset = $10`;

/** The stored position of a spool. */
export async function readCursor(pool: Pool, spoolId: string): Promise<SpoolCursor | undefined> {
  const { rows } = await pool.query<CursorRow>('SELECT * FROM spools WHERE id = $1', [spoolId]);
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    scan: { segment: row.scan_segment, offset: row.scan_offset },
    shipped: { segment: row.shipped_segment, offset: row.shipped_offset },
  };
}

/**
 * First in the transaction: its row lock makes shippers of one spool wait for each other.
 * @throws StaleCursorError when the stored cursor is not the expected one
 */
export async function moveCursor(client: ClientBase, batch: SinkBatch): Promise<void> {
  const { spoolId, gatewayId, expected, cursor, finished } = batch;
  const { rowCount } =
    expected === undefined
      ? await client.query(INSERT, [spoolId, gatewayId, finished, ...numbersOf(cursor)])
      : await client.query({
          ...{ name: 'move-cursor', text: UPDATE },
          values: [spoolId, finished, ...numbersOf(cursor), ...numbersOf(expected)],
        });
  if (rowCount === 0) throw new StaleCursorError(`spool ${spoolId} is no longer at ${describe(expected)}`);
}

function numbersOf({ scan, shipped }: SpoolCursor): number[] {
  return [scan.segment, scan.offset, shipped.segment, shipped.offset];
}

function describe(cursor: SpoolCursor | undefined): string {
  return cursor === undefined ? 'its start' : `${cursor.shipped.segment}:${cursor.shipped.offset}`;
}
