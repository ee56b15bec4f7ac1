import { sql } from 'kysely';
import type { ReportedLedger } from '#core/ledger.ts';
import type { Db } from './pool.ts';

/** A gateway's side of the ledger for one group. */
export interface GroupLedger extends ReportedLedger {
  readonly groupId: string;
}

/** Writes down a gateway's side of the ledger, totals since its start. For the role `gateway`. */
export async function reportLedgers(
  db: Db,
  gatewayId: string,
  spools: number,
  ledgers: readonly GroupLedger[],
): Promise<void> {
  const column = <Value>(of: (ledger: GroupLedger) => Value): Value[] => ledgers.map(of);
  await sql`WITH counted AS (UPDATE gateways SET spools = ${spools} WHERE id = ${gatewayId} AND spools <> ${spools})
    INSERT INTO gateway_ledgers AS l (gateway_id, group_id, accepted, recorded, dropped)
    SELECT ${gatewayId}::uuid, * FROM UNNEST(${column(({ groupId }) => groupId)}::uuid[],
      ${column(({ accepted }) => accepted)}::bigint[], ${column(({ recorded }) => recorded)}::bigint[],
      ${column(({ dropped }) => JSON.stringify(dropped))}::jsonb[])
    ON CONFLICT (gateway_id, group_id) DO UPDATE SET accepted = excluded.accepted, recorded = excluded.recorded,
      dropped = excluded.dropped, reported_at = now()`.execute(db);
}
