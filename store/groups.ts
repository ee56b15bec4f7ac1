import { type Insertable, type Selectable, sql, type Updateable } from 'kysely';
import type { Database } from './database.ts';
import { findNamed, listNamed, type NamePage, type RowLock, retireNamed, updateNamed } from './named-rows.ts';
import type { Tx } from './pool.ts';

export type GroupRow = Selectable<Database['groups']>;
export type VariantRow = Selectable<Database['variants']> & { model: string };

/** The live group with this name or id, if the organization has one. */
export function findGroup(
  tx: Tx,
  organizationId: string,
  ref: string,
  lock: RowLock = 'none',
): Promise<GroupRow | undefined> {
  return findNamed(tx, 'groups', organizationId, ref, lock);
}

/** Live groups by name. */
export function listGroups(tx: Tx, organizationId: string, page: NamePage): Promise<GroupRow[]> {
  return listNamed(tx, 'groups', organizationId, page);
}

/** Every group that the organization has or ever had: id, name and whether it still exists. */
export async function allGroups(
  tx: Tx,
  organizationId: string,
): Promise<{ id: string; name: string; deleted: boolean }[]> {
  const rows = await tx
    .selectFrom('groups')
    .select(['id', 'name', 'deleted_at'])
    .where('organization_id', '=', organizationId)
    .execute();
  return rows.map((row) => ({ id: row.id, name: row.name, deleted: row.deleted_at !== null }));
}

/** The variants of some groups with their model's name, in order, by group id. */
export async function variantsOf(
  tx: Tx,
  organizationId: string,
  groupIds: readonly string[],
): Promise<Map<string, VariantRow[]>> {
  if (groupIds.length === 0) return new Map();
  const rows = await tx
    .selectFrom('variants')
    .innerJoin('models', 'models.id', 'variants.model_id')
    .selectAll('variants')
    .select('models.name as model')
    .where('variants.organization_id', '=', organizationId)
    .where('group_id', 'in', groupIds)
    .orderBy('group_id')
    .orderBy('position')
    .execute();
  return Map.groupBy(rows, (row) => row.group_id);
}

/**
 * Inserts a group and makes its tables in the inference log, with partitions for the present span and the next.
 * Fails on the index `groups_name` when the name is taken.
 */
export async function insertGroup(tx: Tx, row: Insertable<Database['groups']>): Promise<GroupRow> {
  const inserted = await tx.insertInto('groups').values(row).returningAll().executeTakeFirstOrThrow();
  await sql`SELECT provision_ahead(${row.id})`.execute(tx);
  return inserted;
}

/** Changes a group and raises its version. */
export function updateGroup(
  tx: Tx,
  organizationId: string,
  id: string,
  changes: Updateable<Database['groups']>,
): Promise<GroupRow> {
  return updateNamed(tx, 'groups', organizationId, id, changes);
}

/** Puts these variants in the place of a group's present ones. */
export async function replaceVariants(
  tx: Tx,
  organizationId: string,
  groupId: string,
  rows: readonly Insertable<Database['variants']>[],
): Promise<void> {
  await tx
    .deleteFrom('variants')
    .where('organization_id', '=', organizationId)
    .where('group_id', '=', groupId)
    .execute();
  if (rows.length > 0) await tx.insertInto('variants').values(rows).execute();
}

/** Keeps, for ever, what a group's split was from a configuration version on. */
export async function insertWeightVersion(tx: Tx, row: Insertable<Database['weight_versions']>): Promise<void> {
  await tx.insertInto('weight_versions').values(row).execute();
}

/** Removes a group: its row, its variants and its inferences stay, its name is free again. */
export function deleteGroup(tx: Tx, organizationId: string, id: string): Promise<void> {
  return retireNamed(tx, 'groups', organizationId, id, {});
}
