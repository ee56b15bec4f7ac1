import type { ClientBase } from 'pg';
import { unixMsOfId } from '#core/ids.ts';
import type { InferenceRow } from '../../record.ts';

export interface SplitByRetention {
  readonly rows: readonly InferenceRow[];
  /** Those whose time retention has removed: they are not to come back. */
  readonly late: readonly InferenceRow[];
  /** Another one once retention may have removed rows of the batch that an earlier try had stored; empty: they are too new for that. */
  readonly epoch: string;
}

interface Held {
  readonly groupId: string;
  readonly untilMs: string;
  readonly keptFromMs: string | null;
  readonly run: number;
}

const HOLD = `SELECT group_id AS "groupId", extract(epoch FROM until) * 1000 AS "untilMs",
    extract(epoch FROM kept_from) * 1000 AS "keptFromMs", run
  FROM hold_late_rows($1::uuid[], $2::timestamptz[])`;

/**
 * Parts a batch's rows, and keeps retention from going further in their groups until the transaction ends.
 * @throws when rows that the policy keeps must wait, since a leader may be deleting what is of their time
 */
export async function splitByRetention(client: ClientBase, rows: readonly InferenceRow[]): Promise<SplitByRetention> {
  if (rows.length === 0) return { rows, late: [], epoch: '' };
  const oldest = new Map<string, number>();
  for (const { id, begin } of rows) {
    oldest.set(begin.groupId, Math.min(unixMsOfId(id), oldest.get(begin.groupId) ?? Number.POSITIVE_INFINITY));
  }
  const groups = [...oldest.keys()];
  const moments = [...oldest.values()].map((unixMs) => new Date(unixMs).toISOString());
  const found = await client.query<Held>({
    ...{ name: 'hold-late-rows', text: HOLD },
    values: [groups, moments],
  });
  if (found.rows.length === 0) return { rows, late: [], epoch: '' };
  const held = new Map(found.rows.map((row) => [row.groupId, row]));
  const late: InferenceRow[] = [];
  const kept: InferenceRow[] = [];
  for (const row of rows) {
    const unixMs = unixMsOfId(row.id);
    const group = held.get(row.begin.groupId);
    if (group === undefined || unixMs >= Number(group.untilMs)) kept.push(row);
    else if (group.keptFromMs === null || unixMs < Number(group.keptFromMs)) late.push(row);
    else {
      throw new Error(
        `rows of group ${group.groupId} wait for a deletion in ClickHouse that was cut off; the control plane ends it`,
      );
    }
  }
  const epoch = found.rows.map(({ groupId, run }) => `${groupId}:${run}`).sort();
  return { rows: kept, late, epoch: epoch.join() };
}

/** Notes rows that are counted and not stored, lest retention count them again. */
export async function noteLateRows(
  client: ClientBase,
  gatewayId: string,
  late: readonly InferenceRow[],
): Promise<void> {
  if (late.length === 0) return;
  const counts = new Map<string, { groupId: string; day: string; gatewayId: string; outcome: string; rows: number }>();
  for (const { id, begin, end } of late) {
    const day = new Date(unixMsOfId(id)).toISOString().slice(0, 10);
    const outcome = end.outcome === 'interrupted' ? 'interrupted' : 'ended';
    const key = `${begin.groupId} ${day} ${outcome}`;
    const count = counts.get(key) ?? { groupId: begin.groupId, day, gatewayId, outcome, rows: 0 };
    count.rows++;
    counts.set(key, count);
  }
  await client.query('SELECT add_clickhouse_gone($1::jsonb)', [JSON.stringify([...counts.values()])]);
}
