import { type Selectable, sql } from 'kysely';
import type { Look } from '#core/experiments/look.ts';
import type { Database } from './database.ts';
import type { Tx } from './pool.ts';

export type LookRow = Selectable<Database['experiment_looks']>;

/** Keeps a look: whole for a day, then as look-thinning.ts has it. */
export async function insertLook(tx: Tx, organizationId: string, experimentId: string, look: Look): Promise<void> {
  await tx
    .insertInto('experiment_looks')
    .values({
      ...{ experiment_id: experimentId, organization_id: organizationId, at: new Date(look.atMs) },
      ...{ phase: look.phase, look: JSON.stringify(look) },
    })
    .execute();
}

/** Looks at an experiment, the newest first; behind the one with the id `beforeId`. */
export function listLooks(
  tx: Tx,
  organizationId: string,
  experimentId: string,
  page: { readonly beforeId: number | undefined; readonly limit: number },
): Promise<LookRow[]> {
  return tx
    .selectFrom('experiment_looks')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('experiment_id', '=', experimentId)
    .$if(page.beforeId !== undefined, (query) => query.where('id', '<', page.beforeId!))
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
}

/** The newest look at an experiment. Its `srm.minPValue` is the least of all looks. */
export async function lastLook(tx: Tx, organizationId: string, experimentId: string): Promise<Look | undefined> {
  const [row] = await listLooks(tx, organizationId, experimentId, { beforeId: undefined, limit: 1 });
  return row?.look;
}

/** The newest look at each of some experiments, by id; those that nobody has looked at are not in it. */
export async function lastLooks(tx: Tx, organizationId: string, ids: readonly string[]): Promise<Map<string, Look>> {
  if (ids.length === 0) return new Map();
  // One step into the index for each: an experiment of days has thousands of looks.
  const { rows } = await sql<{
    id: string;
    look: Look;
  }>`SELECT wanted.id, newest.look FROM unnest(${ids}::uuid[]) AS wanted(id)
    CROSS JOIN LATERAL (SELECT look FROM experiment_looks WHERE experiment_id = wanted.id AND organization_id = ${organizationId}
      ORDER BY id DESC LIMIT 1) AS newest`.execute(tx);
  return new Map(rows.map(({ id, look }) => [id, look]));
}
