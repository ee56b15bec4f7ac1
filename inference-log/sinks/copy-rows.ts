import type { ClientBase } from 'pg';
import type { InferenceRow } from '../record.ts';
import { type Column, hasPayload, INFERENCE_COLUMNS, namesOf, PAYLOAD_COLUMNS } from './columns.ts';
import { type CopyBuffer, createCopyBuffer } from './copy-buffer.ts';
import { copyIn } from './copy-in.ts';
import type { PartitionRows } from './partitions.ts';
import { DetachedPartitionError } from './sql-errors.ts';

/** Copies rows straight into their partitions. */
export interface RowCopier {
  /** @throws a unique violation when a row is there already; DetachedPartitionError */
  copy(client: ClientBase, parts: readonly PartitionRows[]): Promise<void>;
}

export function createRowCopier(): RowCopier {
  const idle: CopyBuffer[] = [];

  const copyTable = async (
    client: ClientBase,
    buffer: CopyBuffer,
    table: string,
    columns: readonly Column[],
    rows: readonly InferenceRow[],
  ) => {
    if (rows.length === 0) return;
    const statement = `COPY ${table} (${namesOf(columns)}) FROM STDIN (FORMAT binary)`;
    await copyIn(client, statement, buffer.encode(columns, rows));
  };

  return {
    async copy(client, parts) {
      if (parts.length === 0) return;
      const buffer = idle.pop() ?? createCopyBuffer();
      for (const { inferences, payloads, rows } of parts) {
        await copyTable(client, buffer, inferences, INFERENCE_COLUMNS, rows);
        await copyTable(client, buffer, payloads, PAYLOAD_COLUMNS, rows.filter(hasPayload));
      }
      // Not after a failure: the connection may still be sending it.
      idle.push(buffer);
      await checkAttached(
        client,
        parts.flatMap(({ inferences, payloads }) => [inferences, payloads]),
      );
    },
  };
}

/** What the parent would have checked. Our lock on each partition, which the copy took, keeps it attached till the commit. */
async function checkAttached(client: ClientBase, tables: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ relname: string }>({
    name: 'attached',
    text: `SELECT relname FROM pg_class
      WHERE relname = ANY ($1) AND relnamespace = 'ringside'::regnamespace AND NOT relispartition`,
    values: [tables],
  });
  if (rows.length > 0) throw new DetachedPartitionError(`partition ${rows[0]!.relname} is detached`);
}
