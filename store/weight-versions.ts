import type { Selectable } from 'kysely';
import type { Database } from './database.ts';
import type { Tx } from './pool.ts';

export type WeightVersionRow = Selectable<Database['weight_versions']>;

/** The split of a group that was in force at a configuration version: with a row's unit it gives the row's assignment again. */
export function splitInForce(
  tx: Tx,
  organizationId: string,
  groupId: string,
  configVersion: number,
): Promise<WeightVersionRow | undefined> {
  return tx
    .selectFrom('weight_versions')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('group_id', '=', groupId)
    .where('config_version', '<=', configVersion)
    .orderBy('config_version', 'desc')
    .limit(1)
    .executeTakeFirst();
}
