import type { ClientBase } from 'pg';
import { unixMsOfId } from '#core/ids.ts';
import type { InferenceRow } from '../../record.ts';

export interface SplitByRetention {
  readonly rows: readonly InferenceRow[];
  /** Those whose time retention has removed: they are not to come back. */
  readonly late: readonly InferenceRow[];
}

const HOLD = `SELECT group_id AS "groupId", extract(epoch FROM until) * 1000 AS "untilMs"
  FROM hold_late_rows($1::uuid[], $2::timestamptz[])`;

/** Parts a batch's rows, and keeps retention from going further in their groups until the transaction ends. */
export async function splitByRetention(client: ClientBase, rows: readonly InferenceRow[]): Promise<SplitByRetention> {
  if (rows.length === 0) return { rows, late: [] };
  const oldest = new Map<string, number>();
  for (const { id, begin } of rows) {
    oldest.set(begin.groupId, Math.min(unixMsOfId(id), oldest.get(begin.groupId) ?? Number.POSITIVE_INFINITY));
  }
  const groups = [...oldest.keys()];
  const moments = [...oldest.values()].map((unixMs) => new Date(unixMs).toISOString());
  const found = await client.query<{ groupId: string; untilMs: string }>({
    ...{ name: 'hold-late-rows', text: HOLD },
    values: [groups, moments],
  });
  if (found.rows.length === 0) return { rows, late: [] };
  const untilMs = new Map(found.rows.map((row) => [row.groupId, Number(row.untilMs)]));
  const isLate = ({ id, begin }: InferenceRow) => unixMsOfId(id) < (untilMs.get(begin.groupId) ?? 0);
  return { rows: rows.filter((row) => !isLate(row)), late: rows.filter(isLate) };
}
