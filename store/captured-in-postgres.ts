import { unixMsOfId } from '#core/ids.ts';
import {
  CAPTURED_COLUMNS,
  type CapturedInferences,
  type CapturedRow,
  type SoughtCaptures,
} from './captured-inferences.ts';
import { findPayloads } from './inferences.ts';
import type { Tx } from './pool.ts';

/** Rows and bodies in the tables of the log here. */
export const capturedInPostgres: CapturedInferences = {
  async find(inTransaction, sought) {
    if (sought.ids.length === 0) return new Map();
    return inTransaction(async (tx) => {
      const rows = await capturedRows(tx, sought);
      const payloads = await findPayloads(tx, sought.organizationId, rows);
      return new Map(rows.map((row) => [row.id, { row, payload: payloads.get(row.id) }]));
    });
  },
};

/** The times in their ids rule out partitions. */
function capturedRows(tx: Tx, { organizationId, groupId, ids }: SoughtCaptures): Promise<CapturedRow[]> {
  const times = [...new Set(ids.map(unixMsOfId))].map((unixMs) => new Date(unixMs));
  return tx
    .selectFrom('inferences')
    .select(CAPTURED_COLUMNS)
    .where('organization_id', '=', organizationId)
    .where('group_id', '=', groupId)
    .where('created_at', 'in', times)
    .where('id', 'in', ids)
    .execute();
}
