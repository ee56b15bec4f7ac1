import { createHash } from 'node:crypto';
import type { SinkBatch, SpoolCursor } from '../../spool.ts';
import { hasPayload } from '../columns.ts';
import type { ClickHouseClient } from './client.ts';
import { INFERENCES, PAYLOADS } from './columns.ts';
import { createRowBinaryBuffer, type RowBinaryBuffer } from './row-binary.ts';

/** Puts the rows of a batch into both tables. */
export interface RowInserter {
  /**
   * Repeating it is harmless.
   * @param epoch another one once retention may have removed what a try before had stored: ClickHouse must not take this one for that
   * @throws RefusedBatchError and the client's errors
   */
  insert(batch: SinkBatch, epoch: string): Promise<void>;
}

export function createRowInserter(client: ClickHouseClient): RowInserter {
  const idle: RowBinaryBuffer[] = [];
  const take = () => idle.pop() ?? createRowBinaryBuffer();
  return {
    async insert(batch, epoch) {
      const { rows } = batch;
      if (rows.length === 0) return;
      const payloads = rows.filter(hasPayload);
      const [buffer, payloadBuffer] = [take(), take()];
      // Both before the first leaves: a value that no column takes is refused while nothing of the batch is stored.
      const encoded = buffer.encode(INFERENCES.columns, rows);
      const encodedPayloads = payloadBuffer.encode(PAYLOADS.columns, payloads);
      const token = tokenOf(batch, epoch);
      // Payloads first: whoever finds an inference finds its payload.
      if (payloads.length > 0) await client.insert(PAYLOADS.insert, encodedPayloads, token);
      await client.insert(INFERENCES.insert, encoded, token);
      // Not after a failure: the connection may still be sending them.
      idle.push(buffer, payloadBuffer);
    },
  };
}

/**
 * The same for the same part of a spool with the same inferences in it, within an epoch. The ids belong to it because rows may change between two
 * tries (a record that was ahead of the clock no longer is): a token of cursors alone would then swallow a row.
 */
function tokenOf({ spoolId, expected, cursor, rows }: SinkBatch, epoch: string): string {
  const hash = createHash('sha256').update(epoch);
  for (const { id } of rows) hash.update(id);
  return `${spoolId}/${placeOf(expected)}/${placeOf(cursor)}/${hash.digest('hex').slice(0, 32)}`;
}

function placeOf(cursor: SpoolCursor | undefined): string {
  if (cursor === undefined) return 'start';
  const { scan, shipped } = cursor;
  return `${scan.segment}:${scan.offset}-${shipped.segment}:${shipped.offset}`;
}
