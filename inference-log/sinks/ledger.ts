import type { ClientBase, Pool } from 'pg';
import type { LedgerTotals } from '../spool.ts';

interface Counts {
  stored: number;
  interrupted: number;
  dropped: number;
  expired: number;
  /** Interrupted inferences that came when retention would have removed their row. */
  removed: number;
}

/** What a batch adds to the ledger, by group. */
export interface Tally {
  add(groupId: string, kind: keyof Counts, count: number): void;
  /** Groups in one order for everyone, so that shippers never deadlock on the ledger's rows. */
  sorted(): readonly (readonly [groupId: string, counts: Readonly<Counts>])[];
}

const NOTHING: Readonly<Counts> = { stored: 0, interrupted: 0, dropped: 0, expired: 0, removed: 0 };

export function createTally(): Tally {
  const groups = new Map<string, Counts>();
  return {
    add(groupId, kind, count) {
      const counts = groups.get(groupId);
      if (counts !== undefined) counts[kind] += count;
      else groups.set(groupId, { ...NOTHING, [kind]: count });
    },
    sorted: () => [...groups].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

/**
 * One that never ended counts as interrupted for ever, also without a row. `rolled` counts what is in the rollups too: a
 * release without them adds to the others alone.
 */
const ADD = `
  INSERT INTO ledger AS l (gateway_id, group_id, stored, interrupted, dropped, expired, interrupted_removed, rolled)
  SELECT $1::uuid, group_id, stored, interrupted + removed, dropped, expired, removed, stored + interrupted + expired + removed
  FROM UNNEST($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS given (group_id, stored, interrupted, dropped, expired, removed)
  ON CONFLICT (gateway_id, group_id) DO UPDATE SET stored = l.stored + excluded.stored,
    interrupted = l.interrupted + excluded.interrupted, dropped = l.dropped + excluded.dropped,
    expired = l.expired + excluded.expired, interrupted_removed = l.interrupted_removed + excluded.interrupted_removed,
    rolled = l.rolled + excluded.rolled`;

export async function addToLedger(client: ClientBase, gatewayId: string, tally: Tally): Promise<void> {
  const groups = tally.sorted();
  if (groups.length === 0) return;
  const column = (kind: keyof Counts) => groups.map(([, counts]) => counts[kind]);
  const values = [
    ...[gatewayId, groups.map(([id]) => id), column('stored'), column('interrupted'), column('dropped')],
    ...[column('expired'), column('removed')],
  ];
  await client.query({ name: 'add-to-ledger', text: ADD, values });
}

/** What the store took of a gateway, what retention has removed since included: a count that never falls. */
export async function readLedger(pool: Pool, gatewayId: string): Promise<LedgerTotals[]> {
  const { rows } = await pool.query<LedgerTotals>(
    `SELECT group_id AS "groupId", stored + archived + expired AS stored, archived, expired, interrupted, dropped
     FROM ledger WHERE gateway_id = $1`,
    [gatewayId],
  );
  return rows;
}
